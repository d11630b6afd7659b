"""What `init` knows of a database, as values; `database` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flusso_cli.check.probe.facts import TableFacts, ValueType
from flusso_shared.names import TableName
from flusso_shared.plan.model import Columns
from flusso_shared.postgres.catalog import Table


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key constraint."""

    table: TableName
    columns: Columns
    target: TableName
    target_columns: Columns
    """In the order of `columns`."""
    validated: bool
    """Whether every row is known to keep it."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Something in the database that could be the table of a document."""

    name: TableName
    rows: int
    """As the planner estimates; -1 when it was never analyzed."""
    extension: bool
    """Whether it belongs to an extension."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that the files are made from."""

    relations: tuple[Relation, ...]
    """Tables, and what may be taken for one, in order of their names."""
    tables: Mapping[TableName, Table]
    facts: Mapping[TableName, TableFacts]
    foreign_keys: tuple[ForeignKey, ...]
    labels: Mapping[tuple[TableName, str], Columns]
    """The labels of columns of an enum type, in order."""

    def type(self, table: TableName, column: str) -> ValueType:
        """The type of a column's values."""
        return self.facts[table].types[column]

    def has_geo_json(self, table: TableName, column: str) -> bool:
        """Whether documents can have the values of a geometry as GeoJSON."""
        shape = self.tables[table].columns[column].shape
        element = shape.element or shape
        return element.json_cast or bool(element.json_type)

    def not_null(self, table: TableName, columns: Iterable[str]) -> bool:
        """Whether none of the columns may be NULL."""
        known, types = self.tables[table].columns, self.facts[table].types
        return all(known[name].not_null or types[name].not_null for name in columns)

    def unique(self, table: TableName, columns: Columns) -> bool:
        """Whether some of the columns alone are in one row at most."""
        return any(
            index.unique
            and index.usable
            and None not in index.columns
            # An empty list of columns does not occur: every index has one.
            and set(index.columns) <= set(columns)
            for index in self.facts[table].indexes
        )

    def keys_of(self, table: TableName) -> list[ForeignKey]:
        """The foreign keys that stand in `table`."""
        return [key for key in self.foreign_keys if key.table == table]

    def keys_to(self, table: TableName) -> list[ForeignKey]:
        """The foreign keys that point at `table`."""
        return [key for key in self.foreign_keys if key.target == table]

    def obstacle(self, name: TableName) -> str:
        """Why changes of a table cannot be followed, in a few words; empty when they can."""
        facts = self.facts[name]
        if facts.kind not in ("r", "p"):
            return "it is not a table: its changes are not in the write-ahead log"
        if facts.root is not None:
            return f"it is a partition; take {facts.root}"
        if facts.persistence != "p":
            return "it is unlogged: its changes are not in the write-ahead log"
        if not self.tables[name].primary_key:
            return "it has no primary key, which names its rows in the change log"
        if not facts.readable:
            return "this role may not read it"
        if facts.row_security:
            return "row-level security hides rows from this role"
        return ""
