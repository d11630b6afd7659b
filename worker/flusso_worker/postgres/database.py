"""Reads for one index: transactions with a known snapshot, and SQL whose results stay bytes."""

from __future__ import annotations

import logging
import re
import select
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql

from flusso_shared.change import Origin
from flusso_shared.clock import Clock
from flusso_shared.errors import FlussoError, PoisonError, RetryableError, SchemaChangedError
from flusso_shared.names import TableName
from flusso_shared.postgres import row_security
from flusso_shared.postgres.errors import DENIED, translate
from flusso_worker.postgres.sessions import Session, Sessions
from flusso_worker.postgres.snapshot import Snapshot, parse

logger = logging.getLogger(__name__)

_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
_SNAPSHOT = b"""
SELECT pg_current_snapshot()::text,
       CASE WHEN NOT pg_is_in_recovery()
            THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END"""

_LOCK_NOT_AVAILABLE = "55P03"
_CANCEL_TIMEOUT_SECONDS = 2.0

# SQLSTATE classes of errors that the values of a row cause.  The connection, the server or the schema cause all others.
_ROW_CLASSES = ("21", "22", "23", "2F", "38", "39", "P0", "54000", "54001")
_QUOTED = re.compile(r'"[^"]*"')

_SUCCESS = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class RowError(PoisonError):
    """A statement failed because of a value in some row that it read."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The catalog for which the SQL of an index was composed (`binding.bind_to`)."""

    digest: bytes
    """An SQL expression of the digest of the catalog in the snapshot of the transaction."""
    value: bytes
    """Its value then."""


class Database:
    """One session at a time: taken by `begin` or `run`, given back by `finish` and `commit`, and closed after an error.

    Owned by one thread, except for `cancel`.
    """

    def __init__(self, sessions: Sessions, application: str, clock: Clock) -> None:
        self._begin = _BEGIN + _SNAPSHOT
        self._binding: Binding | None = None
        self._cursors: set[str] = set()
        self._sessions = sessions
        self._application = application
        self._clock = clock
        self._session: Session | None = None
        self._passing = threading.Lock()
        """Held while a session is cancelled, given back or closed: only a statement of its own is cancelled."""
        self.statement_since: float | None = None
        """Monotonic seconds: since when the server has worked on a statement; None while it does not."""

    def connection(self) -> psycopg.Connection:
        """That of the session, in autocommit mode.  Raises `RetryableError` or `FatalError`."""
        if self._session is None:
            self._session = self._sessions.take(self._application)
        return self._session.connection

    def hold(self, tables: Collection[TableName], binding: Binding | None = None) -> None:
        """Lock the tables in ACCESS SHARE mode in every later transaction, before its snapshot is taken.

        Some DDL rewrites a table, which is then empty to every earlier snapshot: each of its documents would be
        deleted, and no later change would restore it.  With a `binding`, `begin` raises `SchemaChangedError` in a
        snapshot whose catalog differs.
        """
        names = sql.SQL(", ").join([sql.Identifier(*table) for table in sorted(tables)])
        lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE;").format(names)
        digest = b"" if binding is None else b", " + binding.digest
        self._begin = _BEGIN + lock.as_bytes(None) + _SNAPSHOT + digest
        self._binding = binding

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open and has not failed."""
        return self._transaction == pq.TransactionStatus.INTRANS

    @property
    def _transaction(self) -> int:
        if self._session is None:
            return pq.TransactionStatus.IDLE
        return self._session.connection.pgconn.transaction_status

    def begin(self) -> Snapshot:
        """Start a read-only transaction and take its snapshot; an open transaction is rolled back, and cursors are closed.

        Raises `SchemaChangedError` (see `hold`), `RetryableError` (also on a standby) and `FatalError`.
        """
        self._roll_back()
        if self._cursors:
            self.run(b"CLOSE ALL")
            self._cursors.clear()
        taken_at = self._clock.monotonic()
        result = self.run(self._begin)
        text, timeline = _text(result, 0, 0), result.get_value(0, 1)
        if timeline is None:
            self.close()
            raise RetryableError(
                "the Postgres server is a standby in recovery; documents are built on the primary: "
                "point the connection there, or wait for the promotion"
            )
        if self._binding is not None and result.get_value(0, 2) != self._binding.value:
            self.finish()
            raise SchemaChangedError(
                "columns or types that the index reads were altered meanwhile; begin again"
            )
        assert self._session is not None
        origin = Origin(self._session.system_id, int(timeline, 16))
        return parse(text, origin, taken_at)

    def finish(self) -> None:
        """Roll back the transaction, if there is one, and give back the session, unless cursors are open."""
        self._roll_back()
        self._give_back()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A block after whose `RowError` an open transaction can continue."""
        if not self.in_transaction:
            yield
            return
        self.run(b"SAVEPOINT flusso")
        try:
            yield
        except RowError:
            self.run(b"ROLLBACK TO flusso; RELEASE flusso")
            raise
        self.run(b"RELEASE flusso")

    def run(self, sql: bytes, params: Sequence[bytes] = ()) -> pq.abc.PGresult:
        """Run one statement and return its result; without parameters several, of which the last one's is returned.

        `params` are the values of `$n` in text format.  Raises `RowError` for errors that the values of a row cause,
        else `RetryableError` or `FatalError`.
        """
        pgconn = self.connection().pgconn
        try:
            with self._statement():
                result = pgconn.exec_params(sql, params) if params else pgconn.exec_(sql)
        except psycopg.Error as error:
            self.close()
            raise translate(error, "read from Postgres") from error
        if result.status not in _SUCCESS:
            raise self._failure(result)
        return result

    def each(
        self, sql: bytes, params: Sequence[bytes], take: Callable[[pq.abc.PGresult], bool]
    ) -> bool:
        """Run one statement in single-row mode and call `take` with each row, as a result of its own.

        If `take` returns False the statement is cancelled, which fails an open transaction, and this returns False.
        Raises as `run` does.
        """
        connection = self.connection()
        wanted, failed = True, None
        try:
            with self._statement():
                for result in _arriving(connection.pgconn, sql, params):
                    if result.status == pq.ExecStatus.SINGLE_TUPLE:
                        if wanted and not take(result):
                            wanted = False
                            connection.cancel_safe(timeout=_CANCEL_TIMEOUT_SECONDS)
                    elif result.status not in _SUCCESS:
                        failed = result
        except psycopg.Error as error:
            self.close()
            raise translate(error, "read from Postgres") from error
        if failed is not None and wanted:
            raise self._failure(failed)
        return wanted

    def rows(self, sql: bytes, params: Sequence[bytes] = ()) -> list[tuple[str, ...]]:
        """The rows of a statement as text, without rows that contain a NULL."""
        return _texts(self.run(sql, params))

    def commit(self) -> None:
        """Commit the transaction, and give back the session, unless cursors are open: these remain."""
        self.run(b"COMMIT")
        self._give_back()

    def declare(self, name: str, sql: bytes, params: Sequence[bytes]) -> None:
        """Declare a cursor that outlives the transaction: the server stores its rows, in a file if there are many."""
        self._cursors.add(name)
        declare = b"DECLARE " + name.encode() + b" NO SCROLL CURSOR WITH HOLD FOR "
        self.run(declare + sql, params)

    def fetch(self, name: str, size: int) -> Iterator[list[tuple[str, ...]]]:
        """The rows of a cursor, in lists of at most `size`; the cursor is closed after the last."""
        cursor = name.encode()
        fetch = b"FETCH " + str(size).encode() + b" FROM " + cursor
        while (result := self.run(fetch)).ntuples:
            yield _texts(result)
        self.run(b"CLOSE " + cursor)
        self._cursors.discard(name)

    def cancel(self) -> None:
        """Cancel the running statement, from another thread."""
        with self._passing:
            session = self._session
            if session is None or session.connection.closed:
                return
            try:
                session.connection.cancel_safe(timeout=_CANCEL_TIMEOUT_SECONDS)
            except psycopg.Error as error:
                logger.debug("cancel failed: %s", error)

    def close(self) -> None:
        """Close the session, if there is one; the next statement takes another."""
        self._cursors.clear()
        with self._passing:
            session, self._session = self._session, None
        if session is not None:
            self._sessions.discard(session)

    def _roll_back(self) -> None:
        if self._transaction != pq.TransactionStatus.IDLE:
            self.run(b"ROLLBACK")

    def _give_back(self) -> None:
        if self._cursors or self._session is None:
            return
        with self._passing:
            session, self._session = self._session, None
        self._sessions.give_back(session)

    @contextmanager
    def _statement(self) -> Iterator[None]:
        self.statement_since = self._clock.monotonic()
        try:
            yield
        finally:
            self.statement_since = None

    def _failure(self, result: pq.abc.PGresult) -> FlussoError:
        error = psycopg.errors.error_from_result(result)
        if self._session is None or self._session.connection.pgconn.status != pq.ConnStatus.OK:
            self.close()
            if error.sqlstate is None:
                return RetryableError("the connection to Postgres broke while reading")
            return translate(error, "read from Postgres")
        if error.sqlstate and error.sqlstate.startswith(_ROW_CLASSES):
            # What is quoted may be a value of the row, which must not be logged.
            reason = _QUOTED.sub('"..."', error.diag.message_primary or "")
            return RowError(f"{reason} (SQLSTATE {error.sqlstate})")
        if error.sqlstate == DENIED:
            explained = row_security.explained(
                self._session.connection, error, "read from Postgres"
            )
            self.close()
            return explained
        self.close()
        if error.sqlstate == _LOCK_NOT_AVAILABLE:
            return RetryableError(
                "cannot read from Postgres: another session holds or waits for an exclusive lock on one of the tables"
                f" (ALTER TABLE, TRUNCATE, VACUUM FULL: see pg_locks; SQLSTATE {_LOCK_NOT_AVAILABLE})"
            )
        return translate(error, "read from Postgres")


def _arriving(
    pgconn: pq.abc.PGconn, sql: bytes, params: Sequence[bytes]
) -> Iterator[pq.abc.PGresult]:
    """The results of a statement in single-row mode."""
    pgconn.send_query_params(sql, params)
    pgconn.set_single_row_mode()
    ready = select.poll()
    ready.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        ready.poll()
        pgconn.consume_input()
    ready.modify(pgconn.socket, select.POLLIN)
    while True:
        while pgconn.is_busy():
            ready.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return
        yield result


def _text(result: pq.abc.PGresult, row: int, column: int) -> str:
    value = result.get_value(row, column)
    return "" if value is None else value.decode()


def _texts(result: pq.abc.PGresult) -> list[tuple[str, ...]]:
    get, columns = result.get_value, range(result.nfields)
    found: list[tuple[str, ...]] = []
    for row in range(result.ntuples):
        values = [get(row, column) for column in columns]
        if None not in values:
            found.append(tuple([value.decode() for value in values if value is not None]))
    return found
