"""What a model consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from support.expected.oracle import Documents

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Model:
    """One model, in database schemas of its own."""

    ddl: str
    rows: str
    tables: tuple[str, ...]
    """With their database schemas; an oracle finds them by the name behind the dot."""
    schemas: Mapping[str, str]
    """Index -> schema file."""
    expected: Callable[[Tables], dict[str, Documents]]
    """Per index its documents, by id."""
    steps: Mapping[str, Sequence[str]]
    """What is changed -> the statements of one transaction."""

    def read(self, connection: psycopg.Connection[Any]) -> Tables:
        """Every table, whole."""
        with connection.cursor(row_factory=dict_row) as cursor:
            return {
                name.rpartition(".")[2]: list(cursor.execute(f"TABLE {name}".encode()))
                for name in self.tables
            }


def by(rows: Iterable[Row], *columns: str) -> dict[Any, Row]:
    """Rows by a key of one column, or a tuple of several."""
    return {key(row, *columns): row for row in rows}


def key(row: Row, *columns: str) -> Any:
    """The value of one column, or a tuple of several; None when one of them is NULL."""
    values = [row[column] for column in columns]
    if None in values:
        return None
    return tuple(values) if len(values) > 1 else values[0]


def where(rows: Iterable[Row], order: str = "id", **values: Any) -> list[Row]:
    """The rows with these values (of which none is NULL), in the order of a column."""
    found = [
        row
        for row in rows
        if all(value is not None and row[name] == value for name, value in values.items())
    ]
    return sorted(found, key=lambda row: row[order])


def total(values: Iterable[Any]) -> Any:
    """Their sum as SQL has it: NULLs do not count, and of nothing it is NULL."""
    found = [value for value in values if value is not None]
    return sum(found) if found else None
