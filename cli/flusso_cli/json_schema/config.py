"""The JSON Schema of `flusso.toml`, made from the models that the loader itself uses.  Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from flusso_cli.json_schema.examples import CONFIG, with_examples
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
    Source,
    StdoutSinkConfig,
)
from flusso_shared.config.toml_file import REFUSED_PROPERTIES, SINK_SECRETS

Json = dict[str, Any]

_VALUES = {
    Source: ("connection_url",),
    ConnectionParts: ("password",),
    OpenSearchSinkConfig: ("url", "username", *SINK_SECRETS[1:], "aws"),
    Queue: ("bootstrap_servers", "properties"),
}
"""Keys that the file writes in another way than the model holds them."""


def config_schema() -> Json:
    """The schema, draft-07."""
    top = Config.model_json_schema()["properties"]
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flusso.toml",
        "description": "One database, where its documents go, and the indexes to build.",
        "type": "object",
        "required": ["source"],
        "additionalProperties": False,
        "properties": {
            "source": _table(Source, connection_url=_ref("connection_url")),
            "sinks": {
                "description": "Destinations by name; every document goes to all of them.",
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 63},
                "additionalProperties": {"oneOf": [_opensearch(), _stdout()]},
            },
            "index": {
                "description": "The indexes to keep, one `[[index]]` each.",
                "type": "array",
                "items": _index(),
            },
            "on_error": _plain(top["on_error"]),
            "quarantine_limit": _plain(top["quarantine_limit"]),
            "server": _table(Server),
            "queue": _table(Queue, bootstrap_servers=_ref("value"), properties=_properties()),
            "prefix": {**_plain(top["prefix"]), "maxLength": 50},
        },
        "definitions": {
            "env": _table(EnvRef),
            "file": _table(FileRef),
            "aws": _table(Aws),
            "value": {"oneOf": [{"type": "string"}, _ref("env"), _ref("file")]},
            "connection_url": {
                "oneOf": [{"type": "string"}, _ref("env"), _ref("file"), _parts()],
            },
        },
    }
    return with_examples(schema, CONFIG)


def _table(model: type[BaseModel], **instead: Json) -> Json:
    """A table of the file whose keys are the model's fields."""
    made = model.model_json_schema()
    special = _VALUES.get(model, ())
    properties = {
        name: {**_described(value), **instead[name]} if name in special else _plain(value)
        for name, value in made["properties"].items()
    }
    return {
        "description": str(made.get("description", "")).partition("\n")[0],
        "type": "object",
        "required": [name for name in made.get("required", []) if name not in instead],
        "additionalProperties": False,
        "properties": properties,
    }


def _parts() -> Json:
    table = _table(ConnectionParts, password=_ref("value"))
    return {**table, "anyOf": [{"required": ["database"]}, {"required": ["service"]}]}


def _opensearch() -> Json:
    value = _ref("value")
    nodes = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    special = dict.fromkeys(("username", *SINK_SECRETS), value)
    special |= {"url": {"oneOf": [value, nodes]}, "aws": _ref("aws")}
    return _nameless(_table(OpenSearchSinkConfig, **special))


def _stdout() -> Json:
    return _nameless(_table(StdoutSinkConfig))


def _nameless(table: Json) -> Json:
    """A sink's name stands in its heading."""
    del table["properties"]["name"]
    table["required"].remove("name")
    return table


def _index() -> Json:
    table = _table(Index)
    properties = {
        ("schema" if name == "schema_path" else name): value
        for name, value in table["properties"].items()
    }
    return {**table, "required": ["name", "schema"], "properties": properties}


def _properties() -> Json:
    return {
        "type": "object",
        "propertyNames": {"not": {"enum": sorted(REFUSED_PROPERTIES)}},
    }


def _plain(value: Json) -> Json:
    """A model's property without what only pydantic says; null is how a model says that a key is absent."""
    kept = {name: item for name, item in value.items() if name != "title" and item is not None}
    if "anyOf" in kept:
        forms = [form for form in kept.pop("anyOf") if form != {"type": "null"}]
        kept |= forms[0] if len(forms) == 1 else {"anyOf": forms}
    return kept


def _described(value: Json) -> Json:
    """What a model says of a key whose form in the file is another."""
    return {name: value[name] for name in ("description", "default") if value.get(name) is not None}


def _ref(name: str) -> Json:
    # Beside a `$ref`, draft-07 reads nothing else.
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}
