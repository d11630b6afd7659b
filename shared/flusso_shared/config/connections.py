"""Configuration and environment -> where to connect; docs/configuration.md has the order.

Files are read once to check what is in them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import TypeVar
from urllib.parse import quote, urlencode

from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from flusso_shared.config import postgres_url, secrets
from flusso_shared.config.model import (
    Config,
    ConnectionParts,
    EnvRef,
    FileRef,
    OpenSearchConnection,
    OpenSearchSinkConfig,
    Queue,
    QueueConnection,
    Secret,
    Source,
    Value,
)
from flusso_shared.config.server_addresses import checked_brokers, checked_http, redacted
from flusso_shared.errors import ConfigError, RetryableError
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.problems import listed

logger = logging.getLogger(__name__)

Environment = Mapping[str, str]
AnySecret = TypeVar("AnySecret", bound=secrets.AtConnect)

_PARAMETERS = (
    "service",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "passfile",
)
"""Of the parts form, passed to libpq as they are."""

_SECRET_PARAMETER = re.compile(r"\w*(?:password|secret|token)\w*=", re.IGNORECASE)
_NO_PORT = re.compile(r"^[^\[:]*:(?!\d*(?:/|$))")


@cache
def _tell(override: str) -> None:
    """Log once per process that a variable overrides the configuration: connections are made again and again."""
    logger.info("%s", override, extra={"action": "override"})


def without_secrets(url: str) -> str:
    """The URL as it may be kept in a file: without its password, wherever in it that stands.

    Also one that should have been percent-encoded: `u:a/b?c@host` is no URL, but it is a secret.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return ""
    # Like libpq, which takes an @ before the first slash for the end of the password, also behind a question mark.
    start = rest.partition("/")[0].rfind("@") + 1
    path = rest[:start] + rest[start:].partition("?")[0]
    # What follows the colon is no port: then it is a password, and the question mark is part of it.
    no_port = "@" not in path and _NO_PORT.search(path) is not None
    end = (rest if no_port else path).rfind("@")
    if end >= 0:
        rest = rest[:end].partition(":")[0] + rest[end:]
    elif no_port:
        rest = rest.partition(":")[0]
    path, _, query = rest.partition("?")
    kept = [item for item in query.split("&") if item and not _SECRET_PARAMETER.match(item)]
    return scheme + separator + path + ("?" + "&".join(kept) if kept else "")


def split_urls(urls: str) -> list[str]:
    """The URLs in a list with commas between them.  A comma in a password separates nothing."""
    return [each.strip() for each in re.split(r",\s*(?=https?://)", urls)]


def source_conninfo(source: Source, env: Environment) -> Conninfo:
    """The Postgres URL: explicit reference, else DATABASE_URL, else what the configuration says.

    Raises `ConfigError` that names what is wrong with it.
    """
    given = source.connection_url
    if isinstance(given, FileRef):
        _checked_file(given, "source.connection_url")
        postgres_url.checked(secrets.read(given).strip())
        return lambda: postgres_url.checked(secrets.read(given).strip())
    url = postgres_url.checked(_source_url(source, env).strip())
    overridden = "DATABASE_URL" in env
    if (
        isinstance(given, ConnectionParts)
        and isinstance(given.password, FileRef)
        and not overridden
    ):
        file = _checked_file(given.password, "source.connection_url.password")
        return lambda: make_conninfo(url, password=secrets.read(file))
    return url


def _source_url(source: Source, env: Environment) -> str:
    given = source.connection_url
    if isinstance(given, EnvRef):
        return _required(given, env, "source.connection_url")
    if "DATABASE_URL" in env:
        url = env["DATABASE_URL"]
        _tell(f"DATABASE_URL sets the source: {redacted(url)}")
        return url
    if isinstance(given, SecretStr):
        return given.get_secret_value()
    if isinstance(given, ConnectionParts):
        return _assembled(given, env)
    raise ConfigError(
        "no database: neither connection_url in [source] nor DATABASE_URL in the environment is set"
    )


def _assembled(parts: ConnectionParts, env: Environment) -> str:
    """The URL, without a password that is in a file.  With a service only what is given stands in it."""
    own = parts.model_fields_set
    every = parts.service is None
    user = quote(parts.user, safe="") if every or "user" in own else ""
    if parts.password is not None and not isinstance(parts.password, FileRef):
        password = _given(parts.password, env, "source.connection_url.password")
        user += ":" + quote(password, safe="")
    hosts = _hosts(parts) if every or own & {"host", "port"} else ""
    at = "@" if user else ""
    named = ((name, getattr(parts, name)) for name in _PARAMETERS)
    query = urlencode([(name, value) for name, value in named if value], quote_via=quote)
    database = quote(parts.database, safe="")
    return f"postgresql://{user}{at}{hosts}/{database}{'?' if query else ''}{query}"


def _hosts(parts: ConnectionParts) -> str:
    hosts = [host.strip() for host in parts.host.split(",")]
    names = (f"[{host}]" if ":" in host else quote(host, safe="") for host in hosts)
    return ",".join(f"{name}:{parts.port}" for name in names)


def opensearch_connection(sink: OpenSearchSinkConfig, env: Environment) -> OpenSearchConnection:
    """Per value: explicit reference, else `<SINK>_OPENSEARCH_...`, else what the configuration says.

    Raises `ConfigError` that names what is wrong with it.
    """
    where = f"[sinks.{sink.name}]"
    url = _override(sink.url, env, sink.name, "url")
    if url is None:
        raise ConfigError(f"{where} has no url and {sink.name.upper()}_OPENSEARCH_URL is not set")
    urls = [each.rstrip("/") for each in split_urls(_now(url))]
    proxy = _override(sink.proxy, env, sink.name, "proxy")
    if proxy is not None:
        proxy_url(proxy, sink.name)
    connection = OpenSearchConnection(
        name=sink.name,
        urls=tuple(checked_http(each, f"{where}: the URL of OpenSearch") for each in urls),
        username=_override(sink.username, env, sink.name, "username"),
        password=_override(sink.password, env, sink.name, "password"),
        api_key=_override(sink.api_key, env, sink.name, "api_key"),
        bearer_token=_override(sink.bearer_token, env, sink.name, "bearer_token"),
        proxy=proxy,
        config=sink,
    )
    logins = [name for name in ("username", "api_key", "bearer_token") if getattr(connection, name)]
    if sink.aws is not None:
        logins.append("aws")
    if len(logins) > 1:
        raise ConfigError(f"{where}: a sink logs in one way; this has {listed(logins)}")
    return connection


def proxy_url(proxy: secrets.AtConnect, sink: str) -> str:
    """The URL of a proxy as it is now.

    Raises `ConfigError` that names what is wrong with it, and `RetryableError` when its file cannot be read.
    """
    return checked_http(secrets.read(proxy).strip(), f"[sinks.{sink}]: the URL of the proxy")


def opensearch_connections(config: Config, env: Environment) -> tuple[OpenSearchConnection, ...]:
    """All OpenSearch sinks, by name."""
    sinks = [sink for sink in config.sinks if isinstance(sink, OpenSearchSinkConfig)]
    return tuple(opensearch_connection(sink, env) for sink in sinks)


def _override(
    value: Secret | Value | None, env: Environment, sink: str, what: str
) -> secrets.AtConnect | None:
    if isinstance(value, EnvRef):
        return SecretStr(_required(value, env, f"sinks.{sink}.{what}"))
    if isinstance(value, FileRef):
        return _checked_file(value, f"sinks.{sink}.{what}")
    reserved = f"{sink.upper()}_OPENSEARCH_{what.upper()}"
    if reserved in env:
        shown = redacted(env[reserved]) if what == "url" else "***"
        _tell(f"{reserved} sets {what} of sink {sink}: {shown}")
        return SecretStr(env[reserved])
    return SecretStr(value) if isinstance(value, str) else value


def queue_connection(queue: Queue, env: Environment) -> QueueConnection:
    """Kafka: explicit reference, else KAFKA_BOOTSTRAP_SERVERS, else what the configuration says."""
    if isinstance(queue.bootstrap_servers, EnvRef | FileRef):
        servers = _given(queue.bootstrap_servers, env, "queue.bootstrap_servers")
    elif "KAFKA_BOOTSTRAP_SERVERS" in env:
        servers = env["KAFKA_BOOTSTRAP_SERVERS"]
        _tell("KAFKA_BOOTSTRAP_SERVERS sets the brokers")
    else:
        servers = queue.bootstrap_servers
    if not servers.strip():
        raise ConfigError("no Kafka brokers: bootstrap_servers in [queue] is empty")
    properties: dict[str, str | int | bool | FileRef] = {}
    for key, value in queue.properties.items():
        what = f"queue.properties.{key}"
        if isinstance(value, EnvRef):
            properties[key] = _required(value, env, what)
        else:
            properties[key] = _checked_file(value, what) if isinstance(value, FileRef) else value
    return QueueConnection(
        bootstrap_servers=checked_brokers(servers.strip()),
        topic_prefix=queue.topic_prefix,
        partitions=queue.partitions,
        replication_factor=queue.replication_factor,
        max_value_bytes=queue.max_value_bytes,
        properties=properties,
    )


def _given(value: Secret, env: Environment, what: str) -> str:
    """The value as it is now."""
    if isinstance(value, EnvRef):
        return _required(value, env, what)
    return _now(_checked_file(value, what))


def _now(value: secrets.AtConnect) -> str:
    try:
        return secrets.read(value)
    except RetryableError as error:
        raise ConfigError(str(error)) from error


def _checked_file(value: AnySecret, what: str) -> AnySecret:
    """Raises `ConfigError` when a file of a reference cannot be read."""
    if isinstance(value, FileRef):
        try:
            secrets.read(value)
        except RetryableError as error:
            raise ConfigError(f"{what}: {error}") from error
    return value


def _required(reference: EnvRef, env: Environment, what: str) -> str:
    if reference.env not in env:
        raise ConfigError(
            f"the environment variable {reference.env}, which {what} refers to, is not set"
        )
    return env[reference.env]
