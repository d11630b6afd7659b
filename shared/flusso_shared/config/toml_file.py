"""Reads `flusso.toml` into a `Config`, or raises `Problems` with everything that is wrong in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from flusso_shared.config.model import (
    Aws,
    Config,
    ConnectionParts,
    EnvRef,
    FileRef,
    Index,
    OpenSearchSinkConfig,
    Queue,
    Server,
    SinkConfig,
    Source,
    StdoutSinkConfig,
)
from flusso_shared.config.toml_positions import KeyPositions, Path
from flusso_shared.errors import ConfigError
from flusso_shared.problems import Problem, Problems, did_you_mean, listed

_KEYS = ("source", "sinks", "index", "on_error", "quarantine_limit", "server", "prefix", "queue")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
SINK_SECRETS = ("url", "password", "api_key", "bearer_token", "proxy")
"""Keys of a sink that are a secret, or may contain one."""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(\d{1,5})", re.ASCII)
_PREFIX = re.compile(r"([a-z0-9][^\s,:\"*+/\\|?#<>A-Z]*)?")
_LONGEST_NAME = 63
_LONGEST_PREFIX = 50
REFUSED_PROPERTIES = {
    "acks": "capture confirms the slot on acknowledgements by all in-sync replicas",
    "request.required.acks": "capture confirms the slot on acknowledgements by all in-sync replicas",
    "enable.idempotence": "a retried record must not overtake the next one of its key",
    "enable.auto.commit": "workers commit only what is flushed",
    "partitioner": "all clients must agree on a key's partition (murmur2, as in Java)",
}

M = TypeVar("M", bound=BaseModel)


def load_config(path: FilePath) -> Config:
    """Read the file at `path`.  Raises `ConfigError`."""
    raw, positions = parse(path)
    return read_config(raw, str(path), positions)


def parse(path: FilePath) -> tuple[dict[str, Any], KeyPositions]:
    """The file as TOML, and where in it things stand.  Raises `ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration at {path}; name one with --config, or run where flusso.toml is"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    try:
        return tomllib.loads(text), KeyPositions(text)
    except tomllib.TOMLDecodeError as error:
        raise Problems([_syntax(path, text, error)]) from error


def read_config(raw: Mapping[str, Any], file: str, positions: KeyPositions) -> Config:
    """A parsed document as a `Config`."""
    reader = _Reader(file, positions)
    config = reader.config(raw)
    if reader.problems or config is None:
        raise Problems(reader.problems)
    return config


def check_prefix(prefix: str) -> str | None:
    """What is wrong with an index prefix, or None."""
    if len(prefix.encode()) > _LONGEST_PREFIX:
        return f"the index prefix is longer than {_LONGEST_PREFIX} bytes"
    if not _PREFIX.fullmatch(prefix):
        return (
            f"`{prefix}` cannot prefix index names: it starts with a lower-case letter or digit and has no"
            ' capitals, spaces or , : " * + / \\ | ? # < >'
        )
    return None


def check_address(address: str) -> str | None:
    """What is wrong with a `host:port`, or None."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) > 65535:
        return f"`{address}` is not an address; write host:port, IPv6 hosts in brackets"
    return None


def _syntax(path: FilePath, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    message = f"not valid TOML: {str(error).partition(' (at')[0]}"
    if found is None:
        return Problem(str(path), 0, 0, message)
    line, column = int(found[1]), int(found[2])
    return Problem(str(path), line, column, message, KeyPositions(text).source(line))


class _Reader:
    def __init__(self, file: str, positions: KeyPositions) -> None:
        self._file = file
        self._positions = positions
        self.problems: list[Problem] = []

    def config(self, raw: Mapping[str, Any]) -> Config | None:
        for key in raw:
            if key not in _KEYS:
                self._unknown((), key, _KEYS)
        values: dict[str, Any] = {
            "source": self._source(raw),
            "sinks": self._sinks(raw.get("sinks", {})),
            "indexes": self._indexes(raw.get("index", [])),
            "server": self._server(raw.get("server", {})),
            "queue": self._queue(raw.get("queue", {})),
        }
        plain = ("on_error", "quarantine_limit", "prefix")
        values |= {key: raw[key] for key in plain if key in raw}
        if isinstance(raw.get("prefix"), str) and (wrong := check_prefix(raw["prefix"])):
            self._add(("prefix",), wrong)
        if self.problems:
            return None
        return self._model(Config, values, ())

    # --- tables ---------------------------------------------------------------------------------

    def _source(self, raw: Mapping[str, Any]) -> Source | None:
        if "source" not in raw:
            self._add((), "`[source]` is missing; it says which database to follow")
            return None
        table = self._table(raw["source"], ("source",))
        if "connection_url" in table:
            table["connection_url"] = self._connection(table["connection_url"])
        return self._model(Source, table, ("source",))

    def _connection(self, raw: Any) -> Any:
        path: Path = ("source", "connection_url")
        if isinstance(raw, str):
            return SecretStr(raw)
        if not isinstance(raw, dict):
            self._add(
                path,
                '`connection_url` is a URL, `{ env = "VAR" }`, `{ file = "/path" }`, or a table of host, port, user,'
                f" password and database; this is {_kind(raw)}",
            )
            return None
        if "env" in raw or "file" in raw:
            return self._reference(raw, path)
        table = dict(raw)
        self._values(table, path, secrets=("password",))
        if not table.get("database") and "service" not in table:
            self._add(path, "`database` is missing in `source.connection_url`")
        return self._model(ConnectionParts, table, path)

    def _sinks(self, raw: Any) -> tuple[SinkConfig, ...]:
        found: dict[str, SinkConfig] = {}
        for key, value in self._table(raw, ("sinks",)).items():
            path: Path = ("sinks", key)
            name = self._identifier(key, path, "a sink's name")
            if name in found:
                self._add(path, f"two sinks are called `{name}` (names fold to lower case)")
            sink = self._sink(name, value, path)
            if sink is not None:
                found[name] = sink
        return tuple(found[name] for name in sorted(found))

    def _sink(self, name: str, raw: Any, path: Path) -> SinkConfig | None:
        table = self._table(raw, path)
        kind = table.get("type")
        if kind == "stdout":
            return self._model(StdoutSinkConfig, {"name": name, **table}, path)
        if kind != "opensearch":
            self._add((*path, "type"), "`type` of a sink is `opensearch` or `stdout`")
            return None
        if isinstance(table.get("url"), list) and all(isinstance(url, str) for url in table["url"]):
            table["url"] = ",".join(table["url"])
        self._values(table, path, plain=("username",), secrets=SINK_SECRETS)
        if "aws" in table:
            table["aws"] = self._model(
                Aws, self._table(table["aws"], (*path, "aws")), (*path, "aws")
            )
        self._sink_security(table, path)
        return self._model(OpenSearchSinkConfig, {"name": name, **table}, path)

    def _sink_security(self, table: Mapping[str, Any], path: Path) -> None:
        """What cannot be given together."""
        given = [key for key in _LOGINS if table.get(key) is not None]
        if len(given) > 1:
            self._add((*path, given[1]), f"a sink logs in one way; this has {listed(given)}")
        for key in ("ca_file", "client_cert"):
            # The client of opensearch-py then ignores both.
            if table.get("tls_verify") is False and table.get(key) is not None:
                self._add((*path, key), f"`{key}` has no effect with `tls_verify = false`")
        if table.get("client_key") is not None and table.get("client_cert") is None:
            self._add((*path, "client_key"), "`client_key` needs its `client_cert`")

    def _indexes(self, raw: Any) -> tuple[Index, ...]:
        if not isinstance(raw, list):
            self._add(("index",), "indexes are written as `[[index]]`, with two brackets")
            return ()
        found: list[Index] = []
        for number, value in enumerate(raw):
            path: Path = ("index", number)
            table = self._table(value, path)
            if isinstance(table.get("name"), str):
                table["name"] = self._identifier(table["name"], (*path, "name"), "an index' name")
            if "schema" in table:
                table["schema_path"] = table.pop("schema")
            elif table:
                self._add(path, "`schema` is missing: the path of the index' schema file")
                continue
            index = self._model(Index, table, path)
            if index is None:
                continue
            if any(index.name == other.name for other in found):
                self._add((*path, "name"), f"two indexes are called `{index.name}`")
            found.append(index)
        return tuple(found)

    def _server(self, raw: Any) -> Server | None:
        path: Path = ("server",)
        server = self._model(Server, self._table(raw, path), path)
        if server is not None:
            for key in ("public_address", "private_address"):
                address = getattr(server, key)
                if address is not None and (wrong := check_address(address)):
                    self._add((*path, key), wrong)
            if server.private_key is not None and server.private_cert is None:
                self._add((*path, "private_key"), "`private_key` needs its `private_cert`")
        return server

    def _queue(self, raw: Any) -> Queue | None:
        path: Path = ("queue",)
        table = self._table(raw, path)
        self._values(table, path, plain=("bootstrap_servers",))
        if "properties" in table:
            table["properties"] = self._properties(table["properties"], (*path, "properties"))
        return self._model(Queue, table, path)

    def _properties(self, raw: Any, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for parts, value in _flat(self._table(raw, path)):
            key, at = ".".join(parts), (*path, *parts)
            if key in REFUSED_PROPERTIES:
                self._add(at, f"`{key}` cannot be set: {REFUSED_PROPERTIES[key]}")
            elif isinstance(value, dict):
                found[key] = self._reference(value, at)
            elif isinstance(value, str | int | bool):
                found[key] = value
            else:
                self._add(
                    at,
                    f"a property is a string, number, boolean, env or file; not {_kind(value)}",
                )
        return found

    # --- pieces ---------------------------------------------------------------------------------

    def _values(
        self,
        table: dict[str, Any],
        path: Path,
        plain: tuple[str, ...] = (),
        secrets: tuple[str, ...] = (),
    ) -> None:
        """Turn strings and references of a table into what the models hold."""
        for key in (*plain, *secrets):
            value = table.get(key)
            if isinstance(value, dict):
                table[key] = self._reference(value, (*path, key))
            elif isinstance(value, str):
                table[key] = SecretStr(value) if key in secrets else value
            elif key in table:
                self._add(
                    (*path, key),
                    f'`{key}` is a string, {{ env = "VAR" }} or {{ file = "/path" }}, not {_kind(value)}',
                )
                table[key] = None

    def _reference(self, raw: Mapping[str, Any], path: Path) -> EnvRef | FileRef | None:
        if "file" not in raw:
            return self._model(EnvRef, raw, path)
        if isinstance(raw["file"], str) and not raw["file"].startswith("/"):
            self._add((*path, "file"), "`file` is an absolute path")
            return None
        return self._model(FileRef, raw, path)

    def _table(self, raw: Any, path: Path) -> dict[str, Any]:
        if isinstance(raw, dict):
            return dict(raw)
        self._add(path, f"`{path[-1]}` must be a table, not {_kind(raw)}")
        return {}

    def _identifier(self, text: str, path: Path, what: str) -> str:
        name = text.strip().lower()
        if not _IDENTIFIER.fullmatch(name) or len(name) > _LONGEST_NAME:
            self._add(
                path,
                f"`{text}` cannot be {what}: letters, digits and `_`, not starting with a digit, at most"
                f" {_LONGEST_NAME}",
            )
        return name

    def _model(self, model: type[M], values: Mapping[str, Any], path: Path) -> M | None:
        try:
            return model.model_validate(dict(values), strict=True)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                self._invalid(model, path, item)
            return None

    def _invalid(self, model: type[BaseModel], path: Path, item: Mapping[str, Any]) -> None:
        key = str(item["loc"][0]) if item["loc"] else ""
        at: Path = (*path, key) if key else path
        if item["type"] == "extra_forbidden":
            shown = ["schema" if name == "schema_path" else name for name in model.model_fields]
            own = [name for name in shown if not (name == "name" and model in _NAMED)]
            self._unknown(path, key, tuple(own))
        elif item["type"] == "missing":
            where = f" in `{'.'.join(map(str, path))}`" if path else ""
            self._add(path, f"`{key}` is missing{where}")
        elif not isinstance(item["input"], BaseModel) and item["input"] is not None:
            self._add(
                at,
                f"`{key}`: {item['msg'][:1].lower()}{item['msg'][1:]}, not {_kind(item['input'])}",
            )

    def _unknown(self, path: Path, key: str, allowed: tuple[str, ...]) -> None:
        where = f"`{'.'.join(str(part) for part in path)}`" if path else "the configuration"
        hint = did_you_mean(key, allowed)
        self._add((*path, key), f"{where} has no key `{key}`{hint}; allowed are {listed(allowed)}")

    def _add(self, path: Path, message: str) -> None:
        line, column = self._positions.of(path)
        self.problems.append(
            Problem(self._file, line, column, message, self._positions.source(line))
        )


_LOGINS = ("username", "api_key", "bearer_token", "aws")
_FILE_PROPERTIES = frozenset(
    {
        "sasl.oauthbearer.assertion.private.key.file",
        "sasl.oauthbearer.assertion.jwt.template.file",
    }
)
"""Properties of librdkafka that end in `.file`: no references to files."""
_NAMED = (OpenSearchSinkConfig, StdoutSinkConfig)


def _flat(
    table: Mapping[str, Any], above: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Any]]:
    """Dotted keys written without quotes come as nested tables; a reference stays whole."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in table.items():
        own = ".".join((*above, key, "file")) in _FILE_PROPERTIES
        if isinstance(value, dict) and (own or not set(value) <= {"env", "file"}):
            found.extend(_flat(value, (*above, key)))
        else:
            found.append(((*above, key), value))
    return found


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a table"}
    if isinstance(value, str):
        return f"`{value}`" if len(value) < 40 else "a string"
    return names.get(type(value), type(value).__name__)
