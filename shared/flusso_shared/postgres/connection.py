"""Opens sessions on Postgres, with the same settings whatever a role, a database or a pooler sets.

The settings of a role or a database are for its applications.  Ours take as long as they take, read every row or
fail, and print values the one way that everything here expects.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import conninfo as conninfos
from psycopg import generators, sql

from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.postgres.errors import (
    DENIED,
    CertificateError,
    DeniedError,
    LoginError,
    translate,
)

Connection = psycopg.Connection[tuple[Any, ...]]
Conninfo = str | Callable[[], str]
"""A connection text of libpq, or what reads the current one, with a secret that may be replaced while processes run."""

_OUTPUT: Final = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
}
_TIMEOUTS: Final = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
_SQL_ONLY: Final = {
    # Postgres 17; a server that does not know a setting is not asked for it.
    "transaction_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # A row that a policy hides must be an error: it would pass for one that was deleted.
    "row_security": "off",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # Compiling costs more than it saves on statements that touch a few thousand rows by index.
    "jit": "off",
}
_SETTINGS: Final = _OUTPUT | _TIMEOUTS | _SQL_ONLY

# A lost connection is noticed within about a minute, whatever the system's defaults.
_DEFAULTS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "40000",
}

_SET: Final = """
SELECT pg_backend_pid(), count(set_config(s.name, wanted.value, false))
FROM unnest(%s::text[], %s::text[]) AS wanted(name, value) JOIN pg_settings s ON lower(s.name) = lower(wanted.name)
"""

_OPERATORS: Final = """
SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''),
    (SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
     FROM pg_operator o JOIN pg_type t ON t.oid = o.oprleft
     JOIN pg_namespace n ON n.oid = o.oprnamespace AND n.oid = t.typnamespace
     WHERE o.oprname = '=' AND n.nspname <> 'pg_catalog'
       AND NOT n.nspname = ANY(current_schemas(true)) AND has_schema_privilege(n.oid, 'USAGE'))), false)
"""
"""Puts the schemas of types that have an `=` of their own (citext, hstore, PostGIS, ...) at the end of the search path.

Without it `=`, `<`, `min()` and the like of such a type, in a schema that is not on the path, would silently mean those of
a type that it is cast to: of `text` for `citext`.
"""

_PATIENT: Final = b"SET statement_timeout TO 0"
"""The first statement: a role's time limit may be shorter than what the others take on a busy server."""

_UTF8: Final = b"SET client_encoding TO 'UTF8'"
"""Before any statement with text: psycopg sends none in an encoding that Python lacks, such as EUC_TW."""

_CANNOT_CHANGE: Final = "55P02"
"""`cant_change_runtime_param`: of its class the one error that does not pass."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Settings that the server does not let a session have, for one reason."""

    settings: tuple[str, ...]
    """As `name = value`."""
    reason: str
    """The server's words, with the SQLSTATE."""
    cure: str
    sql: str = ""
    """A statement that is the cure, where there is one."""

    def __str__(self) -> str:
        return f"the server refuses to set {', '.join(self.settings)}: {self.reason}"


class RefusedSettingsError(DeniedError):
    """The server refuses settings without which values would be read wrongly, or not at all."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        cures = (" ".join(filter(None, (item.cure, item.sql))) for item in self.refusals)
        said = "; ".join(f"{item}; {cure}" for item, cure in zip(self.refusals, cures, strict=True))
        super().__init__(f"cannot set up a Postgres session: {said}")


def connect(conninfo: Conninfo, application: str, **settings: str) -> Connection:
    """A session for SQL, in autocommit mode, with `settings` in addition to the standard ones.

    Raises `RetryableError` or `FatalError`; the latter also for a pooler that gives every transaction another session,
    and as `RefusedSettingsError` for settings that the server refuses.
    """
    connection = _connect(conninfo, "connect to Postgres", application)
    try:
        _without_limit(connection)
        _speak_utf8(connection)
        backend = _set_all(connection, _SETTINGS | settings)
        connection.execute(_OPERATORS)
        made_up = backend != connection.info.backend_pid  # by a pooler, see `pooled`
        if made_up and _shares_sessions(connection, conninfo, backend):
            raise FatalError(
                f"a connection pooler (such as PgBouncer) in transaction or statement mode answers at {address(conninfo)}: "
                "the settings of a session do not last there; connect to the Postgres server itself, or have the "
                "pooler use session mode (pool_mode = session) for this user"
            )
    except psycopg.Error as error:
        connection.close()
        raise translate(error, "set up a Postgres session") from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect_replication(conninfo: Conninfo, application: str) -> Connection:
    """A connection that takes replication commands, through its `pgconn`.  Raises as `connect`."""
    own = " ".join(f"-c {name}={_escaped(value)}" for name, value in (_OUTPUT | _TIMEOUTS).items())
    return _connect(conninfo, "connect to Postgres for replication", application, own)


def text(conninfo: Conninfo) -> str:
    """The connection text as it is now.  Raises `RetryableError` when its file cannot be read."""
    return conninfo if isinstance(conninfo, str) else conninfo()


def connection_text(conninfo: Conninfo, application: str) -> str:
    """`conninfo` with this product's defaults for what it leaves open."""
    given = conninfos.conninfo_to_dict(text(conninfo))
    return conninfos.make_conninfo("", **{**_DEFAULTS, "application_name": application, **given})


def address(conninfo: Conninfo) -> str:
    """Hosts, ports and database of a connection text, for messages: never the user or the password."""
    given = conninfos.conninfo_to_dict(text(conninfo))
    if given.get("service") and not given.get("host"):
        return f"service {given['service']} of libpq's service file"
    host, port = given.get("host") or "the local socket", given.get("port") or 5432
    return f"{host}:{port}, database {given.get('dbname') or 'of the user'}"


def _connect(
    conninfo: Conninfo, doing: str, application: str, replication_options: str | None = None
) -> Connection:
    own = connection_text(conninfo, application)
    if replication_options is not None:
        given = conninfos.conninfo_to_dict(own).get("options") or ""
        options = f"{given} {replication_options}".strip()
        own = conninfos.make_conninfo(own, replication="database", options=options)
    try:
        # Statements that the server keeps for a session clash where a pooler hands sessions on.
        return psycopg.connect(own, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        refused = translate(error, doing)
        if isinstance(refused, LoginError) and _replaceable(conninfo, own, refused):
            raise RetryableError(
                f"{refused}. The secret is in a file, which is read again at every try"
            ) from error
        raise refused from error


def _replaceable(conninfo: Conninfo, own: str, refused: LoginError) -> bool:
    """Whether what was refused is in a file: one of ours, or one that libpq reads for each connection."""
    given = conninfos.conninfo_to_dict(own)
    if isinstance(refused, CertificateError):
        return "sslcert" in given or "service" in given
    in_service = "service" in given and "password" not in given
    return not isinstance(conninfo, str) or in_service or "retrieved from file" in str(refused)


def _set_up(connection: Connection, settings: dict[str, str]) -> int:
    """Set all that the server knows; gives the process id of the session's backend."""
    row = connection.execute(_SET, (list(settings), list(settings.values()))).fetchone()
    assert row is not None
    return int(row[0])


def _told(connection: Connection, statement: bytes) -> psycopg.Error | None:
    """The server's refusal of a statement, sent as bytes.  Raises `psycopg.OperationalError` without a connection."""
    connection.pgconn.send_query(statement)
    (result,) = connection.wait(generators.execute(connection.pgconn))
    if result.status == psycopg.pq.ExecStatus.COMMAND_OK:
        return None
    error = psycopg.errors.error_from_result(result)
    if error.sqlstate is None:
        raise psycopg.OperationalError(str(error))
    return error


def _without_limit(connection: Connection) -> None:
    """Lift the time limit of the role.  A refusal is left to `_set_all`, which tells all of them."""
    error = _told(connection, _PATIENT)
    if error is not None and not _refuses(error):
        raise error


def _speak_utf8(connection: Connection) -> None:
    """Raises `RefusedSettingsError` where the server cannot give what it stores in UTF-8, and `psycopg.Error`."""
    error = _told(connection, _UTF8)
    if error is None:
        return
    if not _refuses(error):
        raise error
    raise RefusedSettingsError(
        [
            Refusal(
                ("client_encoding = UTF8",),
                _reason(error),
                "make a database with the encoding UTF8 and move the data there",
            )
        ]
    )


def _set_all(connection: Connection, settings: dict[str, str]) -> int:
    """As `_set_up`; raises `RefusedSettingsError` naming all settings that the server refuses, and `psycopg.Error`."""
    try:
        return _set_up(connection, settings)
    except psycopg.Error as error:
        if not _refuses(error) or not (refusals := _refusals(connection, settings)):
            raise
        raise RefusedSettingsError(refusals) from error


def _refusals(connection: Connection, settings: dict[str, str]) -> list[Refusal]:
    """What is refused when each is set by itself."""
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, value in settings.items():
        try:
            _set_up(connection, {name: value})
        except psycopg.Error as error:
            if not _refuses(error):
                raise
            key = (_reason(error), _grant(connection, error))
            reasons[key].append(f"{name} = {value}")
    return [
        Refusal(
            tuple(names),
            reason,
            "let a superuser run this:"
            if grant
            else "change on the server what the message names, or connect as a role that it lets set this",
            grant,
        )
        for (reason, grant), names in reasons.items()
    ]


def _refuses(error: psycopg.Error) -> bool:
    """Whether the error refuses a setting, and is not one that passes."""
    passes = isinstance(translate(error, "set up a Postgres session"), RetryableError)
    return error.sqlstate == _CANNOT_CHANGE or not passes


def _grant(connection: Connection, error: psycopg.Error) -> str:
    """The statement that allows what is denied, where it is the use of what `_SET` is made of."""
    if error.sqlstate != DENIED:
        return ""
    name = sql.Identifier(connection.info.user).as_string(None)
    said = error.diag.message_primary or ""
    if "set_config" in said:
        return f"GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {name};"
    if "pg_settings" in said:
        return f"GRANT SELECT ON pg_catalog.pg_settings TO {name};"
    return ""


def _reason(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail)
    said = ": ".join(part.rstrip(".") for part in parts if part)
    return f"{said} (SQLSTATE {error.sqlstate})"


def pooled(connection: Connection) -> bool:
    """Whether a pooler is in between: it sends a made-up process id (`BackendKeyData`) to the client."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return bool(row[0] != connection.info.backend_pid)


def _shares_sessions(connection: Connection, conninfo: Conninfo, backend: int) -> bool:
    """Whether a second client is given the backend of the first one, or that one another, while both are connected.

    Statement mode refuses a transaction.
    """
    own = connection_text(conninfo, "flusso")
    try:
        with (
            psycopg.connect(own, autocommit=True, prepare_threshold=None) as other,
            other.transaction(),
        ):
            return _set_up(other, {}) == backend or _set_up(connection, {}) != backend
    except psycopg.errors.ProtocolViolation:
        return True


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
