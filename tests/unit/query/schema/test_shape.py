"""What each field of a schema is to a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_query.schema.shape import IndexShape, Shape, index_shape, walk
from flusso_shared.plan.codec import plan_to_json
from support.documents import plan_of

_RELATED = "table: parts, foreign_key: thing_id"


def shape_of(folder: Path, fields: str) -> IndexShape:
    return index_shape(
        plan_to_json(plan_of(folder, f"table: t\nprimary_key: id\nfields:\n{fields}"))
    )


def only(folder: Path, field: str) -> Shape:
    (shape,) = shape_of(folder, f"  - {{ {field} }}").fields
    return shape


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text: a", "str"),
        ("identifier: a", "str"),
        ("enum: a", "str"),
        ("uuid: a", "UUID"),
        ("boolean: a", "bool"),
        ("short: a", "int"),
        ("long: a", "int"),
        ("float: a", "float"),
        ("double: a", "float"),
        ("decimal: a", "Decimal"),
        ("date: a", "date"),
        ("timestamp: a", "datetime"),
        ("timestamp: a, options: { format: strict_date_optional_time||epoch_millis }", "datetime"),
        ("timestamp: a, options: { format: strict_hour_minute_second||hour_minute }", "time"),
        ("binary: a", "bytes"),
        ("json: a", "Any"),
        ("geo: a", "Point"),
        ("geo: a, lat: y, lon: x", "Point"),
        ("custom: a, postgres: ['NUMERIC(10,2)'], opensearch: scaled_float", "Decimal"),
        ("custom: a, postgres: ['integer[]', bigint], opensearch: keyword", "int"),
        ("custom: a, postgres: [real, double precision], opensearch: double", "float"),
        ("custom: a, postgres: [integer, numeric], opensearch: double", "Any"),
        ("custom: a, postgres: [integer, mood], opensearch: keyword", "Any"),
        ("custom: a, postgres: [inet], opensearch: ip", "str"),
        ("custom: a, postgres: [mood], opensearch: keyword", "str"),
        ("custom: a, postgres: [mood], opensearch: object", "Any"),
        (
            "custom: a, postgres: ['timestamp(3) with time zone'], opensearch: date_nanos",
            "datetime",
        ),
        ("constant: a, value: true", "bool"),
        ("constant: a, value: 5", "int"),
        ("constant: a, value: x", "str"),
        ("constant: a, value: [1, 2]", "Any"),
        (f"count: a, {_RELATED}", "int"),
        (f"avg: a, {_RELATED}, column: n", "Decimal"),
        (f"sum: a, {_RELATED}, column: n, value_type: decimal", "Decimal"),
        (f"max: a, {_RELATED}, column: n, value_type: date", "date"),
        (f"ids: a, {_RELATED}, element_type: uuid", "UUID"),
    ],
)
def test_a_value_has_the_type_of_its_json(tmp_path: Path, field: str, value: str) -> None:
    assert only(tmp_path, field).value == value


@pytest.mark.parametrize(
    ("field", "nullable", "many"),
    [
        ("text: a", True, False),
        ("text: a, required: true", False, False),
        ("text: a, array: true", True, True),
        ("geo: a, lat: y, lon: x, required: true", False, False),
        ("object: a, fields: []", False, False),
        ("belongs_to: a, column: b, table: t, primary_key: id, fields: []", True, False),
        (
            "belongs_to: a, column: b, table: t, primary_key: id, fields: [], required: true",
            False,
            False,
        ),
        ("has_many: a, foreign_key: b, table: t, primary_key: id, fields: []", False, True),
        (f"count: a, {_RELATED}", False, False),
        (f"sum: a, {_RELATED}, column: n, value_type: long", True, False),
        (f"values: a, {_RELATED}, column: n, element_type: long", False, True),
    ],
)
def test_null_and_lists(tmp_path: Path, field: str, nullable: bool, many: bool) -> None:
    shape = only(tmp_path, field)
    assert (shape.nullable, shape.many) == (nullable, many)


def test_paths_go_through_objects_and_arrays(tmp_path: Path) -> None:
    shape = shape_of(
        tmp_path,
        """\
  - object: o
    description: Grouped.
    fields:
      - has_many: list
        table: l
        primary_key: id
        foreign_key: t
        fields: [{ enum: s, variants: [x, y] }, { map: m, values: decimal }]
""",
    )
    paths = {field.path: field for field in walk(shape.fields)}
    assert list(paths) == ["o", "o.list", "o.list.s", "o.list.m"]
    assert (paths["o"].mapping, paths["o.list"].mapping) == ("object", "nested")
    assert paths["o"].description == "Grouped."
    assert paths["o.list.s"].variants == ("x", "y")
    assert (paths["o.list.m"].kind, paths["o.list.m"].value) == ("map", "Decimal")


def test_a_plan_of_an_earlier_version_has_unknown_types() -> None:
    mapping = {"type": "double", "options": {}, "variants": []}
    field = {"key": "a", "op": "sum", "mapping": mapping, "nullable": True}
    shape = index_shape({"name": "i", "hash": "0", "fields": [field]})
    assert shape.fields[0].value == "Any"
