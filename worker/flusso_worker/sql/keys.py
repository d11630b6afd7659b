"""Key columns as text: in document ids, where SQL and the log must agree, and in query parameters.  Pure.

The log, snapshots and `hops` contain a value as the output function of its type or a cast to text prints it; ids
contain it as the document shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from psycopg import sql

from flusso_shared.postgres.catalog import Column, Table


def id_text(column: str, row: Table, alias: str) -> sql.Composable:
    """The part of a document id that comes from a key column."""
    name = sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column))
    if row.columns[column].shape.name == "inet":
        # The cast includes the mask of a single host, the output function does not.
        return sql.SQL("format('%s', {})").format(name)
    return sql.SQL("{}::text").format(name)


def id_from_text(column: str, row: Table) -> Callable[[str], str]:
    """A function from the text of a value to the result of `id_text` for the same value."""
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
    """A function that decides whether a text can be a result of `id_text`; exact for the usual types of keys."""
    name = row.columns[column].shape.name
    if name in _INTEGERS:
        return partial(_in_range, 2 ** (8 * _INTEGERS[name] - 1))
    return _PRINTED[name].fullmatch if name in _PRINTED else _any


def is_array(column: Column) -> bool:
    """Whether the column's values are arrays, which an array of parameters cannot contain."""
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
