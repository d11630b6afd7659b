"""Where in its schema file a diagnostic belongs: file, line and column of the field, or of the very word."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.plan.requirements import needs
from flusso_shared.schema.types import TAGS
from flusso_shared.schema.yaml_nodes import Document, Node

Place = tuple[int, int]
"""Line and column, counted from 1."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a schema names something."""

    index: str
    field: str
    name: str


def mentions(plan: Plan, partitions: Mapping[TableName, TableName]) -> dict[str, Mention]:
    """For each table of the plan, by the subject of diagnostics, where it is named first.

    `partitions` stand where their roots do.
    """
    found: dict[str, Mention] = {}
    for index in plan.indexes:
        for need in needs(index):
            if not need.column:
                mention = Mention(index.name, need.field, need.table.name)
                found.setdefault(f"table {need.table}", mention)
    for partition, root in partitions.items():
        if (mention_of_root := found.get(f"table {root}")) is not None:
            found.setdefault(f"table {partition}", mention_of_root)
    return found


def located(
    found: Iterable[Diagnostic], files: Mapping[str, str], tables: Mapping[str, Mention]
) -> list[Diagnostic]:
    """The same with places, where `files` (index -> schema file) can be read.

    What is about a table, and about no index, stands where that table is named first.
    """
    roots: dict[str, Node | None] = {}
    result: list[Diagnostic] = []
    for item in found:
        at = Mention(item.index, item.field, item.name)
        if not item.index:
            at = tables.get(item.subject, at)
        file = files.get(at.index, "")
        if file not in roots:
            roots[file] = _root(file)
        root = roots[file]
        if root is not None:
            line, column = place(root, at.field, at.name)
            item = dataclasses.replace(item, file=file, line=line, column=column)
        result.append(item)
    return result


def _root(file: str) -> Node | None:
    try:
        return Document(file, Path(file).read_text(encoding="utf-8-sig")).root if file else None
    except (OSError, UnicodeDecodeError):
        # A lock may run where its schema files are not.
        return None


def place(root: Node, field: str, name: str) -> Place:
    """The place of `name` in the field of that dotted path, else of the field, else of what is above it."""
    parts = [part for part in field.split(".") if part]
    if parts == ["primary_key"] and _has(root, "doc_id"):
        parts = ["doc_id"]  # it names documents then
    node = _descend(root, parts)
    word = next(_words(node, name), None) if name else None
    mark = (word or _head(node)).start_mark
    return mark.line + 1, mark.column + 1


def _has(node: Node, key: str) -> bool:
    return isinstance(node, yaml.MappingNode) and any(each.value == key for each, _ in node.value)


def _descend(node: Node, parts: list[str]) -> Node:
    """As far down as the path leads: over fields first, then over keys as `filters`."""
    if not parts or not isinstance(node, yaml.MappingNode):
        return node
    entries = {key.value: value for key, value in node.value}
    inner = entries.get("fields")
    if isinstance(inner, yaml.SequenceNode):
        for item in inner.value:
            if _key(item) == parts[0]:
                return _descend(item, parts[1:])
    return _descend(entries[parts[0]], parts[1:]) if parts[0] in entries else node


def _tag(node: Node) -> tuple[Node, Node] | None:
    """The entry of a field that names its type and its key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value in TAGS), None)


def _key(node: Node) -> str:
    entry = _tag(node)
    return str(entry[1].value).strip() if entry else ""


def _head(node: Node) -> Node:
    """What names a field: its type."""
    entry = _tag(node)
    return entry[0] if entry else node


def _words(node: Node, name: str) -> Iterator[Node]:
    """Scalars that spell `name`, those of fields further in left out."""
    if isinstance(node, yaml.ScalarNode):
        if _same(str(node.value), name):
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _words(item, name)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value != "fields":
                yield from _words(value, name)


def _same(text: str, name: str) -> bool:
    plain = " ".join(text.split())
    return plain == name or plain.lower() == name or plain.strip('"').replace('""', '"') == name
