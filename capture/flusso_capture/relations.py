"""What the stream said about its tables, per relation id: enough to turn rows into changes.  No sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flusso_capture import pgoutput
from flusso_shared.catalog import Table
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

ReadTable = Callable[[TableName], Table | None]
"""Reads a table from the catalog as it is now; None when it is gone."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one relation are laid out."""

    table: TableName
    columns: tuple[str, ...]
    key: tuple[int, ...]
    """Positions of the primary key's columns, in the key's order."""
    identity: tuple[int, ...]
    """Positions of the columns that a key-only old row holds."""
    kept: frozenset[str]
    """Key and link columns: never left out of an image."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the stream's descriptions of its tables may say beside their columns."""

    known: Mapping[int, TableName] = field(default_factory=dict)
    """The tables that are followed, by relation id."""
    renamed: Callable[[TableName], None] = lambda _: None
    """A table that is followed goes by another name: its rows are passed over."""
    described: Callable[[], None] = lambda: None
    """A table's replica identity, or its partitions', should be looked at."""


class Relations:
    """The relations of one stream.  Those of tables outside the plan are known as such, cheaply."""

    def __init__(
        self,
        tables: Mapping[TableName, Table],
        links: Mapping[TableName, frozenset[str]],
        read_table: ReadTable,
        signals: Signals | None = None,
    ) -> None:
        """`tables` are the plan's tables with all columns that it needs; `links` their link columns.

        `signals` are told what is noticed on the way.
        """
        self._tables = dict(tables)
        self._links = links
        self._read_table = read_table
        self._signals = signals or Signals()
        self._shapes: dict[int, Shape | None] = {}
        self.ignored: set[int] = set()
        """Relations of tables that are not in the plan: their rows need not be decoded."""

    def learn(self, relation: pgoutput.Relation) -> None:
        """Take in a relation message.  Raises `FatalError` when a column that is needed is gone."""
        name = TableName(relation.schema, relation.name)
        if name not in self._tables:
            if (known := self._signals.known.get(relation.id)) is not None:
                self._signals.renamed(known)
            self._shapes[relation.id] = None
            self.ignored.add(relation.id)
            return
        self.ignored.discard(relation.id)
        columns = tuple(column.name for column in relation.columns)
        key = self._key(name, columns)
        if self._tables[name].partitioned or relation.identity == "d":
            self._signals.described()
        flagged = tuple(n for n, column in enumerate(relation.columns) if column.identity)
        self._shapes[relation.id] = Shape(
            table=name,
            columns=columns,
            key=key,
            # A full identity has no key-only rows, but for partitions with another one than their root.
            identity=key if relation.identity == "f" else flagged,
            kept=self._kept(name),
        )

    def shape(self, relation: int) -> Shape | None:
        """The shape of a relation; None when its table is not in the plan."""
        try:
            return self._shapes[relation]
        except KeyError:
            raise pgoutput.DecodeError(
                f"the replication stream has a row of relation {relation}, which it never described"
            ) from None

    def _key(self, name: TableName, columns: tuple[str, ...]) -> tuple[int, ...]:
        if set(columns) != set(self._tables[name].columns):
            self._refresh(name)
        table = self._tables[name]
        needed = self._links.get(name, frozenset()) | frozenset(table.primary_key)
        for column in sorted(needed - set(columns)):
            # A link that the catalog has, and this part of the log does not yet, was added later.
            if column in table.primary_key or column not in table.columns:
                raise FatalError(
                    f"column {column} of table {name} is needed and not in the log any more; "
                    "bring it back, or change the schema file, and start again"
                )
        return tuple(columns.index(column) for column in table.primary_key)

    def _refresh(self, name: TableName) -> None:
        table = self._read_table(name)
        if table is None:
            # Dropped meanwhile: what the log still holds of it reads as before.
            return
        if not table.primary_key:
            raise FatalError(
                f"table {name} has lost its primary key; add one (ALTER TABLE ... ADD PRIMARY KEY)"
            )
        self._tables[name] = table

    def _kept(self, name: TableName) -> frozenset[str]:
        return self._links.get(name, frozenset()) | frozenset(self._tables[name].primary_key)
