"""DDL on busy tables: takes the lock with a short timeout, and waits for transactions that wrote before."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import LiteralString

import psycopg
from psycopg import sql

from flusso_capture.source import open_transactions
from flusso_capture.source.connection import Connection
from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.names import TableName
from flusso_shared.postgres.errors import translate

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT = "2s"
_LOG_WAIT_AFTER_SECONDS = 5.0

# A transaction that writes to a table holds one of these locks until it ends; one that writes to a partition may lock only that.
# The locks of a prepared one have no pid.
_WRITERS = """
SELECT l.virtualtransaction, current_database(), l.pid,
       (SELECT x.gid FROM pg_locks own JOIN pg_prepared_xacts x ON x.transaction = own.transactionid
        WHERE own.locktype = 'transactionid' AND own.pid IS NULL AND l.pid IS NULL
          AND own.virtualtransaction = l.virtualtransaction)
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
CROSS JOIN LATERAL (SELECT c.oid, c.relkind UNION
                    SELECT p.oid, p.relkind FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
                   ) AS part(relation, kind)
JOIN pg_locks l ON l.relation = part.relation
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       -- ATTACH PARTITION: its transaction may have written to the partition, which others do not see yet.
       OR (part.kind = 'p' AND l.mode = 'ShareUpdateExclusiveLock'))
"""


def run_with_short_lock_waits(
    connection: Connection, statement: sql.Composed, doing: str, clock: Clock
) -> None:
    """Run a statement that locks tables.

    Other sessions queue behind a waiting lock, so each attempt waits two seconds at most; attempts are repeated without limit.
    Raises `psycopg.Error`.
    """

    def attempt() -> None:
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
                connection.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            raise translate(error, doing) from error

    retry.forever(attempt, doing=doing, clock=clock)


def await_writers(connection: Connection, tables: Collection[TableName], clock: Clock) -> None:
    """Wait until every transaction that has written to `tables` or their partitions so far has ended, prepared ones too.

    Rows that it wrote before a table was published are not in the stream, so a snapshot must not begin before they are
    visible.
    """
    earlier = _writers(connection, tables)
    started = clock.monotonic()
    logged = False
    while earlier:
        clock.wait(0.05)
        now = _writers(connection, tables)
        earlier = {writer: described for writer, described in earlier.items() if writer in now}
        if earlier and not logged and clock.monotonic() - started > _LOG_WAIT_AFTER_SECONDS:
            logged = True
            logger.warning(
                "waiting for transactions that wrote to newly published tables: %s",
                ", ".join(sorted(set(earlier.values()))),
                extra={"action": "await_writers"},
            )


def await_running_transactions(connection: Connection, clock: Clock) -> None:
    """Wait until every transaction that runs now has ended.

    With a synchronous standby, a transaction can be committed in the log long before it is visible.  When a new slot begins
    after such a commit, only a snapshot that is taken after it became visible contains its rows.
    """
    # A new transaction id is above all others; the xmax of a snapshot need not be.
    until = _one(connection, "SELECT pg_current_xact_id()::text::bigint")
    started = clock.monotonic()
    logged = False
    while _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") < until:
        clock.wait(0.05)
        if not logged and clock.monotonic() - started > _LOG_WAIT_AFTER_SECONDS:
            logged = True
            logger.warning(
                "waiting for the transactions that ran when the slot was created, because some may wait for "
                "a synchronous standby: %s",
                ", ".join(open_transactions.that_write(connection)),
                extra={"action": "await_earlier"},
            )


def _one(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _writers(connection: Connection, tables: Collection[TableName]) -> dict[str, str]:
    """By virtual transaction, what an operator finds it by."""
    names = ([table.schema for table in tables], [table.name for table in tables])
    found = connection.execute(_WRITERS, names)
    return {writer: open_transactions.described(*row) for writer, *row in found}
