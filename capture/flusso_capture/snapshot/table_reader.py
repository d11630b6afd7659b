"""Reads a table by primary key in chunks, as text in the output format of Postgres, which the log has too."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import psycopg
from psycopg import pq, sql

from flusso_capture.source import encodings
from flusso_capture.source.connection import Connection
from flusso_shared.postgres.catalog import Column, Table

logger = logging.getLogger(__name__)

Rows = list[tuple[str | None, ...]]
"""Bytes that are not valid in the database's encoding are lone surrogates."""

_ESTIMATE = """
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_partition_tree(%s::regclass) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
"""
_ESTIMATE_ONE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass"


class Reader:
    """Reads the chunks of one table: the primary key's columns first, then the link columns."""

    def __init__(
        self, connection: Connection, table: Table, links: frozenset[str], chunk: int
    ) -> None:
        self.key = table.primary_key
        # A link column that does not exist stops the indexes that need it, not the snapshot.
        self.columns = (*self.key, *sorted(links.intersection(table.columns) - set(self.key)))
        self._connection = connection
        self._table = table
        known = connection.info.parameter_status("server_encoding") or ""
        self._encoding = encodings.of(known)
        codec = self._encoding.codec
        self._first = _compose(table, self.columns, chunk, after=False).encode(codec)
        self._next = _compose(table, self.columns, chunk, after=True).encode(codec)
        self._all_text = True
        """Whether all values of the last chunk are valid text."""
        self._logged = False

    def estimate(self) -> int:
        """The planner's estimate of the number of rows; 0 when there is none."""
        name = sql.Identifier(*self._table.name).as_string(None)
        query = _ESTIMATE if self._table.partitioned else _ESTIMATE_ONE
        row = self._connection.execute(query, (name,)).fetchone()
        return int(row[0]) if row else 0

    def after(self, last: Sequence[str]) -> Rows:
        """The rows after the key `last` (empty: the first rows), in key order.  Raises `psycopg.Error`."""
        codec = self._encoding.codec
        if last:
            # Parameters without types: Postgres infers the types of the columns, and can use the index.
            values = [value.encode(codec, "surrogateescape") for value in last]
            result = self._run(self._next, values)
        else:
            result = self._run(self._first, [])
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        rows, self._all_text = _rows(result, codec)
        return rows

    def readable(self, rows: Rows) -> Rows:
        """The rows of the last chunk, with `\\xNN` for bytes that are not valid text.  Such a key matches no row and no document."""
        if self._all_text:
            return rows
        if not self._logged:
            self._logged = True
            logger.error(
                "table %s: rows have bytes in %s that are no text in the database's encoding, so that no document can be"
                " found or named by them; convert the column, or the database to UTF8",
                self._table.name,
                ", ".join(self.columns),
                extra={"action": "unreadable_row", "table": str(self._table.name)},
            )
        codec = self._encoding.codec
        return [tuple([_spelled(value, codec) for value in row]) for row in rows]

    def _run(self, query: bytes, values: Sequence[bytes]) -> pq.abc.PGresult:
        pgconn = self._connection.pgconn
        if not self._encoding.raw:
            return pgconn.exec_params(query, values)
        pgconn.exec_(encodings.RAW)
        try:
            return pgconn.exec_params(query, values)
        finally:
            pgconn.exec_(encodings.CONVERTED)


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _spelled(value: str | None, codec: str) -> str | None:
    if value is None or _is_text(value):
        return value
    return value.encode(codec, "surrogateescape").decode(codec, "backslashreplace")


def _compose(table: Table, columns: Sequence[str], chunk: int, *, after: bool) -> str:
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
        .as_string(None)
    )


def _place(at: int, column: Column) -> sql.Composable:
    """A parameter.  Postgres infers the type from the column, except for composite types."""
    if not column.shape.members:
        return sql.SQL("${}").format(sql.Literal(at))
    # `format_type()` quotes names where needed.
    return sql.SQL(f"${at}::{column.type}")  # pyright: ignore[reportArgumentType]


def _rows(result: pq.abc.PGresult, codec: str) -> tuple[Rows, bool]:
    """The rows, and whether all values are valid text."""
    get, height = result.get_value, range(result.ntuples)
    columns: list[list[str | None]] = []
    all_text = True
    for column in range(result.nfields):
        values = [get(row, column) for row in height]
        try:
            texts = [None if value is None else value.decode(codec) for value in values]
        except UnicodeDecodeError:
            all_text = False
            texts = [
                None if value is None else value.decode(codec, "surrogateescape")
                for value in values
            ]
        columns.append(texts)
    return list(zip(*columns, strict=True)), all_text
