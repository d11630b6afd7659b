"""Reads a table by primary key in chunks, as text in Postgres' own forms: those that the log has too."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import pq, sql

from flusso_capture.session import Connection
from flusso_shared.catalog import Column, Table

Rows = list[tuple[str | None, ...]]

_ESTIMATE = """
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_partition_tree(%s::regclass) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
"""
_ESTIMATE_ONE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass"


class Reader:
    """The chunks of one table: its primary key's columns first, then the other columns asked for."""

    def __init__(
        self, connection: Connection, table: Table, links: frozenset[str], chunk: int
    ) -> None:
        self.key = table.primary_key
        # A link that is gone stops the indexes that need it, not the snapshot.
        self.columns = (*self.key, *sorted(links.intersection(table.columns) - set(self.key)))
        self._connection = connection
        self._table = table
        self._first = _compose(table, self.columns, chunk, after=False)
        self._next = _compose(table, self.columns, chunk, after=True)

    def estimate(self) -> int:
        """The planner's idea of the number of rows; 0 when it has none."""
        name = sql.Identifier(*self._table.name).as_string(None)
        query = _ESTIMATE if self._table.partitioned else _ESTIMATE_ONE
        row = self._connection.execute(query, (name,)).fetchone()
        return int(row[0]) if row else 0

    def after(self, last: Sequence[str]) -> Rows:
        """The rows that follow the key `last` (empty: the first rows), in key order."""
        pgconn = self._connection.pgconn
        if last:
            # Parameters without types: Postgres takes those of the columns, and its index.
            result = pgconn.exec_params(self._next, [value.encode() for value in last])
        else:
            result = pgconn.exec_params(self._first, [])
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        return _rows(result)


def _compose(table: Table, columns: Sequence[str], chunk: int, *, after: bool) -> bytes:
    key = sql.SQL(", ").join(map(sql.Identifier, table.primary_key))
    places = sql.SQL(", ").join(
        _place(at, table.columns[column]) for at, column in enumerate(table.primary_key, 1)
    )
    where = sql.SQL("WHERE ({}) > ({})").format(key, places) if after else sql.SQL("")
    return (
        sql.SQL("SELECT {} FROM {} {} ORDER BY {} LIMIT {}")
        .format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier(*table.name),
            where,
            key,
            sql.Literal(chunk),
        )
        .as_bytes(None)
    )


def _place(at: int, column: Column) -> sql.Composable:
    """A parameter.  Its type is the column's, which Postgres infers, but for a composite type's."""
    if not column.shape.members:
        return sql.SQL("${}").format(sql.Literal(at))
    # `format_type()` quotes what needs it.
    return sql.SQL(f"${at}::{column.type}")  # pyright: ignore[reportArgumentType]


def _rows(result: pq.abc.PGresult) -> Rows:
    get, height = result.get_value, range(result.ntuples)
    columns: list[list[str | None]] = []
    for column in range(result.nfields):
        values = [get(row, column) for row in height]
        columns.append([None if value is None else value.decode() for value in values])
    return list(zip(*columns, strict=True))
