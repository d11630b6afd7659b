"""What the schema language has beyond its model: `references`, `values`, `path`; their plans, ways and problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_shared.names import TableName
from flusso_shared.plan.mapping import index_body
from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    Hop,
    JoinField,
    OrderBy,
    Plan,
    Way,
)
from flusso_shared.problems import Problems
from support.documents import plan_of

ACCOUNT, ENTRY, TAG = (TableName("public", name) for name in ("account", "entry", "tag"))
ACCOUNT_TAG = TableName("public", "account_tag")


def schema(field: str, key: str = "id") -> str:
    return f"table: account\nprimary_key: {key}\nfields:\n  - {field}\n"


def ways(folder: Path, field: str) -> tuple[Way, ...]:
    return plan_of(folder, schema(field)).ways[1:]


# --- references ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "{ has_many: entries, table: entry, primary_key: id, foreign_key: iban, references: iban, fields: [] }",
        "{ has_one: entries, table: entry, primary_key: id, foreign_key: iban, references: iban, fields: [] }",
        "{ count: entries, table: entry, foreign_key: iban, references: iban }",
        "{ values: entries, table: entry, column: note, element_type: text, foreign_key: iban, references: iban }",
    ],
)
def test_a_relation_by_another_unique_column_finds_the_key_by_it(
    field: str, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, schema(field))
    relation = plan.fields[0]
    assert isinstance(relation, JoinField | AggregateField)
    assert (relation.edge.parent, relation.edge.child) == (("iban",), ("iban",))
    assert plan.ways[1:] == (Way(ENTRY, ("iban",), (Hop(ACCOUNT, ("iban",), ("id",)),), "entries"),)
    assert plan.ways[0].columns == ("id",)


def test_references_to_the_key_are_the_same_as_none(tmp_path: Path) -> None:
    plain = "{ count: n, table: entry, foreign_key: account_id }"
    named = "{ count: n, table: entry, foreign_key: account_id, references: id }"
    assert plan_of(tmp_path, schema(plain)) == plan_of(tmp_path, schema(named))


def test_references_through_a_junction(tmp_path: Path) -> None:
    field = """{ many_to_many: tags, table: tag, primary_key: id, references: iban,
        through: { table: account_tag, left_key: iban, right_key: tag_id }, fields: [] }"""
    to_key = Hop(ACCOUNT, ("iban",), ("id",))
    assert ways(tmp_path, field) == (
        Way(ACCOUNT_TAG, ("iban",), (to_key,), "tags"),
        Way(TAG, ("id",), (Hop(ACCOUNT_TAG, ("tag_id",), ("iban",)), to_key), "tags"),
    )


def test_references_below_another_relation(tmp_path: Path) -> None:
    field = """{ has_many: entries, table: entry, primary_key: id, foreign_key: account_id, fields: [
        { count: tags, table: tag, foreign_key: code, references: tag_code } ] }"""
    assert ways(tmp_path, field) == (
        Way(ENTRY, ("account_id",), (), "entries"),
        Way(TAG, ("code",), (Hop(ENTRY, ("tag_code",), ("account_id",)),), "entries.tags"),
    )


def test_a_relation_by_references_needs_no_declared_key(tmp_path: Path) -> None:
    text = "table: account\nfields:\n  - { count: n, table: entry, foreign_key: iban, references: iban }\n"
    assert plan_of(tmp_path, text).key == ()


# --- doc_id -------------------------------------------------------------------------------------


def test_another_unique_column_names_the_document(tmp_path: Path) -> None:
    """Both values of a changed one are in the log: the old document is deleted, the new one written."""
    text = """
        table: account
        primary_key: id
        doc_id: iban
        fields:
          - { integer: id }
          - { count: entries, table: entry, foreign_key: account_id }
    """
    plan = plan_of(tmp_path, text)
    assert plan.key == ("iban",)
    assert plan.ways == (
        Way(ACCOUNT, ("iban",), (), ""),
        Way(ENTRY, ("account_id",), (Hop(ACCOUNT, ("id",), ("iban",)),), "entries"),
    )
    assert Plan((plan,)).link_columns()[ACCOUNT] == {"iban"}
    number = plan.fields[0]
    assert isinstance(number, ColumnField)
    assert not number.nullable


# --- values -------------------------------------------------------------------------------------


def test_values_have_order_limit_and_a_type(tmp_path: Path) -> None:
    field = """{ values: notes, table: entry, foreign_key: account_id, column: note, element_type: text,
        distinct: true, order_by: [{ column: at, direction: desc }], limit: 3,
        filters: [{ column: hidden, op: eq, value: false }] }"""
    found = plan_of(tmp_path, schema(field)).fields[0]
    assert isinstance(found, AggregateField)
    assert (found.op, found.column, found.distinct) == ("values", "note", True)
    assert (found.edge.limit, found.edge.order_by) == (3, (OrderBy("at", True),))
    assert len(found.edge.filters) == 1
    assert (found.mapping.type, found.nullable) == ("text", False)


def test_values_beside_map_are_its_own(tmp_path: Path) -> None:
    found = plan_of(tmp_path, schema("{ map: labels, values: keyword }")).fields[0]
    assert isinstance(found, ColumnField)


# --- path ---------------------------------------------------------------------------------------


def test_a_path_of_keys_and_positions(tmp_path: Path) -> None:
    found = plan_of(tmp_path, schema("{ keyword: city, column: data, path: [a, b, 0, '1'] }"))
    field = found.fields[0]
    assert isinstance(field, ColumnField)
    assert (field.column, field.path) == ("data", ("a", "b", 0, "1"))


def test_a_value_inside_the_key_column_may_be_missing(tmp_path: Path) -> None:
    field = plan_of(tmp_path, schema("{ keyword: id, path: [a] }")).fields[0]
    assert isinstance(field, ColumnField)
    assert field.nullable


# --- problems -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            "{ has_many: n, table: entry, primary_key: id, foreign_key: a, references: [x, y], fields: [] }",
            "keys `a` and `x`, `y` differ in number",
        ),
        (
            "{ belongs_to: n, table: entry, primary_key: id, references: x, fields: [] }",
            "takes `primary_key`, not `references`",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, element_type: text }",
            "`values` field `n` needs `column`",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, column: b }",
            "`values` field `n` needs `element_type`",
        ),
        (
            "{ values: n, table: entry, column: b, element_type: text }",
            "takes exactly one of `foreign_key` and `through`",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, column: b, element_type: txt }",
            "unknown `element_type` `txt` (did you mean `text`?)",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, column: b, element_type: text, distinct: 1 }",
            "`distinct` must be true or false",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, column: b, element_type: text, limit: 0 }",
            "`limit` must be a whole number from 1",
        ),
        ("{ count: n, table: entry, foreign_key: a, limit: 2 }", "has no key `limit`"),
        ("{ keyword: n, path: a }", "`path` must be a list"),
        ("{ keyword: n, path: [] }", "`path` must be a list"),
        ("{ keyword: n, path: [a, true] }", "a step of `path` is a key, or a position"),
        ("{ keyword: n, path: [a, 1.5] }", "a step of `path` is a key, or a position"),
        ("{ geo: n, path: [a] }", "has no key `path`"),
        ("{ keyword: n, table: entry, values: long }", "needs exactly one type"),
    ],
)
def test_problems_are_located(field: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        plan_of(tmp_path, schema(field))
    assert [problem.line for problem in caught.value.problems] == [4] * len(caught.value.problems)
    assert message in str(caught.value)


# --- hash and mapping ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{ keyword: a, path: [x] }", "{ keyword: a }"),
        ("{ keyword: a, path: [0] }", "{ keyword: a, path: ['0'] }"),
        (
            "{ count: n, table: entry, foreign_key: a, references: b }",
            "{ count: n, table: entry, foreign_key: a }",
        ),
        (
            "{ values: n, table: entry, foreign_key: a, column: b, element_type: text, distinct: true }",
            "{ values: n, table: entry, foreign_key: a, column: b, element_type: text }",
        ),
    ],
)
def test_what_changes_documents_changes_the_hash(one: str, other: str, tmp_path: Path) -> None:
    hashes = {plan_of(tmp_path, schema(field)).hash for field in (one, other)}
    # A position and the key of the same digits read the same value of one document, but not of every one.
    assert len(hashes) == 2


def test_options_left_out_are_not_in_the_hash(tmp_path: Path) -> None:
    """So that options which later versions bring leave it as it is."""
    assert plan_of(tmp_path, schema("{ keyword: a }")).hash == "e5358a45"


def test_two_ordered_enums_never_share_a_normalizer(tmp_path: Path) -> None:
    text = """
        table: t
        fields:
          - object: a
            fields: [{ enum: b_c, variants: [x, y] }]
          - object: a_b
            fields: [{ enum: c, variants: [y, x] }]
    """
    body = index_body(
        plan_of(tmp_path, text),
        auto_subfields=True,
        text_analysis="builtin",
        shards=1,
        replicas=0,
        refresh_interval="-1",
    )
    assert len(body["settings"]["analysis"]["char_filter"]) == 2
