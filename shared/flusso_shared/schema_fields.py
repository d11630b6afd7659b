"""The fields of a schema file, read into the plan's document tree (schema reference, sections 2-5 and 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import yaml

from flusso_shared import schema_types
from flusso_shared.names import TableName
from flusso_shared.plan import (
    AggregateField,
    ColumnField,
    Columns,
    ConstantField,
    Edge,
    Field,
    FieldMapping,
    GeoField,
    JoinField,
    Junction,
    ObjectField,
)
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.schema_conditions import conditions, order_by
from flusso_shared.schema_names import columns, document_key, identifier
from flusso_shared.yaml_nodes import Document, Node

Entries = dict[str, tuple[Node, Node]]


@dataclass(frozen=True, slots=True)
class Level:
    """Where fields stand: the row they read."""

    schema: str
    """The database schema that related tables default to."""
    key: Columns
    """The row's key, as declared."""
    root: bool = False


class FieldReader:
    """Reads field lists of one file."""

    def __init__(self, document: Document) -> None:
        self._document = document

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
        if not entries:
            return None
        tags = self._tags(entries)
        if len(tags) != 1:
            near = "".join(did_you_mean(name, schema_types.TAGS) for name in list(entries)[:1])
            problem = (
                f"two types, {listed(tags)}" if tags else f"no type among {listed(entries)}{near}"
            )
            document.add(node, f"a field needs exactly one type; this one has {problem}")
            return None
        tag = tags[0]
        key = document_key(document, entries[tag][1])
        siblings = {name: entry for name, entry in entries.items() if name != tag}
        document.only(siblings, schema_types.SIBLINGS[tag], f"`{tag}` field `{key}`")
        missing = [name for name in schema_types.REQUIRED.get(tag, ()) if name not in siblings]
        if missing:
            document.add(node, f"`{tag}` field `{key}` needs {listed(missing)}")
            return None
        return self._read(tag, key, node, siblings, level) if key else None

    @staticmethod
    def _tags(entries: Entries) -> list[str]:
        """The type tags among a field's keys.  `values`, `schema` and the like are never tags."""
        return [name for name in entries if name in schema_types.TAGS]

    def _read(self, tag: str, key: str, node: Node, entries: Entries, level: Level) -> Field | None:
        if tag == "object":
            fields = self.fields(entries["fields"][1], level)
            return ObjectField(key, fields, self._mapping("object", entries))
        if tag == "geo":
            return self._geo(key, node, entries)
        if tag == "constant":
            return self._constant(key, entries)
        if tag in schema_types.JOINS:
            return self._join(tag, key, node, entries, level)
        if tag in schema_types.AGGREGATES:
            return self._aggregate(tag, key, node, entries, level)
        return self._column(tag, key, entries, level)

    # --- values of the row ----------------------------------------------------------------------

    def _column(self, tag: str, key: str, entries: Entries, level: Level) -> ColumnField:
        document = self._document
        column = self._column_name(key, entries)
        default = document.value(entries["default"][1]) if "default" in entries else None
        if default is not None and not isinstance(default, str | int | float | bool):
            document.add(entries["default"][1], "`default` must be a single value")
            default = None
        required = self._required(entries)
        nullable = not (required or default is not None or level.key == (column,))
        return ColumnField(
            key=key,
            kind=tag,
            column=column,
            mapping=self._column_mapping(tag, entries),
            nullable=nullable,
            transforms=self._transforms(entries),
            default=default,
            postgres=self._postgres(entries),
        )

    def _column_name(self, key: str, entries: Entries) -> str:
        if "column" in entries:
            return identifier(self._document, entries["column"][1], "column")
        return key.lower()

    def _column_mapping(self, tag: str, entries: Entries) -> FieldMapping:
        document = self._document
        if tag == "custom":
            return self._mapping(
                document.text(entries["opensearch"][1], "`opensearch`") or "", entries
            )
        if tag == "map":
            values = document.text(entries["values"][1], "`values`")
            if values not in schema_types.MAP_VALUES:
                document.add(
                    entries["values"][1],
                    f"`values` must be one of {listed(schema_types.MAP_VALUES)}",
                )
            return self._mapping("object", entries)
        variants: tuple[str, ...] = ()
        if "variants" in entries:
            variants = self._variants(entries["variants"][1])
        return self._mapping(schema_types.SCALARS[tag], entries, variants)

    def _variants(self, node: Node) -> tuple[str, ...]:
        document = self._document
        found: list[str] = []
        for item in document.items(node, "`variants`"):
            text = document.text(item, "a variant")
            if text is None:
                continue
            if not text.strip() or "=>" in text or "\n" in text or text in found:
                document.add(
                    item, "a variant must not be blank, repeated, or hold `=>` or a line break"
                )
            found.append(text)
        return tuple(found)

    def _transforms(self, entries: Entries) -> tuple[Literal["lowercase", "trim"], ...]:
        found: list[Literal["lowercase", "trim"]] = []
        if "transforms" not in entries:
            return ()
        for item in self._document.items(entries["transforms"][1], "`transforms`"):
            name = self._document.text(item, "a transform")
            if name == "lowercase" or name == "trim":
                found.append("lowercase" if name == "lowercase" else "trim")
            elif name is not None:
                self._document.add(
                    item, f"unknown transform `{name}`; allowed are `lowercase`, `trim`"
                )
        return tuple(found)

    def _postgres(self, entries: Entries) -> tuple[str, ...]:
        if "postgres" not in entries:
            return ()
        items = self._document.items(entries["postgres"][1], "`postgres`")
        return tuple(self._document.text(item, "a type name") or "" for item in items)

    def _geo(self, key: str, node: Node, entries: Entries) -> Field | None:
        pair = [name for name in ("lat", "lon") if name in entries]
        if len(pair) == 1 or (pair and "column" in entries):
            self._document.add(node, f"`geo` field `{key}` takes `lat` and `lon`, or `column`")
            return None
        nullable = not self._required(entries)
        mapping = self._mapping("geo_point", entries)
        if not pair:
            return ColumnField(key, "geo", self._column_name(key, entries), mapping, nullable)
        lat, lon = (identifier(self._document, entries[name][1], name) for name in ("lat", "lon"))
        return GeoField(key, lat, lon, mapping, nullable)

    def _constant(self, key: str, entries: Entries) -> ConstantField:
        value = self._document.value(entries["value"][1])
        return ConstantField(key, value, FieldMapping(_constant_type(value)))

    def _required(self, entries: Entries) -> bool:
        if "required" not in entries:
            return False
        return self._document.boolean(entries["required"][1], "`required`")

    def _mapping(
        self, type_: str, entries: Entries, variants: tuple[str, ...] = ()
    ) -> FieldMapping:
        options: dict[str, Any] = {}
        if "options" in entries:
            node = entries["options"][1]
            if isinstance(node, yaml.MappingNode):
                options = self._document.value(node)
            else:
                self._document.add(node, "`options` must be a mapping")
        return FieldMapping(type_, options, variants)

    # --- relations ------------------------------------------------------------------------------

    def _join(
        self, tag: str, key: str, node: Node, entries: Entries, level: Level
    ) -> JoinField | None:
        document = self._document
        table = self._table(entries, level)
        primary_key = columns(document, entries["primary_key"][1], "primary_key")
        if tag == "belongs_to":
            names = columns(document, entries["column"][1], "column") if "column" in entries else ()
            edge = self._edge(table, names or (key.lower(),), primary_key, None, entries)
        elif not self._parent_key(level, node, key):
            return None
        elif tag == "many_to_many":
            junction = self._junction(entries["through"][1], level)
            if junction is None:
                return None
            edge = self._edge(table, level.key, primary_key, junction, entries)
        else:
            child = columns(document, entries["foreign_key"][1], "foreign_key")
            edge = self._edge(table, level.key, child, None, entries)
        self._same_width(node, key, edge)
        inner = Level(schema=table.schema, key=primary_key)
        return JoinField(
            key=key,
            kind=cast(Literal["belongs_to", "has_one", "has_many", "many_to_many"], tag),
            edge=edge,
            primary_key=primary_key,
            fields=self.fields(entries["fields"][1], inner),
            mapping=self._mapping("nested" if "many" in tag else "object", entries),
            nullable="many" not in tag and not self._required(entries),
        )

    def _aggregate(
        self, tag: str, key: str, node: Node, entries: Entries, level: Level
    ) -> AggregateField | None:
        document = self._document
        if ("foreign_key" in entries) == ("through" in entries):
            document.add(
                node, f"`{tag}` field `{key}` takes exactly one of `foreign_key` and `through`"
            )
            return None
        if not self._parent_key(level, node, key):
            return None
        table = self._table(entries, level)
        if "through" in entries:
            junction = self._junction(entries["through"][1], level)
            # The related table's own key is not declared here: the catalog's is used, see `resolve_keys`.
            edge = self._edge(table, level.key, (), junction, entries)
        else:
            child = columns(document, entries["foreign_key"][1], "foreign_key")
            edge = self._edge(table, level.key, child, None, entries)
            self._same_width(node, key, edge)
        takes_column = tag not in ("count", "ids") and "column" in entries
        return AggregateField(
            key=key,
            op=cast(Literal["count", "sum", "avg", "min", "max", "ids"], tag),
            edge=edge,
            column=identifier(document, entries["column"][1], "column") if takes_column else None,
            mapping=self._mapping(self._aggregate_type(tag, entries), entries),
            nullable=tag not in ("count", "ids"),
        )

    def _aggregate_type(self, tag: str, entries: Entries) -> str:
        if tag in ("count", "avg"):
            return "long" if tag == "count" else "double"
        name = "element_type" if tag == "ids" else "value_type"
        text = self._document.text(entries[name][1], f"`{name}`")
        if text not in schema_types.SCALARS:
            allowed = listed(schema_types.SCALARS)
            self._document.add(
                entries[name][1], f"unknown `{name}` `{text}`; allowed are {allowed}"
            )
            return "keyword"
        return schema_types.SCALARS[text]

    def _table(self, entries: Entries, level: Level) -> TableName:
        schema = level.schema
        if "schema" in entries:
            schema = identifier(self._document, entries["schema"][1], "schema")
        return TableName(schema, identifier(self._document, entries["table"][1], "table"))

    def _junction(self, node: Node, level: Level) -> Junction | None:
        document = self._document
        entries = document.entries(node, "`through`")
        document.only(entries, ("table", "schema", "left_key", "right_key"), "`through`")
        missing = [name for name in ("table", "left_key", "right_key") if name not in entries]
        if missing:
            document.add(node, f"`through` needs {listed(missing)}")
            return None
        left = columns(document, entries["left_key"][1], "left_key")
        right = columns(document, entries["right_key"][1], "right_key")
        return Junction(self._table(entries, level), left, right)

    def _edge(
        self,
        table: TableName,
        parent: Columns,
        child: Columns,
        junction: Junction | None,
        entries: Entries,
    ) -> Edge:
        document = self._document
        limit = None
        if "limit" in entries:
            limit = document.value(entries["limit"][1])
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                document.add(entries["limit"][1], "`limit` must be a whole number from 1")
                limit = None
        return Edge(
            table=table,
            parent=parent,
            child=child,
            junction=junction,
            filters=conditions(document, entries["filters"][1]) if "filters" in entries else (),
            order_by=order_by(document, entries["order_by"][1]) if "order_by" in entries else (),
            limit=limit,
        )

    def _parent_key(self, level: Level, node: Node, key: str) -> bool:
        if level.key:
            return True
        where = "the schema" if level.root else "the enclosing relation"
        self._document.add(node, f"relation `{key}` needs a `primary_key` in {where}")
        return False

    def _same_width(self, node: Node, key: str, edge: Edge) -> None:
        junction = edge.junction
        ends = (junction.left, junction.right) if junction else (edge.child, edge.parent)
        others = (edge.parent, edge.child)
        for mine, theirs in zip(ends, others, strict=True):
            if len(mine) != len(theirs):
                self._document.add(
                    node,
                    f"relation `{key}`: keys {listed(mine)} and {listed(theirs)} differ in number",
                )
                return


def _constant_type(value: Any) -> str:
    if isinstance(value, list):
        return _constant_type(value[0]) if value else "keyword"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "double"
    return "object" if isinstance(value, dict) else "keyword"
