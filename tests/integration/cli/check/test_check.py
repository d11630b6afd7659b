"""What `flusso check` says of databases that are right, and of those that are wrong in one way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services import Services
from support import names
from support.documents import run
from support.kits.check_kit import STORE, checked, things, told

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("test_check")]

_GOOD = """
    table: things
    primary_key: id
    soft_delete: { column: gone }
    filters: [{ column: state, op: neq, value: hidden }, { raw: "size IS NULL OR size < 100" }]
    fields:
      - { integer: id, required: true }
      - { text: name, transforms: [trim], default: none, required: true }
      - { geo: at, lat: at_x, lon: at_y }
      - belongs_to: owner
        column: owner_id
        table: owners
        primary_key: id
        required: true
        fields: [{ text: name }]
      - has_many: parts
        table: parts
        primary_key: id
        foreign_key: thing_id
        order_by: [{ column: weight }]
        fields: [{ text: label }]
      - many_to_many: tags
        table: tags
        primary_key: id
        through: { table: thing_tags, left_key: thing_id, right_key: tag_id }
        fields: [{ keyword: label }]
      - { sum: weight, table: parts, column: weight, value_type: decimal, foreign_key: thing_id }
      - { ids: tagIds, table: tags, element_type: integer,
          through: { table: thing_tags, left_key: thing_id, right_key: tag_id } }
    """


def test_a_correct_schema_has_no_findings(database: str, tmp_path: Path) -> None:
    run(database, *STORE, "INSERT INTO things (id, owner_id, state) VALUES (1, 1, 'new')")
    report = checked(tmp_path, database, _GOOD)
    assert told(report) == []
    assert not report.failed


@pytest.fixture(scope="module")
def broken(services: Services) -> Iterator[str]:
    """A database that the cases below only read."""
    with names.database(services) as url:
        run(url, *STORE)
        yield url


_PARTS = "table: parts, primary_key: id, foreign_key: thing_id, fields: []"
_CASES: list[tuple[str, str, tuple[str, str, str], str]] = [
    # --- what is not there
    (
        "column",
        things("{ text: nam }"),
        ("error", "unknown-column", "things.nam"),
        "did you mean `name`?",
    ),
    (
        "column inside",
        things(
            "{ object: a, fields: [{ has_many: b, table: parts, primary_key: id, foreign_key: thing_id,"
            " fields: [{ text: lable }] }] }"
        ),
        ("error", "unknown-column", "things.a.b.lable"),
        "table `public.parts` has no column `lable` (did you mean `label`?)",
    ),
    (
        "table",
        things("{ count: n, table: part, foreign_key: thing_id }"),
        ("error", "unknown-table", "things.n"),
        "did you mean `public.parts`?",
    ),
    (
        "table elsewhere",
        things("{ count: n, table: sales, foreign_key: thing_id }"),
        ("error", "unknown-table", "things.n"),
        "write `schema: shop` beside `table`",
    ),
    (
        "view",
        things("{ count: n, table: all_parts, foreign_key: thing_id }"),
        ("error", "not-a-table", "things.n"),
        "`public.all_parts` is a view",
    ),
    (
        "filter",
        things(more="\n    filters: [{ column: stat, op: is_null }]"),
        ("error", "unknown-column", "things.filters"),
        "did you mean `state`?",
    ),
    (
        "soft delete",
        things(more="\n    soft_delete: { column: deleted }"),
        ("error", "unknown-column", "things.soft_delete"),
        "no column `deleted`",
    ),
    (
        "when",
        things(more="\n    soft_delete: { column: gone, when: [{ column: x, op: is_null }] }"),
        ("error", "unknown-column", "things.soft_delete.when"),
        "no column `x`",
    ),
    (
        "key",
        things(more="").replace("primary_key: id", "primary_key: ident"),
        ("error", "unknown-column", "things.primary_key"),
        "no column `ident`",
    ),
    (
        "foreign key",
        things("{ count: n, table: parts, foreign_key: thingid }"),
        ("error", "unknown-column", "things.n"),
        "did you mean `thing_id`?",
    ),
    (
        "order",
        things(f"{{ has_many: ps, {_PARTS}, order_by: [{{ column: wait }}] }}"),
        ("error", "unknown-column", "things.ps"),
        "no column `wait`",
    ),
    (
        "join filter",
        things(f"{{ has_many: ps, {_PARTS}, filters: [{{ column: wait, op: is_null }}] }}"),
        ("error", "unknown-column", "things.ps"),
        "no column `wait`",
    ),
    (
        "junction",
        things(
            "{ count: n, table: tags, through: { table: thing_tags, left_key: thing_id,"
            " right_key: tags_id } }"
        ),
        ("error", "unknown-column", "things.n"),
        "did you mean `tag_id`?",
    ),
    (
        "geo",
        things("{ geo: at, lat: at_x, lon: at_z }"),
        ("error", "unknown-column", "things.at"),
        "no column `at_z`",
    ),
    # --- types and nullability
    ("type", things("{ long: size }"), ("error", "column-type", "things.size"), "write `integer`"),
    (
        "coordinate",
        things("{ geo: at, lat: at_x, lon: name }"),
        ("error", "column-type", "things.at"),
        "a coordinate must be a number",
    ),
    (
        "required",
        things("{ text: name, required: true }"),
        ("warning", "nullable-column", "things.name"),
        "may be NULL",
    ),
    (
        "required inside",
        things(f"{{ has_many: ps, {_PARTS.replace('[]', '[{ text: label, required: true }]')} }}"),
        ("warning", "nullable-column", "things.ps.label"),
        "`label` of table `public.parts` may be NULL",
    ),
    (
        "required point",
        things("{ geo: at, lat: at_x, lon: size, required: true }"),
        ("warning", "nullable-column", "things.at"),
        "may be NULL",
    ),
    (
        "marker",
        things(more="\n    soft_delete: { column: size }"),
        ("warning", "soft-delete-type", "things.soft_delete"),
        "every value but NULL counts",
    ),
    # --- keys
    (
        "root key",
        things().replace("primary_key: id", "primary_key: owner_id"),
        ("error", "key-not-unique", "things.primary_key"),
        "several rows would share a document",
    ),
    (
        "document id",
        things(more="\n    doc_id: state"),
        ("error", "key-not-unique", "things.primary_key"),
        "`state` is not unique in table `public.things`",
    ),
    (
        "to-one key",
        things("{ belongs_to: o, column: name, table: owners, primary_key: code, fields: [] }"),
        ("warning", "key-not-unique", "things.o"),
        "`code` is not unique in table `public.owners`",
    ),
    (
        "has one of many",
        things(f"{{ has_one: p, {_PARTS} }}"),
        ("warning", "has-one-of-many", "things.p"),
        "`thing_id` is not unique",
    ),
    (
        "references",
        things("{ count: n, table: parts, foreign_key: label, references: name }"),
        ("warning", "key-not-unique", "things.n"),
        "`name` is not unique in table `public.things`",
    ),
    (
        "unknown reference",
        things("{ count: n, table: parts, foreign_key: thing_id, references: size_id }"),
        ("error", "unknown-column", "things.n"),
        "no column `size_id`",
    ),
    (
        "value",
        things(
            "{ values: ws, table: parts, foreign_key: thing_id, column: wait, element_type: long }"
        ),
        ("error", "unknown-column", "things.ws"),
        "no column `wait`",
    ),
    # --- what only the server can tell
    (
        "raw",
        things(more='\n    filters: [{ raw: "stat = 1" }]'),
        ("error", "statement", "things.filters"),
        '`stat = 1`: Postgres refuses this: column "stat" does not exist',
    ),
    (
        "raw syntax",
        things(f'{{ has_many: ps, {_PARTS}, filters: [{{ raw: "label = " }}] }}'),
        ("error", "statement", "things.ps.filters"),
        "syntax error",
    ),
    (
        "raw aggregate",
        things(
            '{ count: n, table: parts, foreign_key: thing_id, filters: [{ raw: "sum(id) > 1" }] }'
        ),
        ("error", "statement", "things.n.filters"),
        "aggregate functions are not allowed in WHERE",
    ),
    (
        "several statements",
        things(more='\n    filters: [{ raw: "true); DROP TABLE parts; --" }]'),
        ("error", "statement", "things.filters"),
        "Postgres refuses this",
    ),
    (
        "operand",
        things(more="\n    filters: [{ column: size, op: eq, value: large }]"),
        ("error", "statement", "things.filters"),
        "`size eq large`: Postgres refuses this: invalid input syntax",
    ),
    (
        "operator",
        things(more="\n    filters: [{ column: size, op: like, value: a% }]"),
        ("error", "statement", "things.filters"),
        "operator does not exist",
    ),
    (
        "when operand",
        things(
            more="\n    soft_delete: { column: gone, when: [{ column: size, op: gt, value: x }] }"
        ),
        ("error", "statement", "things.soft_delete.when"),
        "`size gt x`",
    ),
    (
        "default",
        things("{ object: o, fields: [{ integer: size, default: none }] }"),
        ("error", "statement", "things.o.size"),
        "invalid input syntax for type integer",
    ),
    (
        "link types",
        things("{ belongs_to: o, column: name, table: owners, primary_key: id, fields: [] }"),
        ("error", "link-type", "things.o"),
        "column `id` of table `public.owners` (integer) cannot be compared with column `name` of table"
        " `public.things` (text): operator does not exist: integer = text",
    ),
    (
        "order by json",
        things(
            "{ has_many: ts, table: things, primary_key: id, foreign_key: owner_id, fields: [],"
            " order_by: [{ column: counts }] }"
        ),
        ("error", "statement", "things.ts"),
        "could not identify an ordering operator",
    ),
]


@pytest.mark.parametrize(
    ("text", "expected", "part"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES]
)
def test_an_error_is_reported_once_at_its_place(
    broken: str, tmp_path: Path, text: str, expected: tuple[str, str, str], part: str
) -> None:
    report = checked(tmp_path, broken, text)
    assert told(report, "missing-index") == [expected]
    (found,) = [item for item in report.diagnostics if item.rule == expected[1]]
    assert part in " ".join((found.message, found.cure))
    assert report.failed == (expected[0] == "error")


def test_what_lacks_nothing_is_checked_beside_what_does(database: str, tmp_path: Path) -> None:
    run(database, *STORE, "DROP INDEX parts_thing_id_idx")
    fields = (
        "{ text: nam }",
        "{ long: size }",
        f"{{ has_many: ps, {_PARTS.replace('[]', '[{ text: lable }, { long: weight }]')} }}",
        "{ integer: counted, column: size, default: none }",
        "{ count: n, table: part, foreign_key: thing_id }",
    )
    report = checked(tmp_path, database, things(*fields), manage=False)
    assert told(report) == [
        ("error", "unknown-column", "things.nam"),
        ("error", "unknown-column", "things.ps.lable"),
        ("error", "unknown-table", "things.n"),
        ("error", "column-type", "things.size"),
        ("error", "column-type", "things.ps.weight"),
        ("warning", "missing-index", "things.ps"),
        ("error", "statement", "things.counted"),
        ("error", "replica-identity", "table public.parts"),
    ]
