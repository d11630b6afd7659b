"""DDL on busy tables: take the lock in short turns.  And waits for those who wrote before."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import LiteralString

import psycopg
from psycopg import sql

from flusso_capture.source.connection import Connection
from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.names import TableName
from flusso_shared.postgres.errors import translate

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT = "2s"
_TELL_AFTER = 5.0

# Every kind of write to a table holds one of these until its transaction ends; to a partition, perhaps on that alone.
_WRITERS = """
SELECT l.virtualtransaction, l.pid
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
CROSS JOIN LATERAL (SELECT c.oid, c.relkind UNION
                    SELECT p.oid, p.relkind FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
                   ) AS part(relation, kind)
JOIN pg_locks l ON l.relation = part.relation
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       -- It attaches a partition that others do not see yet, and may have written to it.
       OR (part.kind = 'p' AND l.mode = 'ShareUpdateExclusiveLock'))
"""


def run(connection: Connection, statement: sql.Composed, doing: str, clock: Clock) -> None:
    """Run a statement that locks tables.  While it waits for its lock others queue behind it, so it gives
    up after two seconds and tries again, for as long as it takes.  Raises `psycopg.Error`."""

    def attempt() -> None:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
                connection.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise translate(error, doing) from error

    retry.forever(attempt, doing=doing, clock=clock)


def await_writers(connection: Connection, tables: Collection[TableName], clock: Clock) -> None:
    """Wait until every transaction that has written to `tables` or their partitions by now has ended.

    What such a transaction wrote before a table was published is not in the stream, so a snapshot must
    not begin before it is visible.
    """
    earlier = _writers(connection, tables)
    started = clock.monotonic()
    told = False
    while earlier:
        clock.wait(0.05)
        now = _writers(connection, tables)
        earlier = {transaction: pid for transaction, pid in earlier.items() if transaction in now}
        if earlier and not told and clock.monotonic() - started > _TELL_AFTER:
            told = True
            logger.warning(
                "waiting for transactions that wrote to newly published tables (backends %s)",
                ", ".join(str(pid) for pid in sorted(set(earlier.values()))),
                extra={"action": "await_writers"},
            )


def await_earlier(connection: Connection, clock: Clock) -> None:
    """Wait until every transaction that runs now has ended.

    With a synchronous standby a transaction can have committed in the log long before others see it.  When
    a new slot begins after such a commit, only a snapshot taken once it is visible has its rows.
    """
    # A transaction id of our own is above all others; a snapshot's xmax need not be.
    until = _one(connection, "SELECT pg_current_xact_id()::text::bigint")
    started = clock.monotonic()
    told = False
    while _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") < until:
        clock.wait(0.05)
        if not told and clock.monotonic() - started > _TELL_AFTER:
            told = True
            logger.warning(
                "waiting for the transactions that ran when the slot was made, as some may wait for "
                "a synchronous standby",
                extra={"action": "await_earlier"},
            )


def _one(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _writers(connection: Connection, tables: Collection[TableName]) -> dict[str, int]:
    names = ([table.schema for table in tables], [table.name for table in tables])
    return dict(connection.execute(_WRITERS, names).fetchall())
