"""Checks the addresses of OpenSearch and Kafka before anything connects.  Pure.

As with Postgres (`postgres_url`), a message names the part that is wrong and shows none of it: what looks like a host
may be a piece of a password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from flusso_shared.errors import ConfigError

_IPV6: Final = r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]"
_NAME: Final = re.compile(rf"[^\s@:/?#%\[\]]+|{_IPV6}")
_BROKER: Final = re.compile(
    rf"(?:[A-Za-z_]+://)?(?P<host>[^\s@:/?#%\[\]]+|{_IPV6})(?::(?P<port>\d+))?"
)
_SHOWN: Final = re.compile(
    rf"(?P<scheme>postgresql|postgres|https?)://(?:(?P<user>[^\s@:/?#\[\]]*)(?P<password>:[^\s@/?#]*)?@)?"
    rf"(?P<hosts>(?:[^\s@:/?#%,\[\]]+|{_IPV6})?(?::\d+)?(?:,(?:[^\s@:/?#%,\[\]]+|{_IPV6})(?::\d+)?)*)(?P<rest>[/?][^\s@#]*)?"
)
_NAMED: Final = re.compile(
    r"(user|password|ssl\w+|application_name|options|service|passfile|channel_binding)=.*"
)
"""Parameters whose names are shown: what stands before another `=` may be a piece of a password."""
_HARMLESS: Final = re.compile(
    r"sslmode=(disable|allow|prefer|require|verify-ca|verify-full)|connect_timeout=\d{1,4}"
    r"|target_session_attrs=[a-z]+(-[a-z]+)?"
)
_ENCODE: Final = (
    "in a user name or a password write @ as %40, : as %3A, / as %2F, ? as %3F and # as %23"
)
_LABEL: Final = 63


def redacted(url: str) -> str:
    """The URL as it may be shown: without its password and what parameters are set to; of one that is malformed nothing but the scheme.

    What looks like the host of a malformed one may be the end of a password with an @ in it.
    """
    match = _SHOWN.fullmatch(url)
    if match is None or not _hosts_can_be(match["hosts"], alone=match["scheme"].startswith("http")):
        scheme, separator, _ = url.partition("://")
        return f"{scheme}://***" if separator and scheme.isalnum() else "***"
    user = match["user"] or ""
    if match["password"] is not None:
        user += ":***"
    at = "@" if match["user"] is not None else ""
    path, mark, query = (match["rest"] or "").partition("?")
    kept = "&".join(map(_shown, query.split("&")))
    return f"{match['scheme']}://{user}{at}{match['hosts']}{path}{mark}{kept}"


def _hosts_can_be(hosts: str, *, alone: bool) -> bool:
    if alone and ("," in hosts or not hosts):
        return False
    for each in hosts.split(","):
        host, colon, port = each.rpartition(":") if not each.endswith("]") else (each, "", "")
        host = host if colon else each
        if colon and not 0 < int(port or 0) < 65536:
            return False
        if host and not host.startswith("[") and not host_name(host):
            return False
    return True


def _shown(parameter: str) -> str:
    if not parameter or _HARMLESS.fullmatch(parameter):
        return parameter
    return parameter.partition("=")[0] + "=***" if _NAMED.fullmatch(parameter) else "***"


def host_name(host: str) -> bool:
    """Whether it can be a name: the parts between its dots have 1 to 63 bytes."""
    labels = host.removesuffix(".").split(".")
    try:
        return all(0 < len(label.encode("idna")) <= _LABEL for label in labels)
    except UnicodeError:
        return False


def checked_http(url: str, where: str) -> str:
    """The URL, if it is one of HTTP.  Raises `ConfigError`, beginning with `where` it is written."""
    if wrong := _http_problem(url):
        raise ConfigError(f"{where} {wrong}")
    return url


def _http_problem(url: str) -> str:
    if not re.match(r"https?://", url) or re.search(r"\s", url):
        return "is not one; write http(s)://host:port"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"has a host that is not a name or an address; {_ENCODE}"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return f"has a port that is not a number from 1 to 65535; {_ENCODE}"
    bare = f"[{host}]" if ":" in host else host
    if not _NAME.fullmatch(bare) or (bare == host and not host_name(host)):
        return f"has a host that is not a name or an address; {_ENCODE}"
    if parts.fragment or "#" in url or "@" in parts.path + parts.query:
        return f"has an @ or a # behind its host; {_ENCODE}"
    return ""


def checked_brokers(servers: str) -> str:
    """The list of brokers, if it is one.  Raises `ConfigError`."""
    entries = [entry.strip() for entry in servers.split(",")]
    for number, entry in enumerate(entries, 1):
        match = _BROKER.fullmatch(entry)
        port = int((match and match["port"]) or 9092)
        host = match["host"] if match else ""
        named = host.startswith("[") or host_name(host)
        if match is None or not named or not 0 < port < 65536:
            raise ConfigError(
                f"the Kafka brokers (bootstrap_servers): entry {number} of {len(entries)} is not host:port; user and"
                " password belong to `sasl.username` and `sasl.password` in [queue.properties]"
            )
    return servers
