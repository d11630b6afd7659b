"""Where the configuration points to, as it is shown: no secret, nothing read from the environment but overrides."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from flusso_shared.config.model import (
    ConnectionParts,
    EnvRef,
    FileRef,
    OpenSearchSinkConfig,
    SinkConfig,
    Source,
    Value,
)
from flusso_shared.config.server_addresses import redacted

_MASK = "***"


def source(given: Source, env: Mapping[str, str]) -> str:
    """The database, as the configuration gives it and the environment overrides it."""
    connection = given.connection_url
    if isinstance(connection, EnvRef | FileRef):
        return _reference(connection)
    if "DATABASE_URL" in env:
        return f"{url(env['DATABASE_URL'])}  (DATABASE_URL)"
    if isinstance(connection, SecretStr):
        return url(connection.get_secret_value())
    if isinstance(connection, ConnectionParts):
        if connection.service is not None:
            return f"service {connection.service}"
        return f"{connection.user}@{connection.host}:{connection.port}/{connection.database}"
    return "${DATABASE_URL}"


def sink(given: SinkConfig, env: Mapping[str, str]) -> str:
    """Where a sink writes to, and what is unusual about it."""
    if not isinstance(given, OpenSearchSinkConfig):
        return "pretty" if given.pretty else ""
    parts = [_value(given.url, env, f"{given.name.upper()}_OPENSEARCH_URL")]
    if not given.tls_verify:
        parts.append("tls-verify off")
    return "  ".join(parts)


def _value(given: SecretStr | Value | None, env: Mapping[str, str], reserved: str) -> str:
    if isinstance(given, EnvRef | FileRef):
        return _reference(given)
    if reserved in env:
        return f"{url(env[reserved])}  ({reserved})"
    if isinstance(given, SecretStr):
        return url(given.get_secret_value())
    return given or f"${{{reserved}}}"


def _reference(given: EnvRef | FileRef) -> str:
    return f"${{{given.env}}}" if isinstance(given, EnvRef) else f"in {given.file}"


def url(text: str) -> str:
    """URLs without their passwords; anything else is masked, because it could be a password."""
    return redacted(text) if "://" in text else _MASK
