"""Every key that a JSON Schema of ours describes, with its path.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a file format."""

    path: str
    """From the top of the file, or from the name of a definition: `queue.topic_prefix`, `index[].name`,
    `sinks.<name>.url`, `through.left_key`."""
    schema: Json
    required: bool


def keys(schema: Json) -> Iterator[Key]:
    """The keys of the file, in the order of the schema, then those of its definitions."""
    yield from _keys(schema, "")
    for name, definition in schema["definitions"].items():
        yield from _keys(definition, name)


def _keys(node: Json, above: str) -> Iterator[Key]:
    """The keys in a node, and in the nodes below it.  References are not followed."""
    for name, value in node.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        yield Key(path, value, name in node.get("required", ()))
        yield from _keys(value, path)
    for form in (*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _keys(form, above)
    if isinstance(node.get("items"), dict):
        yield from _keys(node["items"], f"{above}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _keys(node["additionalProperties"], f"{above}.<name>")
