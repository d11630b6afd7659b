"""Fields that read the level's own row, and constants."""

from __future__ import annotations

from typing import Any, Literal

import yaml

from flusso_shared.plan.model import (
    ColumnField,
    ConstantField,
    Field,
    FieldMapping,
    GeoField,
)
from flusso_shared.plan.spelling import folded
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.schema import types
from flusso_shared.schema.identifiers import identifier
from flusso_shared.schema.level import Entries, Level, field_mapping, required
from flusso_shared.schema.yaml_nodes import Document, Node

Transforms = tuple[Literal["lowercase", "trim"], ...]


class ColumnReader:
    """Reads such fields of one file."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def column(self, tag: str, key: str, entries: Entries, level: Level) -> ColumnField:
        """A scalar, `custom` or `map`."""
        column = self._column_name(key, entries)
        default = self._default(entries["default"][1]) if "default" in entries else None
        is_key = [folded(name) for name in level.key] == [folded(column)] and "path" not in entries
        always = required(self._document, entries) or default is not None or is_key
        return ColumnField(
            key=key,
            kind=tag,
            column=column,
            mapping=self._mapping(tag, entries),
            nullable=not always,
            transforms=self._transforms(entries["transforms"][1])
            if "transforms" in entries
            else (),
            default=default,
            postgres=self._type_names(entries["postgres"][1]) if "postgres" in entries else (),
            path=self._path(entries["path"][1]) if "path" in entries else (),
            values=self._map_values(entries["values"][1]) if tag == "map" else "",
            array="array" in entries and self._document.boolean(entries["array"][1], "`array`"),
        )

    def geo(self, key: str, node: Node, entries: Entries) -> Field | None:
        """A point from one column or from two."""
        pair = [name for name in ("lat", "lon") if name in entries]
        if len(pair) == 1 or (pair and "column" in entries):
            self._document.add(
                node, f"`geo` field `{key}` takes both `lat` and `lon`, or `column` alone"
            )
            return None
        nullable = not required(self._document, entries)
        mapping = field_mapping(self._document, "geo_point", entries)
        if not pair:
            return ColumnField(key, "geo", self._column_name(key, entries), mapping, nullable)
        lat, lon = (identifier(self._document, entries[name][1], name) for name in ("lat", "lon"))
        return GeoField(key, lat, lon, mapping, nullable)

    def constant(self, key: str, entries: Entries) -> ConstantField:
        """A fixed value; its mapping follows from it."""
        node = entries["value"][1]
        value = self._document.value(node)
        found = {_constant_type(item) for item in _leaves(value)}
        if len(found - {"long"} if "double" in found else found) > 1:
            self._document.add(node, f"the values of constant `{key}` must all be of one type")
        type_ = "double" if "double" in found else next(iter(sorted(found)), "keyword")
        return ConstantField(key, value, FieldMapping(type_))

    def _column_name(self, key: str, entries: Entries) -> str:
        if "column" in entries:
            return identifier(self._document, entries["column"][1], "column")
        return key

    def _path(self, node: Node) -> tuple[str | int, ...]:
        """Keys and positions, from the outside in."""
        document = self._document
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            document.add(
                node, "`path` must be a list of keys and positions, e.g. [address, lines, 0]"
            )
            return ()
        found: list[str | int] = []
        for item in node.value:
            step = document.value(item)
            if isinstance(step, bool) or not isinstance(step, str | int):
                document.add(
                    item, "a step of `path` is a key, or a position from 0 (from -1 for the last)"
                )
            else:
                found.append(step)
        return tuple(found)

    def _default(self, node: Node) -> str | int | float | bool | None:
        value = self._document.value(node)
        if value is None or isinstance(value, str | int | float | bool):
            return value
        self._document.add(node, "`default` must be a single value")
        return None

    def _mapping(self, tag: str, entries: Entries) -> FieldMapping:
        document = self._document
        if tag == "custom":
            name = document.text(entries["opensearch"][1], "`opensearch`")
            if name is not None and not name.strip():
                document.add(entries["opensearch"][1], "`opensearch` is empty")
            return field_mapping(document, (name or "").strip(), entries)
        if tag == "map":
            return field_mapping(document, "object", entries)
        variants = self._variants(entries["variants"][1]) if "variants" in entries else ()
        return field_mapping(document, types.SCALARS[tag], entries, variants)

    def _map_values(self, node: Node) -> str:
        """For clients: OpenSearch infers the type of each key's value."""
        values = self._document.text(node, "`values`")
        if values is not None and values not in types.MAP_VALUES:
            near = did_you_mean(values, types.MAP_VALUES)
            allowed = listed(types.MAP_VALUES)
            self._document.add(node, f"unknown `values` `{values}`{near}; allowed are {allowed}")
        return values or ""

    def _variants(self, node: Node) -> tuple[str, ...]:
        document = self._document
        found: list[str] = []
        for item in document.items(node, "`variants`"):
            text = document.text(item, "a variant")
            if text is None:
                continue
            if not text.strip() or "=>" in text or "\n" in text:
                document.add(item, "a variant must not be blank, or hold `=>` or a line break")
            if text in found:
                document.add(item, f"the variant `{text}` is given twice")
            found.append(text)
        return tuple(found)

    def _transforms(self, node: Node) -> Transforms:
        found: list[Literal["lowercase", "trim"]] = []
        for item in self._document.items(node, "`transforms`"):
            name = self._document.text(item, "a transform")
            if name == "lowercase" or name == "trim":
                found.append("lowercase" if name == "lowercase" else "trim")
            elif name is not None:
                near = did_you_mean(name, ("lowercase", "trim"))
                self._document.add(
                    item, f"unknown transform `{name}`{near}; allowed are `lowercase`, `trim`"
                )
        return tuple(found)

    def _type_names(self, node: Node) -> tuple[str, ...]:
        items = list(self._document.items(node, "`postgres`"))
        names = tuple(self._document.text(item, "a type name") or "" for item in items)
        if not items:
            self._document.add(node, "`postgres` must name at least one type")
        return names


def _leaves(value: Any) -> list[Any]:
    """The values of a list, however deep; nulls fit every type."""
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [] if value is None else [value]


def _constant_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "double"
    return "object" if isinstance(value, dict) else "keyword"
