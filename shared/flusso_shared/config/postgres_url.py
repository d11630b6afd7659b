"""Checks a Postgres URL before anything connects.  Pure: libpq parses it, and connects nowhere.

A message names the part that is wrong and never shows the text: what looks like a host may be a piece of a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import psycopg
from psycopg import conninfo as conninfos

from flusso_shared.config.server_addresses import host_name
from flusso_shared.errors import ConfigError

_URL: Final = re.compile(r"(postgresql|postgres)://\S*")
_SHAPE: Final = "write postgresql://user:password@host:port/database"
_ENCODE: Final = "in a user name or a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"


class _Refusal(NamedTuple):
    """What libpq says (`conninfo_uri_parse` and its helpers in `fe-connect.c`), and what is wrong then."""

    said: str
    wrong: str


_REFUSALS: Final = (
    _Refusal("forbidden value %00", "it has %00 in it, which no part may hold"),
    _Refusal(
        "key/value separator", f"a parameter after the ? is not of the form name=value; {_ENCODE}"
    ),
    _Refusal('looking for matching "]"', "the host has a [ without its ]"),
    _Refusal("percent-encoded", f"a % in it is not followed by two hexadecimal digits; {_ENCODE}"),
    _Refusal("query parameter", "it has a parameter after the ? that libpq does not know"),
    _Refusal("IPv6", "the host is not a valid IPv6 address in brackets"),
    _Refusal(
        "unexpected character",
        "the host is followed by something that is neither :port nor /database",
    ),
)

_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "channel_binding": frozenset({"disable", "prefer", "require"}),
    "gssencmode": frozenset({"disable", "prefer", "require"}),
    "target_session_attrs": frozenset(
        {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}
    ),
}
_NUMBERS: Final = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
_HOST: Final = re.compile(r"[^\s@:/?#%\[\]]+|\[?[0-9A-Fa-f:.]+(%\w+)?\]?")


def checked(url: str) -> str:
    """The URL, if libpq can use it.  Raises `ConfigError` with everything that is wrong with it."""
    if not _URL.fullmatch(url):
        raise ConfigError(f"the connection is not a Postgres URL; {_SHAPE}")
    try:
        parts = conninfos.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # Not as the cause either: a traceback would show it.
        raise ConfigError(f"the Postgres URL cannot be read: {_wrong(str(error))}") from None
    given = {name: str(value) for name, value in parts.items() if value is not None}
    if problems := list(_problems(given)):
        raise ConfigError("\n".join(f"the Postgres URL is wrong: {each}" for each in problems))
    return url


def _wrong(said: str) -> str:
    for refusal in _REFUSALS:
        if refusal.said in said:
            return refusal.wrong
    return f"libpq does not take it; {_SHAPE}"


def _problems(given: Mapping[str, str]) -> Iterator[str]:
    hosts = given.get("host", "").split(",")
    ports = given.get("port", "").split(",")
    if not all(_host(host) for host in hosts):
        yield f"the host is not a name or an address; {_ENCODE}"
    if not all(not port or _port(port) for port in ports):
        yield f"the port is not a number from 1 to 65535; {_ENCODE}"
    if len(ports) > 1 and len(ports) != len(hosts):
        yield f"it has {len(hosts)} hosts and {len(ports)} ports; give one port, or one for each host"
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            yield f"{name} is none of {', '.join(sorted(choices))}"
    for name in _NUMBERS:
        if name in given and not re.fullmatch(r"\s*-?\d+\s*", given[name]):
            yield f"{name} is not a whole number"


def _host(host: str) -> bool:
    """Empty stands for the default; a path, or `@`, for a local socket."""
    if not host or host.startswith(("/", "@")):
        return True
    return _HOST.fullmatch(host) is not None and (":" in host or host_name(host))


def _port(port: str) -> bool:
    return port.isascii() and port.isdigit() and 0 < int(port) < 65536
