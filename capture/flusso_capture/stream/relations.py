"""What the stream said about its tables, per relation id: enough to turn rows into changes.  No sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flusso_capture.stream import pgoutput
from flusso_capture.stream.generated_columns import Computed, composed
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table

ReadTable = Callable[[TableName], Table | None]
"""Reads a table from the catalog as it is now; None when it is gone."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one relation are laid out."""

    table: TableName
    columns: tuple[str, ...]
    """Those in the log, then the computed ones."""
    key: tuple[int, ...]
    """Positions of the primary key's columns, in the key's order."""
    identity: tuple[int, ...]
    """Positions of the columns that a key-only old row holds."""
    kept: frozenset[str]
    """Key and link columns, and what those are computed from: never left out of an image."""
    sent: int
    """How many columns the log has."""
    computed: Computed | None = None
    """Generated columns that the log does not hold."""

    @property
    def old_computed(self) -> bool:
        """Whether a key-only old row tells the computed columns."""
        return self.computed is not None and set(self.computed.inputs) <= set(self.identity)

    @property
    def key_computed(self) -> bool:
        """Whether the key has computed columns."""
        return any(position >= self.sent for position in self.key)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the stream's descriptions of its tables may say beside their columns."""

    known: Mapping[int, TableName] = field(default_factory=dict)
    """The tables that are followed, by relation id."""
    passed_over: Callable[[TableName], None] = lambda _: None
    """Rows of a table that is followed are passed over: it goes by another name, or they have no primary key."""
    unlinked: Callable[[TableName], None] = lambda _: None
    """Rows of a table lack a link column: which documents they leave is not in the log."""
    described: Callable[[], None] = lambda: None
    """A table should be looked at: its columns, its replica identity, or its partitions'."""
    unreadable: Callable[[TableName, tuple[str, ...], int], None] = lambda *_: None
    """Key or link columns of a row, at a position, have bytes that are no text: which documents hold it is not known."""


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
        """Take in a relation message.  What the log lacks now is signalled: the table's neighbours go on."""
        name = TableName(relation.schema, relation.name)
        if name not in self._tables:
            if (known := self._signals.known.get(relation.id)) is not None:
                self._signals.passed_over(known)
            self._ignore(relation)
            return
        sent = tuple(column.name for column in relation.columns)
        computed = self._computed(name, sent)
        columns = sent if computed is None else (*sent, *computed.names)
        key = self._key(name, columns)
        if not key:
            self._signals.passed_over(name)
            self._ignore(relation)
            return
        self.ignored.discard(relation.id)
        if not self._links.get(name, frozenset()).issubset(columns):
            self._signals.unlinked(name)
        # Once more, when something about it was altered.
        again = relation.id in self._shapes
        if again or self._tables[name].partitioned or relation.identity == "d":
            self._signals.described()
        flagged = tuple(n for n, column in enumerate(relation.columns) if column.identity)
        # A full identity has no key-only rows, but for partitions with another one than their root.
        held = tuple(n for n in key if n < len(sent)) if relation.identity == "f" else flagged
        if computed is not None and set(computed.inputs) <= set(held):
            held = (*held, *range(len(sent), len(columns)))
        self._shapes[relation.id] = Shape(
            table=name,
            columns=columns,
            key=key,
            identity=held,
            kept=self._kept(name),
            sent=len(sent),
            computed=computed,
        )

    def _ignore(self, relation: pgoutput.Relation) -> None:
        self._shapes[relation.id] = None
        self.ignored.add(relation.id)

    def shape(self, relation: int) -> Shape | None:
        """The shape of a relation; None when its table is not in the plan."""
        try:
            return self._shapes[relation]
        except KeyError:
            raise pgoutput.DecodeError(
                f"the replication stream has a row of relation {relation}, which it never described"
            ) from None

    def unreadable(self, shape: Shape, columns: tuple[str, ...], lsn: int) -> None:
        """A row's `columns`, of those that are kept, cannot be read."""
        self._signals.unreadable(shape.table, columns, lsn)

    def lose(self, relation: int) -> None:
        """A row of it cannot be made a change of: its table is to be read again."""
        shape = self.shape(relation)
        if shape is not None:
            self._signals.passed_over(shape.table)

    def _computed(self, name: TableName, sent: tuple[str, ...]) -> Computed | None:
        """The generated columns among key and links that the log leaves out."""
        table = self._tables[name]
        plain = {column for column, known in table.columns.items() if known.generated is None}
        needed = self._links.get(name, frozenset()).union(table.primary_key)
        computed = needed.intersection(table.columns).difference(plain).difference(sent)
        if not table.primary_key or computed or not plain <= set(sent) <= table.columns.keys():
            # Dropped meanwhile: what the log still holds of it reads as before.
            table = self._tables[name] = self._read_table(name) or table
            needed = self._links.get(name, frozenset()).union(table.primary_key)
        return composed(table, sent, needed)

    def _key(self, name: TableName, columns: tuple[str, ...]) -> tuple[int, ...]:
        """Where the primary key stands; nowhere when there is none, or not in this part of the log."""
        table = self._tables[name]
        if not table.primary_key or not set(table.primary_key).issubset(columns):
            return ()
        return tuple(columns.index(column) for column in table.primary_key)

    def _kept(self, name: TableName) -> frozenset[str]:
        table = self._tables[name]
        named = self._links.get(name, frozenset()).union(table.primary_key)
        return named | table.logged(named)
