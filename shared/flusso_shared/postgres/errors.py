"""Postgres' errors by SQLSTATE (appendix A of its manual) -> our error classes.

Errors while connecting carry no SQLSTATE through libpq; they are told apart by their text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg

from flusso_shared.errors import FatalError, FlussoError, RetryableError

_CONNECTION = "the connection (DATABASE_URL, or [source].connection_url)"
_DEFAULT_REMEDY = "see the server's log"

_REMEDIES = {
    "28P01": f"check user and password of {_CONNECTION}",
    "28000": f"check the user of {_CONNECTION}, and pg_hba.conf: the server does not let it in",
    "3D000": f"check the database name of {_CONNECTION}",
    "42501": "grant the role what the message names",
    "42P01": "check `table` and `schema` in the schema file against the database",
    "42703": "check `column` in the schema file against the database",
    "42704": "check the names in the schema file against the database",
    "57P04": f"the database was dropped: check the database name of {_CONNECTION}",
}

# 08 connection, 40 rollback, 53 resources, 55 object in use, 57 operator, 58 system.
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
# "Not in the prerequisite state" (an invalidated slot, wal_level too low) and a dropped database stay.
_LASTING = frozenset({"55000", "57P04"})


_POOLER = (
    "a connection pooler (such as PgBouncer) answers there, and replication cannot pass it: connect to the Postgres"
    " server itself"
)
_CERTIFICATE = f"check `sslcert` and `sslkey` of {_CONNECTION}, and `ssl_ca_file` and pg_hba.conf of the server"
_TLS = f"check `sslmode` and the certificates of {_CONNECTION}, and `ssl` of the server"


DENIED = "42501"


class DeniedError(FatalError):
    """The role may not do it: it lacks a privilege, or row-level security applies to it.

    Others than the one that asked are not concerned, and it may be granted any time.
    """


class LoginError(FatalError):
    """The server does not let the user in."""


class CertificateError(LoginError):
    """It does not take the certificate of the client, or misses one."""


_LOGIN = frozenset({"28P01", "28000"})
_PARAMETER = re.compile(
    r'invalid integer value ".*" for connection option "(?P<integer>\w+)"|invalid "?(?P<choice>\w+)"? value'
    r"|(?P<hostaddr>could not parse network address)|definition of (?P<service>service) "
)
"""What libpq says of a value in the connection text that it does not take; the value itself is not for messages."""


class _ConnectFailure(NamedTuple):
    state: str
    """The SQLSTATE whose remedy is given, or the remedy itself."""
    pattern: re.Pattern[str]


_CONNECT_FAILURES = (
    _ConnectFailure(
        _CERTIFICATE,
        re.compile(
            r"requires a valid client certificate|certificate authentication failed"
            r"|SSL error: \w+ alert (unknown ca|bad certificate|certificate (expired|revoked|unknown|required))"
        ),
    ),
    _ConnectFailure("28P01", re.compile(r"authentication failed|no password supplied")),
    _ConnectFailure(
        "28000", re.compile(r"no pg_hba\.conf entry|not permitted to log in|role .* does not exist")
    ),
    _ConnectFailure("3D000", re.compile(r"database .* does not exist")),
    _ConnectFailure(
        "42501", re.compile(r"permission denied|must be superuser or replication role")
    ),
    _ConnectFailure(_POOLER, re.compile(r"unsupported startup parameter|pooler|pgbouncer", re.I)),
    _ConnectFailure(
        _TLS,
        re.compile(
            r"does not support SSL|SSL error: (certificate|tlsv1 alert|sslv3 alert)|certificate verify failed"
            r"|root certificate file .* does not exist|could not (load|read) (certificate|private key|root cert)"
            r"|server certificate for .* does not match|channel binding (is )?required|private key file"
        ),
    ),
)


def translate(error: psycopg.Error, doing: str) -> FlussoError:
    """The error to raise instead of `error`; `doing` completes "cannot ...", e.g. "connect to Postgres"."""
    state = error.sqlstate
    if state is None:
        return _without_state(error, doing)
    reason = f"{_reason(error)} (SQLSTATE {state})"
    if state.startswith(_PASSING_CLASSES) and state not in _LASTING:
        return RetryableError(f"cannot {doing}: {reason}")
    if state == DENIED:
        return DeniedError(f"cannot {doing}: {reason}; {_denied(error)}")
    return _kind(state)(f"cannot {doing}: {reason}; {_REMEDIES.get(state, _DEFAULT_REMEDY)}")


def _kind(state: str) -> type[FatalError]:
    if state == _CERTIFICATE:
        return CertificateError
    return LoginError if state in _LOGIN else FatalError


def _denied(error: psycopg.Error) -> str:
    """The remedy: under `row_security = off` a policy that hides rows is an error (`check_enable_rls` in Postgres)."""
    if "row-level security" not in (error.diag.message_primary or ""):
        return _REMEDIES[DENIED]
    return (
        "let a superuser run ALTER ROLE ... BYPASSRLS for the role of the connection, or connect as the owner of the"
        " table (without FORCE ROW LEVEL SECURITY): rows that it may not see would pass for rows that are gone"
    )


def _reason(error: psycopg.Error) -> str:
    message = error.diag.message_primary or _one_line(error)
    hint = error.diag.message_hint
    return f"{message} ({hint})" if hint else message


def _without_state(error: psycopg.Error, doing: str) -> FlussoError:
    text = _one_line(error)
    if match := _PARAMETER.search(text):
        name = match["integer"] or match["choice"] or match["service"] or "hostaddr"
        return FatalError(
            f"cannot {doing}: libpq does not take the value of `{name}`; correct it in {_CONNECTION}"
        )
    for failure in _CONNECT_FAILURES:
        if failure.pattern.search(text):
            remedy = _REMEDIES.get(failure.state, failure.state)
            return _kind(failure.state)(f"cannot {doing}: {text}; {remedy}")
    # Refused, unresolved, timed out, cut, starting up, shutting down: all of it passes.
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return RetryableError(f"cannot {doing}: {text}")
    return FatalError(f"cannot {doing}: {text}; {_DEFAULT_REMEDY}")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
