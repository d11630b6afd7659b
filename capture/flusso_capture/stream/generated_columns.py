"""Stored generated columns of keys and links: before Postgres 18 the log does not contain them.

The server computes them from the other columns of the row, which the log contains.  `composed` is pure and makes the SQL,
`Evaluator` runs it.  Rows of tables without such columns are not evaluated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql

from flusso_capture.source.connection import Connection, connect
from flusso_shared.postgres.catalog import Column, Table
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.postgres.errors import translate

logger = logging.getLogger(__name__)

_MAX_CACHED_ROWS = 4096

Values = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """Generated columns that are not in the log, and the SQL that computes them."""

    names: tuple[str, ...]
    inputs: tuple[int, ...]
    """Indexes, in the log's row, of the columns that they are computed from."""
    statement: bytes
    """A query: parameters are the inputs as text, the result row is the columns."""


Evaluate = Callable[[Computed, Values], Values | None]
"""Returns the values of the computed columns; None when the server cannot compute them."""


def not_evaluated(_computed: Computed, _values: Values) -> Values | None:
    """An `Evaluate` that cannot compute any values."""
    return None


def composed(table: Table, sent: Sequence[str], wanted: Collection[str]) -> Computed | None:
    """The `wanted` columns that are not `sent` and can be computed from `sent` columns; None when there are none."""
    names: list[str] = []
    inputs: dict[str, int] = {}
    expressions: list[sql.Composable] = []
    for name in sorted(set(wanted).intersection(table.columns).difference(sent)):
        generated = table.columns[name].generated
        if generated is None or not set(generated.columns) <= set(sent):
            continue
        names.append(name)
        inputs.update({column: sent.index(column) for column in generated.columns})
        # As Postgres itself prints it.
        expressions.append(sql.SQL(generated.expression))  # pyright: ignore[reportArgumentType]
    if not names:
        return None
    values = [
        _value(at, table.columns[column])
        for at, column in enumerate(inputs, 1)
        if column in table.columns
    ]
    statement = sql.SQL("SELECT {} FROM (SELECT {}) AS row_in_log").format(
        sql.SQL(", ").join(expressions), sql.SQL(", ").join(values)
    )
    return Computed(tuple(names), tuple(inputs.values()), statement.as_bytes(None))


def _value(at: int, column: Column) -> sql.Composable:
    # Both `format_type()` and the collation's name are quoted where needed.
    collation = f" COLLATE {column.equality.collation}" if column.equality.collation else ""
    text = f"${at}::{column.type}{collation} AS {{}}"
    return sql.SQL(text).format(sql.Identifier(column.name))  # pyright: ignore[reportArgumentType]


class Evaluator:
    """Computes over its own session, opened for the first row that needs it.  Owned by the stream's thread."""

    def __init__(self, conninfo: Conninfo) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None
        self._cache: dict[tuple[bytes, Values], Values] = {}

    def __call__(self, computed: Computed, values: Values) -> Values | None:
        """Raises `RetryableError` when the session breaks."""
        asked = computed.statement, values
        found = self._cache.get(asked)
        if found is not None:
            return found
        answer = self._ask(computed, values)
        if answer is not None:
            if len(self._cache) >= _MAX_CACHED_ROWS:
                self._cache.clear()
            self._cache[asked] = answer
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, computed: Computed, values: Values) -> Values | None:
        params = [None if value is None else value.encode() for value in values]
        try:
            if self._connection is None:
                self._connection = connect(self._conninfo)
            result = self._connection.pgconn.exec_params(computed.statement, params)
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise psycopg.errors.error_from_result(result)
        except (psycopg.DataError, psycopg.ProgrammingError, psycopg.IntegrityError) as error:
            # Without the message, which may quote values.
            logger.warning(
                "the generated columns %s of a row in the log cannot be computed (SQLSTATE %s)",
                ", ".join(computed.names),
                error.sqlstate,
                extra={"action": "generated_columns"},
            )
            return None
        except psycopg.Error as error:
            self.close()
            raise translate(error, "compute generated columns") from error
        row = [result.get_value(0, column) for column in range(result.nfields)]
        return tuple([None if value is None else value.decode() for value in row])
