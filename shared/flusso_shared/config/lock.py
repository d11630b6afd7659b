"""`flusso.lock`: configuration and compiled plans in one JSON file, without any secret.

Literal secrets of the configuration are left out and listed as `withheld`; a process that runs from the lock takes them
from the environment.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from flusso_shared import release
from flusso_shared.config.connections import split_urls, without_secrets
from flusso_shared.config.model import (
    Config,
    ConnectionParts,
    EnvRef,
    FileRef,
    OpenSearchSinkConfig,
)
from flusso_shared.config.project import Project
from flusso_shared.config.toml_file import SINK_SECRETS, read_config
from flusso_shared.config.toml_positions import KeyPositions
from flusso_shared.errors import ConfigError
from flusso_shared.plan.codec import plan_from_json, plan_to_json

logger = logging.getLogger(__name__)

FORMAT = 1
_SECRET = re.compile(r"password|passphrase|secret|key\.pem|jaas|token(?!\.endpoint)", re.IGNORECASE)
_PROPERTIES = "queue.properties."
_URLS = ("url", "proxy")
"""Keys of a sink that are kept without the secret in them."""


def write_lock(project: Project, path: Path) -> None:
    """Write atomically.  Raises `ConfigError` when the folder cannot be written."""
    text = json.dumps(_to_json(project), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot write the compiled configuration to {path}: {error.strerror}; point --lock to a place"
            " that can be written, or run with --locked from a lock that exists"
        ) from error


def read_lock(path: Path) -> Project:
    """Read what `write_lock` wrote.  Raises `ConfigError`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no compiled configuration at {path}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the compiled configuration {path}: {error}") from error
    if not isinstance(value, dict) or value.get("format_version") != FORMAT:
        raise ConfigError(
            f"{path} has another format than this version's ({FORMAT}); compile the configuration again"
        )
    try:
        _refuse_withheld(value.get("withheld", []), path)
        config = read_config(value["config"], str(path), KeyPositions(""))
        plans = tuple(plan_from_json(plan) for plan in value["indexes"])
    except (KeyError, TypeError, ValidationError) as error:
        raise ConfigError(f"{path} is damaged: {error}; compile the configuration again") from error
    return Project(config, plans)


def _to_json(project: Project) -> dict[str, Any]:
    return {
        "format_version": FORMAT,
        "flusso_version": release.version(),
        "config": config_to_json(project.config),
        "withheld": sorted(_withheld(project.config)),
        "indexes": [plan_to_json(plan) for plan in project.indexes],
    }


def config_to_json(config: Config) -> dict[str, Any]:
    """The configuration in the shape of its file."""
    value: dict[str, Any] = _plain(config)
    value["index"] = [
        {("schema" if key == "schema_path" else key): item for key, item in index.items()}
        for index in value.pop("indexes", [])
    ]
    value["sinks"] = {sink.pop("name"): sink for sink in value.pop("sinks", [])}
    for sink in config.sinks:
        if not isinstance(sink, OpenSearchSinkConfig):
            continue
        for key in _URLS:
            url = getattr(sink, key)
            if isinstance(url, SecretStr):
                value["sinks"][sink.name][key] = _without_secrets(url)
    for name in _secret_properties(config):
        del value["queue"]["properties"][name]
    url = config.source.connection_url
    if isinstance(url, SecretStr):
        value["source"]["connection_url"] = _without_secrets(url)
    return value


def _without_secrets(urls: SecretStr) -> str:
    return ",".join(map(without_secrets, split_urls(urls.get_secret_value())))


def _secret_properties(config: Config) -> list[str]:
    """Properties of the Kafka client that are literal secrets, by their names."""
    return [
        name
        for name, item in config.queue.properties.items()
        if _SECRET.search(name) and not isinstance(item, EnvRef | FileRef)
    ]


def _withheld(config: Config) -> Iterator[str]:
    """Places of the configuration that hold a literal secret."""
    url = config.source.connection_url
    if isinstance(url, SecretStr) and _secret_in(url):
        yield "source.connection_url"
    if isinstance(url, ConnectionParts) and isinstance(url.password, SecretStr):
        yield "source.connection_url.password"
    for sink in config.sinks:
        if isinstance(sink, OpenSearchSinkConfig):
            for key in SINK_SECRETS:
                given = getattr(sink, key)
                if isinstance(given, SecretStr) and (key not in _URLS or _secret_in(given)):
                    yield f"sinks.{sink.name}.{key}"
    for name in _secret_properties(config):
        yield _PROPERTIES + name


def _secret_in(urls: SecretStr) -> bool:
    return _without_secrets(urls) != ",".join(split_urls(urls.get_secret_value()))


def _refuse_withheld(places: list[str], path: Path) -> None:
    """What was left out has to come from the environment; no variable does that for a property of the client."""
    properties = [place for place in places if place.startswith(_PROPERTIES)]
    if properties:
        name = properties[0].removeprefix(_PROPERTIES)
        raise ConfigError(
            f"{path} holds no secrets, so it lacks `{name}` of [queue.properties]; write it as"
            f' `"{name}" = {{ env = "..." }}` in the configuration, and compile it again'
        )
    for place in places:
        logger.info(
            "%s holds no secrets: %s comes from %s",
            path,
            place,
            _variable(place),
            extra={"action": "lock_secret"},
        )


def _variable(place: str) -> str:
    """The variable that fills in for a secret."""
    if place.startswith("source."):
        return "DATABASE_URL"
    _, sink, key = place.split(".")
    return f"{sink.upper()}_OPENSEARCH_{key.upper()}"


def _plain(value: Any) -> Any:
    """Models as plain values, literal secrets and absent values left out."""
    if isinstance(value, BaseModel):
        # What is not given of a connection has a default only where there is no service.
        names = (
            value.model_fields_set
            if isinstance(value, ConnectionParts)
            else type(value).model_fields
        )
        fields = {name: getattr(value, name) for name in names}
        kept = {k: v for k, v in fields.items() if v is not None and not isinstance(v, SecretStr)}
        return {name: _plain(item) for name, item in kept.items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
