"""One column -> the SQL of its JSON value (schema reference, section 11).  Pure."""

from __future__ import annotations

import json
from typing import LiteralString

from psycopg import sql

from flusso_shared.catalog import Table
from flusso_shared.plan import ColumnField, ConstantField, GeoField


def column_value(field: ColumnField, row: Table, alias: str) -> sql.Composable:
    """The value, transformed and defaulted."""
    type_ = row.columns[field.column].base_type
    if field.path:
        value, type_ = _at_path(field, alias), "json"
    else:
        value = plain_value(field.column, row, alias)
    if field.transforms and not type_.endswith("[]"):
        value = sql.SQL("{}::text").format(value)  # lower() and btrim() know no enum
    for transform in field.transforms:
        function = sql.SQL("lower" if transform == "lowercase" else "btrim")
        value = sql.SQL("{}({})").format(function, value)
    if field.default is not None:
        value = sql.SQL("coalesce({}, {})").format(value, sql.Literal(_default(field.default)))
    return value


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
"""Type tag -> what a value inside JSON is read as; what is none fails its document."""


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
    return value if cast is None else sql.SQL("{}::{}").format(value, sql.SQL(cast))


def plain_value(column: str, row: Table, alias: str) -> sql.Composable:
    """A column in the type from which Postgres makes the right JSON."""
    name = sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column))
    type_ = row.columns[column].base_type
    array = type_.endswith("[]")
    match type_.removesuffix("[]").partition("(")[0]:
        case "bytea" if not array:
            return sql.SQL("translate(encode({}, 'base64'), E'\\n', '')").format(name)
        case "money":
            return sql.SQL("{}::numeric[]" if array else "{}::numeric").format(name)
        case "character" | "bpchar":  # without its padding
            return sql.SQL("{}::text[]" if array else "{}::text").format(name)
        case _:
            return name


def _default(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def geo_value(field: GeoField, row: Table, alias: str) -> sql.Composable:
    """`{"lat", "lon"}`, or null when either is."""
    lat, lon = (plain_value(column, row, alias) for column in (field.lat, field.lon))
    return sql.SQL(
        "CASE WHEN {lat} IS NOT NULL AND {lon} IS NOT NULL"
        " THEN json_build_object('lat', {lat}, 'lon', {lon}) END"
    ).format(lat=lat, lon=lon)


def constant_value(field: ConstantField) -> sql.Composable:
    """The value as JSON, of its own type."""
    return sql.SQL("{}::json").format(sql.Literal(json.dumps(field.value, ensure_ascii=False)))
