"""SQL of values, without a server: plain values need no conversion, ids have one form."""

from __future__ import annotations

import pytest
from psycopg import sql

from flusso_shared.names import TableName
from flusso_shared.plan.model import ColumnField, FieldMapping
from flusso_shared.postgres.catalog import Column, Table, TypeShape
from flusso_worker.sql.json_values import json_value
from flusso_worker.sql.keys import id_from_text
from flusso_worker.sql.values import column_value


def row(shape: TypeShape, type_: str = "t") -> Table:
    columns = {"c": Column("c", type_, False, shape=shape)}
    return Table(TableName("public", "things"), columns, ("c",), "d", frozenset("c"), owned=True)


def text(composed: sql.Composable) -> str:
    return composed.as_string(None)


@pytest.mark.parametrize(
    "shape",
    [
        TypeShape(),
        TypeShape("int8"),
        TypeShape("numeric"),
        TypeShape("text"),
        TypeShape(element=TypeShape("text")),
        TypeShape(members=(("a", TypeShape("int4")), ("b", TypeShape(element=TypeShape("bool"))))),
    ],
)
def test_a_value_that_needs_no_conversion_has_none(shape: TypeShape) -> None:
    field = ColumnField("c", "keyword", "c", FieldMapping("keyword"), nullable=True)
    assert text(column_value(field, row(shape), "root")) == '"root"."c"'


def test_one_member_that_needs_conversion_converts_the_whole() -> None:
    shape = TypeShape(members=(("n", TypeShape("int4")), ("Raw b", TypeShape("bytea"))))
    assert text(json_value(sql.Identifier("v"), shape)) == (
        'CASE WHEN "v" IS DISTINCT FROM NULL THEN (SELECT row_to_json(o.*) FROM (SELECT ("v")."n" AS "n",'
        " translate(encode((\"v\").\"Raw b\", 'base64'), E'\\n', '') AS \"Raw b\") AS o) END"
    )


@pytest.mark.parametrize(
    ("shape", "given", "wanted"),
    [
        ("bool", "t", "true"),
        ("bool", "f", "false"),
        ("bool", "true", "true"),
        ("bpchar", "ab   ", "ab"),
        ("text", "ab   ", "ab   "),
        ("text", "t", "t"),
        ("inet", "10.0.0.1/32", "10.0.0.1"),
        ("inet", "10.0.0.1", "10.0.0.1"),
        ("inet", "10.0.0.1/3", "10.0.0.1/3"),
        ("inet", "::1/128", "::1"),
        ("inet", "::1/32", "::1/32"),
        ("cidr", "10.0.0.1/32", "10.0.0.1/32"),
    ],
)
def test_texts_of_a_key_become_the_ids(shape: str, given: str, wanted: str) -> None:
    assert id_from_text("c", row(TypeShape(shape)))(given) == wanted
