"""The sessions of a process: its indexes use the same few in turns, each for a transaction."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

import psycopg
from psycopg import pq

from flusso_shared.postgres.connection import Conninfo, connect
from flusso_shared.postgres.errors import translate

_KEPT = 4
"""Sessions that stay open while nothing uses them."""
_BEFORE_WAITING = 8
"""Sessions from which on another is opened only after a wait for one of these: an index that needs its session for long
does not stop the others."""
_WAIT_SECONDS = 1.0

# Below deadlock_timeout: in a deadlock with a migration, this session is the one that gives up.
_LOCK_TIMEOUT = "500ms"
_SYSTEM = b"SELECT system_identifier::text FROM pg_control_system()"
_NAME = b"SELECT set_config('application_name', $1, false)"


@dataclass(slots=True)
class Session:
    """A connection that is open, in autocommit mode."""

    connection: psycopg.Connection
    system_id: str
    """Of its server."""
    application: str | None
    """What `pg_stat_activity` shows it as; None for a name of the connection text, which stays."""


class Sessions:
    """Opens sessions, and keeps a few of those that are given back.  Thread-safe."""

    def __init__(self, conninfo: Conninfo) -> None:
        self._conninfo = conninfo
        self._changed = threading.Condition()
        self._idle: list[Session] = []
        """Last those that were used last."""
        self._open = 0

    def take(self, application: str) -> Session:
        """A session outside of a transaction, named `application`.  Raises `RetryableError` or `FatalError`."""
        with self._changed:
            if not self._idle and self._open >= _BEFORE_WAITING:
                self._changed.wait_for(
                    lambda: self._idle or self._open < _BEFORE_WAITING, _WAIT_SECONDS
                )
            session = self._of_idle(application)
            if session is None:
                self._open += 1
        if session is not None:
            return _named(session, application)
        try:
            return _opened(self._conninfo, application)
        except BaseException:
            self._count_closed()
            raise

    def give_back(self, session: Session) -> None:
        """Let others use a session, in which neither a transaction nor a cursor is open."""
        with self._changed:
            self._idle.append(session)
            surplus = self._idle.pop(0) if len(self._idle) > _KEPT else None
            self._changed.notify()
        if surplus is not None:
            self._close(surplus)

    def discard(self, session: Session) -> None:
        """Close a session.  Where its connection was broken, those that nothing uses are closed as well."""
        broken = session.connection.pgconn.status != pq.ConnStatus.OK
        self._close(session)
        if broken:
            self.close()

    def close(self) -> None:
        """Close the sessions that nothing uses."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            self._close(session)

    def _of_idle(self, application: str) -> Session | None:
        if not self._idle:
            return None
        named = [item for item in self._idle if item.application == application]
        session = (named or self._idle)[-1]
        self._idle.remove(session)
        return session

    def _close(self, session: Session) -> None:
        session.connection.close()
        self._count_closed()

    def _count_closed(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()


def _opened(conninfo: Conninfo, application: str) -> Session:
    connection = connect(conninfo, application, lock_timeout=_LOCK_TIMEOUT)
    try:
        row = connection.execute(_SYSTEM).fetchone()
    except psycopg.Error as error:
        connection.close()
        raise translate(error, "read from Postgres") from error
    own = connection.info.parameter_status("application_name") == application
    return Session(connection, "" if row is None else row[0], application if own else None)


def _named(session: Session, application: str) -> Session:
    if session.application in (None, application):
        return session
    # Where the connection is broken, the next statement says so.
    with contextlib.suppress(psycopg.Error):
        result = session.connection.pgconn.exec_params(_NAME, [application.encode()])
        if result.status == pq.ExecStatus.TUPLES_OK:
            session.application = application
    return session
