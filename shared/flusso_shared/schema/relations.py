"""Relations and aggregates of a schema file, read into edges of the document tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import yaml

from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    AggregateField,
    Columns,
    Edge,
    Field,
    JoinField,
    Junction,
)
from flusso_shared.problems import did_you_mean, listed
from flusso_shared.schema import types
from flusso_shared.schema.conditions import conditions, order_by
from flusso_shared.schema.identifiers import columns, identifier
from flusso_shared.schema.level import Entries, Level, field_mapping, required
from flusso_shared.schema.yaml_nodes import Document, Node

ReadFields = Callable[[Node, Level], tuple[Field, ...]]

_JoinKind = Literal["belongs_to", "has_one", "has_many", "many_to_many"]
_Op = Literal["count", "sum", "avg", "min", "max", "ids", "values"]
_LISTS = ("ids", "values")


class RelationReader:
    """Reads relations of one file; `read_fields` reads the fields inside them."""

    def __init__(self, document: Document, read_fields: ReadFields) -> None:
        self._document = document
        self._read_fields = read_fields

    def join(
        self, tag: str, key: str, node: Node, entries: Entries, level: Level
    ) -> JoinField | None:
        """A related row, or rows."""
        table = self._table(entries, level)
        primary_key = columns(self._document, entries["primary_key"][1], "primary_key")
        inner = Level(schema=table.schema, key=primary_key)
        fields = self._read_fields(entries["fields"][1], inner)
        edge = self._join_edge(tag, key, table, primary_key, entries, level)
        if not self._parent_key(level, node, key, entries) or edge is None:
            return None
        self._same_width(node, key, edge)
        return JoinField(
            key=key,
            kind=cast(_JoinKind, tag),
            edge=edge,
            primary_key=primary_key,
            fields=fields,
            mapping=field_mapping(
                self._document, "nested" if tag in types.TO_MANY else "object", entries
            ),
            nullable=tag not in types.TO_MANY and not required(self._document, entries),
        )

    def _join_edge(
        self,
        tag: str,
        key: str,
        table: TableName,
        primary_key: Columns,
        entries: Entries,
        level: Level,
    ) -> Edge | None:
        if tag == "belongs_to":
            column = self._columns(entries, "column") if "column" in entries else (key,)
            return self._edge(table, column, primary_key, None, entries)
        if tag == "many_to_many":
            junction = self._junction(entries["through"][1], level)
            if junction is None:
                return None
            return self._edge(table, self._parent(entries, level), primary_key, junction, entries)
        child = self._columns(entries, "foreign_key")
        return self._edge(table, self._parent(entries, level), child, None, entries)

    def aggregate(
        self, tag: str, key: str, node: Node, entries: Entries, level: Level
    ) -> AggregateField | None:
        """One value over related rows."""
        document = self._document
        if ("foreign_key" in entries) == ("through" in entries):
            document.add(
                node, f"`{tag}` field `{key}` takes exactly one of `foreign_key` and `through`"
            )
            return None
        table = self._table(entries, level)
        junction: Junction | None = None
        child: Columns = ()
        if "through" in entries:
            # The related table's own key is not declared here: the catalog's is used (`plan.bind`).
            junction = self._junction(entries["through"][1], level)
        else:
            child = self._columns(entries, "foreign_key")
        edge = self._edge(table, self._parent(entries, level), child, junction, entries)
        takes_column = tag not in ("count", "ids") and "column" in entries
        distinct = "distinct" in entries and document.boolean(entries["distinct"][1], "`distinct`")
        column = identifier(document, entries["column"][1], "column") if takes_column else None
        value_type, type_ = self._aggregate_type(tag, entries)
        if not self._parent_key(level, node, key, entries):
            return None
        if "through" in entries and junction is None:
            return None
        self._same_width(node, key, edge)
        return AggregateField(
            key=key,
            op=cast(_Op, tag),
            edge=edge,
            column=column,
            mapping=field_mapping(document, type_, entries),
            nullable=tag not in ("count", *_LISTS),
            distinct=distinct,
            value_type=value_type,
        )

    def _aggregate_type(self, tag: str, entries: Entries) -> tuple[str, str]:
        """The declared type tag, and the OpenSearch type that it stands for."""
        if tag in ("count", "avg"):
            return "", "long" if tag == "count" else "double"
        name = "element_type" if tag in _LISTS else "value_type"
        node = entries[name][1]
        text = self._document.text(node, f"`{name}`")
        if text is None:
            return "", "keyword"
        if text not in types.SCALARS:
            near = did_you_mean(text, types.SCALARS)
            allowed = listed(types.SCALARS)
            self._document.add(node, f"unknown `{name}` `{text}`{near}; allowed are {allowed}")
            return "", "keyword"
        return text, types.SCALARS[text]

    # --- edges ----------------------------------------------------------------------------------

    def _table(self, entries: Entries, level: Level) -> TableName:
        schema = level.schema
        if "schema" in entries:
            schema = identifier(self._document, entries["schema"][1], "schema")
        return TableName(schema, identifier(self._document, entries["table"][1], "table"))

    def _columns(self, entries: Entries, name: str) -> Columns:
        return columns(self._document, entries[name][1], name)

    def _parent(self, entries: Entries, level: Level) -> Columns:
        """The parent row's columns that the relation is by: its key, unless others are named."""
        return self._columns(entries, "references") if "references" in entries else level.key

    def _junction(self, node: Node, level: Level) -> Junction | None:
        document = self._document
        entries = document.entries(node, "`through`")
        document.only(entries, ("table", "schema", "left_key", "right_key"), "`through`")
        missing = [name for name in ("table", "left_key", "right_key") if name not in entries]
        if missing:
            if isinstance(node, yaml.MappingNode):
                document.add(node, f"`through` needs {listed(missing)}")
            return None
        left, right = self._columns(entries, "left_key"), self._columns(entries, "right_key")
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
        return Edge(
            table=table,
            parent=parent,
            child=child,
            junction=junction,
            filters=conditions(document, entries["filters"][1]) if "filters" in entries else (),
            order_by=order_by(document, entries["order_by"][1]) if "order_by" in entries else (),
            limit=self._limit(entries["limit"][1]) if "limit" in entries else None,
        )

    def _limit(self, node: Node) -> int | None:
        limit = self._document.value(node)
        if isinstance(limit, int) and not isinstance(limit, bool) and 1 <= limit < 2**63:
            return limit
        self._document.add(node, "`limit` must be a whole number from 1")
        return None

    def _parent_key(self, level: Level, node: Node, key: str, entries: Entries) -> bool:
        if level.key or "references" in entries:
            return True
        if level.root:
            self._document.add(
                node,
                f"relation `{key}` needs a `primary_key` at the top of the schema, beside `table`:"
                " related rows find their document by it",
            )
        return False

    def _same_width(self, node: Node, key: str, edge: Edge) -> None:
        junction = edge.junction
        pairs = [(edge.child, edge.parent)]
        if junction is not None:
            pairs = [(junction.left, edge.parent), (junction.right, edge.child)]
        for mine, theirs in pairs:
            # Without names there was a problem already, or the catalog's key is used.
            if mine and theirs and len(mine) != len(theirs):
                self._document.add(
                    node,
                    f"relation `{key}`: keys {listed(mine)} and {listed(theirs)} differ in number",
                )
