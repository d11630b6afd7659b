"""Key columns as text: in document ids, the same from SQL and from the log, and as query parameters.  Pure.

The log, snapshots and `hops` give a value as its type's output function or a cast to text prints it; ids have
the form that the document shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from psycopg import sql

from flusso_shared.postgres.catalog import Column, Table


def id_text(column: str, row: Table, alias: str) -> sql.Composable:
    """A key column's part of a document id."""
    name = sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column))
    if row.columns[column].shape.name == "inet":
        # The cast shows the mask of a single host, what the type itself prints does not.
        return sql.SQL("format('%s', {})").format(name)
    return sql.SQL("{}::text").format(name)


def id_from_text(column: str, row: Table) -> Callable[[str], str]:
    """Makes of a value's text form what `id_text` gives for the same value."""
    match row.columns[column].shape.name or row.columns[column].base_type.partition("(")[0]:
        case "boolean" | "bool":
            return _boolean
        case "character" | "bpchar":
            return _unpadded
        case "inet":
            return _host
        case _:
            return str


def id_possible(column: str, row: Table) -> Callable[[str], object]:
    """Tells of a text whether `id_text` may give it for some value; exact for the types that keys mostly have."""
    name = row.columns[column].shape.name
    if name in _INTEGERS:
        return partial(_in_range, 2 ** (8 * _INTEGERS[name] - 1))
    return _PRINTED[name].fullmatch if name in _PRINTED else _any


def is_array(column: Column) -> bool:
    """Whether the column's values are arrays, which an array of parameters can not hold."""
    return column.shape.element is not None


_INTEGERS = {"int2": 2, "int4": 4, "int8": 8}
_DATE, _TIME = r"\d{4,}-\d\d-\d\d", r"\d\d:\d\d:\d\d(\.\d+)?"
_PRINTED = {
    "uuid": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "bool": re.compile("true|false"),
    "numeric": re.compile(r"-?(\d+(\.\d+)?|Infinity)|NaN", re.ASCII),
    "date": re.compile(rf"{_DATE}( BC)?|-?infinity", re.ASCII),
    "timestamp": re.compile(rf"{_DATE} {_TIME}( BC)?|-?infinity", re.ASCII),
    "timestamptz": re.compile(rf"{_DATE} {_TIME}\+00( BC)?|-?infinity", re.ASCII),
    "time": re.compile(_TIME, re.ASCII),
}
_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)


def _in_range(limit: int, text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -limit <= int(text) < limit


def _any(text: str) -> bool:
    return True


def _boolean(text: str) -> str:
    return {"t": "true", "f": "false"}.get(text, text)


def _unpadded(text: str) -> str:
    return text.rstrip(" ")


def _host(text: str) -> str:
    return text.removesuffix("/128") if ":" in text else text.removesuffix("/32")
