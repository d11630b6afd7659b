"""One column -> the SQL of its JSON value (schema reference, section 11).  Pure."""

from __future__ import annotations

import json

from psycopg import sql

from flusso_shared.catalog import Table
from flusso_shared.plan import ColumnField, ConstantField, GeoField


def column_value(field: ColumnField, row: Table, alias: str) -> sql.Composable:
    """The value, transformed and defaulted."""
    name = sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(field.column))
    value = _converted(name, row.columns[field.column].type)
    for transform in field.transforms:
        function = sql.SQL("lower" if transform == "lowercase" else "btrim")
        value = sql.SQL("{}({})").format(function, value)
    if field.default is not None:
        value = sql.SQL("coalesce({}, {})").format(value, sql.Literal(_default(field.default)))
    return value


def _converted(name: sql.Composable, type_: str) -> sql.Composable:
    if type_ == "bytea":
        return sql.SQL("translate(encode({}, 'base64'), E'\\n', '')").format(name)
    if type_ == "money":
        return sql.SQL("{}::numeric").format(name)
    if type_.startswith("character("):
        return sql.SQL("{}::text").format(name)
    return name


def _default(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def geo_value(field: GeoField, alias: str) -> sql.Composable:
    """`{"lat", "lon"}`, or null when either is."""
    own = sql.Identifier(alias)
    lat, lon = (sql.SQL("{}.{}").format(own, sql.Identifier(c)) for c in (field.lat, field.lon))
    return sql.SQL(
        "CASE WHEN {lat} IS NOT NULL AND {lon} IS NOT NULL"
        " THEN json_build_object('lat', {lat}, 'lon', {lon}) END"
    ).format(lat=lat, lon=lon)


def constant_value(field: ConstantField) -> sql.Composable:
    """The value as JSON, of its own type."""
    return sql.SQL("{}::json").format(sql.Literal(json.dumps(field.value, ensure_ascii=False)))
