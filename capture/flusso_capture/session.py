"""Connections to Postgres: one kind for SQL, one for the replication stream.  Decides nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo as conninfos

from flusso_shared.errors import StoppedError
from flusso_shared.pg_errors import translate
from flusso_shared.pg_session import OPERATORS, SESSION_SETTINGS

logger = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]

# A peer that vanished without a word is noticed within about a minute, whatever the system's defaults.
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "40000",
}
_APPLICATION = "flusso-capture"
# What a role or database may have set for its users: ours take as long as they take.
_PATIENCE = {"statement_timeout": "0", "idle_session_timeout": "0"}


def connect(conninfo: str) -> Connection:
    """A connection for SQL, in autocommit mode.  Raises `RetryableError` or `FatalError`."""
    try:
        connection = psycopg.connect(_text(conninfo), autocommit=True)
    except psycopg.Error as error:
        raise translate(error, "connect to Postgres") from error
    try:
        for setting in {**SESSION_SETTINGS, **_PATIENCE}.items():
            connection.execute("SELECT set_config(%s, %s, false)", setting)
        connection.execute(OPERATORS)
    except psycopg.Error as error:
        connection.close()
        raise translate(error, "set up a Postgres session") from error
    return connection


def connect_replication(conninfo: str) -> Connection:
    """A connection that takes replication commands, through its `pgconn`.  Raises as `connect`."""
    given = conninfos.conninfo_to_dict(conninfo)
    own = " ".join(f"-c {name}={_escaped(value)}" for name, value in SESSION_SETTINGS.items())
    options = f"{given.get('options') or ''} {own}".strip()
    text = conninfos.make_conninfo(_text(conninfo), replication="database", options=options)
    try:
        return psycopg.connect(text, autocommit=True)
    except psycopg.Error as error:
        raise translate(error, "connect to Postgres for replication") from error


@contextmanager
def session(conninfo: str, stop: threading.Event, doing: str) -> Iterator[Connection]:
    """A connection for a block of SQL; errors are translated, and a stop cancels what is running."""
    with connect(conninfo) as connection, _cancelled_on(stop, connection):
        try:
            yield connection
        except psycopg.Error as error:
            if stop.is_set():
                raise StoppedError("stop requested") from error
            raise translate(error, doing) from error


def address(conninfo: str) -> str:
    """Host, port and database of a connection text, for messages: never the user or the password."""
    given = conninfos.conninfo_to_dict(conninfo)
    host, port = given.get("host") or "the local socket", given.get("port") or 5432
    return f"{host}:{port}, database {given.get('dbname') or 'of the user'}"


@contextmanager
def _cancelled_on(stop: threading.Event, connection: Connection) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
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
        connection.cancel_safe(timeout=2.0)
    except psycopg.Error as error:
        logger.debug("cancel failed: %s", error)


def _text(conninfo: str) -> str:
    given = conninfos.conninfo_to_dict(conninfo)
    return conninfos.make_conninfo("", **{**_DEFAULTS, "application_name": _APPLICATION, **given})


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
