"""What fields of every kind share in a schema file: the level they stand in, `required`, `options`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from flusso_shared.plan.model import Columns, FieldMapping
from flusso_shared.schema.yaml_nodes import Document, Node

Entries = dict[str, tuple[Node, Node]]
"""Key text -> (key node, value node)."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where fields stand: the row they read."""

    schema: str
    """The database schema that related tables default to."""
    key: Columns
    """The row's key, as declared."""
    root: bool = False


def required(document: Document, entries: Entries) -> bool:
    """`required`, false when not given."""
    if "required" not in entries:
        return False
    return document.boolean(entries["required"][1], "`required`")


def description(document: Document, node: Node) -> str:
    """A description, as one paragraph."""
    return " ".join((document.text(node, "`description`") or "").split())


def field_mapping(
    document: Document, type_: str, entries: Entries, variants: tuple[str, ...] = ()
) -> FieldMapping:
    """The mapping of a field, with its `options`."""
    options: dict[str, Any] = {}
    if "options" in entries:
        node = entries["options"][1]
        if isinstance(node, yaml.MappingNode):
            options = document.value(node)
        else:
            document.add(node, "`options` must be a mapping")
    return FieldMapping(type_, options, variants)
