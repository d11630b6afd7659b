"""`flusso.lock`: configuration and compiled plans in one JSON file, without any secret.

Literal secrets of the configuration are left out; a process that runs from the lock takes them from the
environment.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError

from flusso_shared.config import Config, OpenSearchSinkConfig
from flusso_shared.config_file import read_config
from flusso_shared.errors import ConfigError
from flusso_shared.plan_codec import plan_from_json, plan_to_json
from flusso_shared.project import Project, load_project
from flusso_shared.toml_positions import Positions

FORMAT = 1
_SECRET = re.compile(r"password|secret|key\.pem|jaas|token(?!\.endpoint)", re.IGNORECASE)
_DISTRIBUTION = "flusso-kafka"


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
        config = read_config(value["config"], str(path), Positions(""))
        plans = tuple(plan_from_json(plan) for plan in value["indexes"])
    except (KeyError, TypeError, ValidationError) as error:
        raise ConfigError(f"{path} is damaged: {error}; compile the configuration again") from error
    return Project(config, plans)


def choose(config: Path | None, lock: Path, *, locked: bool) -> Project:
    """Which configuration runs: the lock as it is, or a configuration, which is compiled into the lock."""
    if locked:
        return read_lock(lock)
    if config is None:
        config = Path("flusso.toml")
        if not config.exists():
            if not lock.exists():
                raise ConfigError(
                    f"there is neither a configuration at {config} nor a compiled one at {lock};"
                    " name one with --config or --lock"
                )
            return read_lock(lock)
    project = load_project(config)
    write_lock(project, lock)
    return project


def _to_json(project: Project) -> dict[str, Any]:
    return {
        "format_version": FORMAT,
        "flusso_version": version(_DISTRIBUTION),
        "config": config_to_json(project.config),
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
        if isinstance(sink, OpenSearchSinkConfig) and isinstance(sink.url, SecretStr):
            value["sinks"][sink.name]["url"] = _without_password(sink.url.get_secret_value())
    properties = value.get("queue", {}).get("properties", {})
    for name in [name for name, item in properties.items() if _secret(name, item)]:
        del properties[name]
    url = config.source.connection_url
    if isinstance(url, SecretStr):
        value["source"]["connection_url"] = _without_password(url.get_secret_value())
    return value


def _secret(name: str, value: Any) -> bool:
    """Whether a property of the Kafka client is a literal secret, by its name."""
    return _SECRET.search(name) is not None and not isinstance(value, dict)


def _plain(value: Any) -> Any:
    """Models as plain values, literal secrets and absent values left out."""
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        kept = {k: v for k, v in fields.items() if v is not None and not isinstance(v, SecretStr)}
        return {name: _plain(item) for name, item in kept.items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host))
