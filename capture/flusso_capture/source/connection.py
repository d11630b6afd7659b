"""Connections to Postgres, for SQL and for the replication stream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from flusso_shared.errors import StoppedError
from flusso_shared.postgres import connection as postgres_connection
from flusso_shared.postgres import row_security
from flusso_shared.postgres.connection import Conninfo

logger = logging.getLogger(__name__)

Connection = postgres_connection.Connection

_APPLICATION = "flusso-capture"
_STOP_POLL_SECONDS = 0.2
_CANCEL_TIMEOUT_SECONDS = 2.0


def connect(conninfo: Conninfo) -> Connection:
    """A connection for SQL, in autocommit mode.  Raises `RetryableError` or `FatalError`."""
    return postgres_connection.connect(conninfo, _APPLICATION)


def connect_replication(conninfo: Conninfo) -> Connection:
    """A connection that takes replication commands, through its `pgconn`.  Raises as `connect`."""
    return postgres_connection.connect_replication(conninfo, _APPLICATION)


@contextmanager
def session(conninfo: Conninfo, stop: threading.Event, doing: str) -> Iterator[Connection]:
    """A connection for a block of SQL.  Errors are translated; a stop cancels the running statement.

    Raises `RetryableError`, `FatalError`, and `StoppedError` on a stop.
    """
    with connect(conninfo) as connection, _cancelled_on_stop(stop, connection):
        try:
            yield connection
        except psycopg.Error as error:
            if stop.is_set():
                raise StoppedError("stop requested") from error
            raise row_security.explained(connection, error, doing) from error


@contextmanager
def _cancelled_on_stop(stop: threading.Event, connection: Connection) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_STOP_POLL_SECONDS):
            if stop.is_set():
                _cancel(connection)

    watcher = threading.Thread(target=watch, name="cancel-on-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _cancel(connection: Connection) -> None:
    try:
        connection.cancel_safe(timeout=_CANCEL_TIMEOUT_SECONDS)
    except psycopg.Error as error:
        logger.debug("cancel failed: %s", error)
