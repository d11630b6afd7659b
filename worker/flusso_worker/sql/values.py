"""One field of a row -> the SQL of its JSON value (docs/types.md).  Pure."""

from __future__ import annotations

import json
from typing import LiteralString

from psycopg import sql

from flusso_shared.plan.model import ColumnField, ConstantField, GeoField
from flusso_shared.postgres.catalog import Column, Table, TypeShape
from flusso_worker.sql.json_values import geo_json, json_elements, json_value


def column_value(field: ColumnField, row: Table, alias: str) -> sql.Composable:
    """The value, with its transforms and its default."""
    column = row.columns[field.column]
    if field.path:
        value, shape = _at_path(field, alias), TypeShape(_CASTS.get(field.kind, ""))
    else:
        value, shape = plain_value(field.column, row, alias), column.shape
    if field.transforms and shape.element is not None:
        return _transformed_array(field, column, value)
    if field.transforms:
        value = _transformed(field, sql.SQL("{}::text").format(value))
        shape = TypeShape()
    if field.default is not None:
        value = sql.SQL("coalesce({}, {})").format(value, _default(field.default))
    if field.mapping.type in _GEO and (found := geo_json(value, shape)) is not None:
        return found
    return json_value(value, shape)


_GEO = ("geo_shape", "geo_point")
_PLAIN: dict[str, LiteralString] = {"money": "numeric", "bpchar": "text"}
"""Casts that every use needs: a number for sum() and avg(), text without padding."""


def plain_value(column: str, row: Table, alias: str) -> sql.Composable:
    """A column in a type that compares and sorts as its JSON should; `json_value` converts it to that JSON."""
    name = sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column))
    shape = row.columns[column].shape
    element = shape.element or shape
    cast = _PLAIN.get(element.name)
    if cast is None:
        return name
    return sql.SQL("{}::{}").format(name, sql.SQL(cast if element is shape else f"{cast}[]"))


def geo_value(field: GeoField, row: Table, alias: str) -> sql.Composable:
    """`{"lat", "lon"}`, or NULL if either is NULL."""
    lat, lon = (plain_value(column, row, alias) for column in (field.lat, field.lon))
    return sql.SQL(
        "CASE WHEN {lat} IS NOT NULL AND {lon} IS NOT NULL"
        " THEN json_build_object('lat', {lat}, 'lon', {lon}) END"
    ).format(lat=lat, lon=lon)


def constant_value(field: ConstantField) -> sql.Composable:
    """The value as JSON, in the type that the schema gives it."""
    return sql.SQL("{}::json").format(sql.Literal(json.dumps(field.value, ensure_ascii=False)))


# --- transforms and defaults ------------------------------------------------------------------------


def _transformed(field: ColumnField, text: sql.Composable) -> sql.Composable:
    for transform in field.transforms:
        function = sql.SQL("lower" if transform == "lowercase" else "btrim")
        text = sql.SQL("{}({})").format(function, text)
    return text


def _transformed_array(field: ColumnField, column: Column, value: sql.Composable) -> sql.Composable:
    found = json_elements(value, lambda item: _transformed(field, sql.SQL("{}::text").format(item)))
    if field.default is None:
        return found
    # `format_type()` quotes names where needed.
    type_ = sql.SQL(column.type)  # pyright: ignore[reportArgumentType]
    default = sql.SQL("{}::{}").format(_default(field.default), type_)
    return sql.SQL("coalesce({}, to_json({}))").format(found, default)


def _default(value: str | float | bool) -> sql.Composable:
    """An untyped literal, to which Postgres gives the type of the column."""
    if isinstance(value, bool):
        return sql.Literal("true" if value else "false")
    return sql.Literal(str(value))


# --- values inside JSON -----------------------------------------------------------------------------

_CASTS: dict[str, LiteralString] = {
    "boolean": "boolean",
    "short": "smallint",
    "integer": "integer",
    "long": "bigint",
    "float": "numeric",
    "double": "numeric",
    "decimal": "numeric",
    "date": "date",
    "timestamp": "timestamptz",
}
"""Type tag -> the type to which a value inside JSON is cast; other values fail the build of their document."""


def _at_path(field: ColumnField, alias: str) -> sql.Composable:
    """The value at a path of a json or jsonb column; NULL where there is none."""
    steps = sql.SQL(", ").join(sql.Literal(str(step)) for step in field.path)
    verbatim = field.kind in ("json", "custom")
    value = sql.SQL("({}.{} {} ARRAY[{}])").format(
        sql.Identifier(alias),
        sql.Identifier(field.column),
        sql.SQL("#>" if verbatim else "#>>"),
        steps,
    )
    cast = _CASTS.get(field.kind)
    if cast is None:
        return value
    if cast in ("date", "timestamptz"):
        # Postgres reads `now` and similar words as the current date: with text added they fail the cast instead.
        value = sql.SQL(
            "(CASE WHEN {0} ~* 'now|today|tomorrow|yesterday|epoch' THEN {0} || ' is no date' ELSE {0} END)"
        ).format(value)
    return sql.SQL("{}::{}").format(value, sql.SQL(cast))
