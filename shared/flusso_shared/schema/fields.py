"""The fields of a schema file, read into the plan's document tree."""

from __future__ import annotations

from dataclasses import replace

import yaml

from flusso_shared.plan.model import Field, ObjectField
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.schema import types
from flusso_shared.schema.columns import ColumnReader
from flusso_shared.schema.identifiers import document_key
from flusso_shared.schema.level import Entries, Level, description, field_mapping
from flusso_shared.schema.relations import RelationReader
from flusso_shared.schema.yaml_nodes import Document, Node


class FieldReader:
    """Reads field lists of one file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._columns = ColumnReader(document)
        self._relations = RelationReader(document, self.fields)

    def fields(self, node: Node, level: Level) -> tuple[Field, ...]:
        """A list of fields of one level."""
        found: list[Field] = []
        seen: set[str] = set()
        for item in self._document.items(node, "`fields`"):
            field = self._field(item, level)
            if field is None:
                continue
            if field.key in seen:
                self._document.add(item, f"the key `{field.key}` is used twice in this level")
            seen.add(field.key)
            found.append(field)
        return tuple(found)

    def _field(self, node: Node, level: Level) -> Field | None:
        document = self._document
        entries = document.entries(node, "a field")
        if not entries and not isinstance(node, yaml.MappingNode):
            return None
        tag = self._tag(node, entries)
        if tag is None:
            return None
        key = document_key(document, entries[tag][1])
        siblings = {name: entry for name, entry in entries.items() if name != tag}
        if not self._complete(tag, key, node, siblings):
            if "fields" in siblings:
                # For the problems inside; the missing key is reported already.
                self.fields(siblings["fields"][1], Level(level.schema, ("?",)))
            return None
        field = self._read(tag, key, node, siblings, level)
        if field is not None and "description" in siblings:
            field = replace(field, description=description(document, siblings["description"][1]))
        return field if key else None

    def _tag(self, node: Node, entries: Entries) -> str | None:
        """The one key that names the field's type."""
        tags = [name for name in entries if name in types.TAGS]
        if "map" in tags:
            # Beside it, `values` says what a map holds.
            tags = [name for name in tags if name != "values"]
        if len(tags) == 1:
            return tags[0]
        if tags:
            problem = f"{len(tags)}, {listed(tags)}"
        else:
            near = "".join(did_you_mean(name, types.TAGS) for name in list(entries)[:1])
            problem = f"none among {listed(entries)}{near}" if entries else "no key"
        self._document.add(
            node, f"a field needs exactly one type, written `type: key`; this one has {problem}"
        )
        return None

    def _complete(self, tag: str, key: str, node: Node, siblings: Entries) -> bool:
        """Whether the keys that the type needs are there; problems for those that it does not take."""
        document = self._document
        what = f"`{tag}` field `{key}`"
        for name in list(siblings):
            right = types.INSTEAD.get((tag, name))
            if right is not None:
                document.add(siblings.pop(name)[0], f"{what} takes `{right}`, not `{name}`")
        document.only(siblings, types.SIBLINGS[tag], what)
        missing = [name for name in types.REQUIRED.get(tag, ()) if name not in siblings]
        if missing:
            document.add(node, f"{what} needs {listed(missing)}")
        return not missing

    def _read(self, tag: str, key: str, node: Node, entries: Entries, level: Level) -> Field | None:
        if tag == "object":
            fields = self.fields(entries["fields"][1], level)
            return ObjectField(key, fields, field_mapping(self._document, "object", entries))
        if tag == "geo":
            return self._columns.geo(key, node, entries)
        if tag == "constant":
            return self._columns.constant(key, entries)
        if tag in types.JOINS:
            return self._relations.join(tag, key, node, entries, level)
        if tag in types.AGGREGATES:
            return self._relations.aggregate(tag, key, node, entries, level)
        return self._columns.column(tag, key, entries, level)
