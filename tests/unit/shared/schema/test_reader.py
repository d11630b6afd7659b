"""What a schema file says, as values of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    CompareCondition,
    Edge,
    Field,
    FieldMapping,
    GeoField,
    JoinField,
    Junction,
    NullCondition,
    OrderBy,
    RawCondition,
    SoftDelete,
)
from flusso_shared.schema import types
from support.documents import plan_of


def only(folder: Path, text: str) -> Field:
    """The field of a schema that has one."""
    (field,) = plan_of(folder, f"table: things\nprimary_key: id\nfields:\n  - {text}").fields
    return field


def test_what_only_clients_read(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        table: things
        primary_key: id
        description: >
          A thing
          of the store.
        fields:
          - { keyword: tags, array: true, description: " Its tags. " }
          - { map: title, values: text }
          - { max: last, table: parts, foreign_key: thing_id, column: at, value_type: timestamp }
          - { ids: parts, table: parts, foreign_key: thing_id, element_type: uuid }
          - { avg: mean, table: parts, foreign_key: thing_id, column: n }
        """,
    )
    assert plan.description == "A thing of the store."
    tags, title, *aggregates = plan.fields
    assert isinstance(tags, ColumnField)
    assert isinstance(title, ColumnField)
    assert (tags.array, tags.description, title.values) == (True, "Its tags.", "text")
    assert [item.value_type for item in aggregates if isinstance(item, AggregateField)] == [
        "timestamp",
        "uuid",
        "",
    ]


def test_the_root_says_what_it_is(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        table: " Title "
        schema: library
        primary_key: [Id, '"Part No"']
        soft_delete: { field: goneAt, when: [{ column: Kind, op: is_not_null }] }
        filters:
          - { raw: " a > b " }
          - { column: country, op: in, value: [NO, no, 007, 1.50, true, 0x1F, 2024-01-01] }
        fields:
          - object: state
            fields: [{ timestamp: goneAt, column: gone_at }]
        """,
    )
    assert plan.root == TableName("library", "Title")
    assert plan.key == ("Id", '"Part No"')
    assert plan.soft_delete == SoftDelete("gone_at", (NullCondition("Kind", True),))
    assert plan.filters == (
        RawCondition("a > b"),
        CompareCondition(
            "country", "in", ("NO", "no", "007", "1.50", "true", "0x1F", "2024-01-01")
        ),
    )


def test_an_empty_key_is_taken_from_the_catalog(tmp_path: Path) -> None:
    assert plan_of(tmp_path, "table: t\nfields: []").key == ()


@pytest.mark.parametrize("tag", sorted(types.SCALARS))
def test_every_scalar_reads_a_column(tmp_path: Path, tag: str) -> None:
    mapping = FieldMapping(types.SCALARS[tag])
    assert only(tmp_path, f"{tag}: fullName") == ColumnField(
        "fullName", tag, "fullName", mapping, nullable=True
    )
    assert only(tmp_path, f"{{ column: B, required: true, {tag}: a }}") == ColumnField(
        "a", tag, "B", mapping, nullable=False
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ text: a, transforms: [trim, lowercase] }", ColumnField("a", "text", "a", FieldMapping("text"), True, ("trim", "lowercase"))),
        ("{ integer: a, default: 5 }", ColumnField("a", "integer", "a", FieldMapping("integer"), False, default=5)),
        ("{ text: a, default: null }", ColumnField("a", "text", "a", FieldMapping("text"), True)),
        ("{ date: a, default: 2024-01-01 }", ColumnField("a", "date", "a", FieldMapping("date"), False, default="2024-01-01")),
        ("{ integer: key, column: id }", ColumnField("key", "integer", "id", FieldMapping("integer"), False)),
        ("{ enum: a, variants: [on, off] }", ColumnField("a", "enum", "a", FieldMapping("keyword", {}, ("on", "off")), True)),
        ("{ custom: a, postgres: [inet], opensearch: ip, options: { doc_values: false } }", ColumnField("a", "custom", "a", FieldMapping("ip", {"doc_values": False}), True, postgres=("inet",))),
        ("{ map: a, values: text, required: true }", ColumnField("a", "map", "a", FieldMapping("object"), False, values="text")),
        ("{ geo: at }", ColumnField("at", "geo", "at", FieldMapping("geo_point"), True)),
        ("{ geo: at, lat: y, lon: x, required: true }", GeoField("at", "y", "x", FieldMapping("geo_point"), False)),
    ],
)  # fmt: skip
def test_fields_of_the_row(tmp_path: Path, text: str, expected: Field) -> None:
    assert only(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("a", "keyword", "a"),
        ("null", "keyword", None),
        ("no", "keyword", "no"),
        ("true", "boolean", True),
        ("5", "long", 5),
        ("1.5", "double", 1.5),
        ("[]", "keyword", []),
        ("[1, null, 2]", "long", [1, None, 2]),
        ("[1, 2.5]", "double", [1, 2.5]),
        ("{ a: 1 }", "object", {"a": 1}),
    ],
)
def test_constants_have_the_type_of_their_value(
    tmp_path: Path, value: str, type_: str, expected: Any
) -> None:
    field = only(tmp_path, f"{{ constant: a, value: {value} }}")
    assert (field.mapping.type, getattr(field, "value", ...)) == (type_, expected)


def join(text: str) -> str:
    return f"{{ {text}, table: other, primary_key: [a], fields: [] }}"


OTHER = TableName("public", "other")


@pytest.mark.parametrize(
    ("text", "edge", "mapping", "nullable"),
    [
        (join("belongs_to: owner"), Edge(OTHER, ("owner",), ("a",)), "object", True),
        (join("belongs_to: owner, column: o, required: true"), Edge(OTHER, ("o",), ("a",)), "object", False),
        (join("has_one: x, foreign_key: t_id, order_by: [{ column: Z, direction: desc }]"), Edge(OTHER, ("id",), ("t_id",), order_by=(OrderBy("Z", True),)), "object", True),
        (join("has_many: x, foreign_key: t_id, limit: 3"), Edge(OTHER, ("id",), ("t_id",), limit=3), "nested", False),
        (join("many_to_many: x, through: { table: j, schema: s, left_key: l, right_key: r }"), Edge(OTHER, ("id",), ("a",), Junction(TableName("s", "j"), ("l",), ("r",))), "nested", False),
        (join("has_many: x, foreign_key: t_id, schema: s"), Edge(TableName("s", "other"), ("id",), ("t_id",)), "nested", False),
    ],
)  # fmt: skip
def test_joins(tmp_path: Path, text: str, edge: Edge, mapping: str, nullable: bool) -> None:
    field = only(tmp_path, text)
    assert isinstance(field, JoinField)
    assert (field.edge, field.primary_key) == (edge, ("a",))
    assert (field.mapping.type, field.nullable) == (mapping, nullable)


@pytest.mark.parametrize(
    ("text", "column", "type_", "nullable"),
    [
        ("count: n, column: ignored", None, "long", False),
        ("avg: n, column: c, value_type: ignored", "c", "double", True),
        ("sum: n, column: c, value_type: decimal", "c", "double", True),
        ("min: n, column: c, value_type: short", "c", "short", True),
        ("max: n, column: c, value_type: timestamp", "c", "date", True),
        ("ids: n, element_type: uuid", None, "keyword", False),
    ],
)
def test_aggregates(
    tmp_path: Path, text: str, column: str | None, type_: str, nullable: bool
) -> None:
    field = only(tmp_path, f"{{ {text}, table: other, foreign_key: t_id }}")
    assert isinstance(field, AggregateField)
    assert field.edge == Edge(OTHER, ("id",), ("t_id",))
    assert (field.column, field.mapping.type, field.nullable) == (column, type_, nullable)


def test_relations_inside_another_database_schema_stay_there(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        table: a
        schema: one
        primary_key: id
        fields:
          - has_many: b
            schema: two
            table: b
            primary_key: id
            foreign_key: a_id
            fields: [{ count: c, table: c, foreign_key: b_id }]
        """,
    )
    assert [str(table) for table in plan.tables] == ["one.a", "two.b", "two.c"]
