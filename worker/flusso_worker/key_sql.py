"""Key columns as text: in document ids, the same from SQL and from the log, and as query parameters.  Pure.

The log, snapshots and `hop_sql` give a value as its type's output function or a cast to text prints it; ids have
the form that the document shows.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from flusso_shared.catalog import Table


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


def is_array(column: str, row: Table) -> bool:
    """Whether the column's values are arrays, which an array of parameters can not hold."""
    return row.columns[column].shape.element is not None


def _boolean(text: str) -> str:
    return {"t": "true", "f": "false"}.get(text, text)


def _unpadded(text: str) -> str:
    return text.rstrip(" ")


def _host(text: str) -> str:
    return text.removesuffix("/128") if ":" in text else text.removesuffix("/32")
