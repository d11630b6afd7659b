"""Configuration and environment -> where to connect; docs/configuration.md has the order.  Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import SecretStr

from flusso_shared.config import postgres_url
from flusso_shared.config.model import (
    Config,
    ConnectionParts,
    EnvRef,
    OpenSearchConnection,
    OpenSearchSinkConfig,
    Queue,
    QueueConnection,
    Secret,
    Source,
    Value,
)
from flusso_shared.config.server_addresses import checked_brokers, checked_http, redacted
from flusso_shared.errors import ConfigError

logger = logging.getLogger(__name__)

Environment = Mapping[str, str]

_SECRET_PARAMETER = re.compile(r"\w*(?:password|secret|token)\w*=", re.IGNORECASE)
_NO_PORT = re.compile(r"^[^\[:]*:(?!\d*(?:/|$))")


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


def source_conninfo(source: Source, env: Environment) -> str:
    """The Postgres URL: explicit env reference, else DATABASE_URL, else what the file says.

    Raises `ConfigError` that names what is wrong with it.
    """
    return postgres_url.checked(_source_url(source, env).strip())


def _source_url(source: Source, env: Environment) -> str:
    given = source.connection_url
    if isinstance(given, EnvRef):
        return _required(given, env, "source.connection_url")
    if "DATABASE_URL" in env:
        url = env["DATABASE_URL"]
        logger.info("DATABASE_URL sets the source: %s", redacted(url))
        return url
    if isinstance(given, SecretStr):
        return given.get_secret_value()
    if isinstance(given, ConnectionParts):
        return _assembled(given, env)
    raise ConfigError(
        "no database: neither connection_url in [source] nor DATABASE_URL in the environment is set"
    )


def _assembled(parts: ConnectionParts, env: Environment) -> str:
    user = quote(parts.user, safe="")
    if parts.password is not None:
        password = _secret(parts.password, env, "source.connection_url.password")
        user += ":" + quote(password, safe="")
    host = f"[{parts.host}]" if ":" in parts.host else quote(parts.host, safe="")
    return f"postgresql://{user}@{host}:{parts.port}/{quote(parts.database, safe='')}"


def opensearch_connection(sink: OpenSearchSinkConfig, env: Environment) -> OpenSearchConnection:
    """Per value: explicit env reference, else `<SINK>_OPENSEARCH_...`, else what the file says."""
    url = _override(sink.url, env, sink.name, "URL")
    if url is None:
        raise ConfigError(
            f"[sinks.{sink.name}] has no url and {sink.name.upper()}_OPENSEARCH_URL is not set"
        )
    url = checked_http(url.strip().rstrip("/"), f"[sinks.{sink.name}]")
    password = _override(sink.password, env, sink.name, "PASSWORD")
    return OpenSearchConnection(
        name=sink.name,
        url=url,
        username=_override(sink.username, env, sink.name, "USERNAME"),
        password=None if password is None else SecretStr(password),
        config=sink,
    )


def opensearch_connections(config: Config, env: Environment) -> tuple[OpenSearchConnection, ...]:
    """All OpenSearch sinks, by name."""
    sinks = [sink for sink in config.sinks if isinstance(sink, OpenSearchSinkConfig)]
    return tuple(opensearch_connection(sink, env) for sink in sinks)


def _override(value: Secret | Value | None, env: Environment, sink: str, what: str) -> str | None:
    if isinstance(value, EnvRef):
        return _required(value, env, f"sinks.{sink}.{what.lower()}")
    reserved = f"{sink.upper()}_OPENSEARCH_{what}"
    if reserved in env:
        shown = redacted(env[reserved]) if what == "URL" else "***"
        logger.info("%s sets %s of sink %s: %s", reserved, what.lower(), sink, shown)
        return env[reserved]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def queue_connection(queue: Queue, env: Environment) -> QueueConnection:
    """Kafka: explicit env reference, else KAFKA_BOOTSTRAP_SERVERS, else what the file says."""
    if isinstance(queue.bootstrap_servers, EnvRef):
        servers = _required(queue.bootstrap_servers, env, "queue.bootstrap_servers")
    elif "KAFKA_BOOTSTRAP_SERVERS" in env:
        servers = env["KAFKA_BOOTSTRAP_SERVERS"]
        logger.info("KAFKA_BOOTSTRAP_SERVERS sets the brokers")
    else:
        servers = queue.bootstrap_servers
    if not servers.strip():
        raise ConfigError("no Kafka brokers: bootstrap_servers in [queue] is empty")
    properties = {
        key: _required(value, env, f"queue.properties.{key}")
        if isinstance(value, EnvRef)
        else value
        for key, value in queue.properties.items()
    }
    return QueueConnection(
        bootstrap_servers=checked_brokers(servers.strip()),
        topic_prefix=queue.topic_prefix,
        partitions=queue.partitions,
        replication_factor=queue.replication_factor,
        max_value_bytes=queue.max_value_bytes,
        properties=properties,
    )


def _secret(value: Secret, env: Environment, what: str) -> str:
    return _required(value, env, what) if isinstance(value, EnvRef) else value.get_secret_value()


def _required(reference: EnvRef, env: Environment, what: str) -> str:
    if reference.env not in env:
        raise ConfigError(
            f"the environment variable {reference.env}, which {what} refers to, is not set"
        )
    return env[reference.env]
