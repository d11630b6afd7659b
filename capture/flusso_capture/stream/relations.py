"""Relations: how the stream describes its tables, by relation id.  Used to turn rows into changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flusso_capture.stream import pgoutput
from flusso_capture.stream.generated_columns import Computed, composed
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table

ReadTable = Callable[[TableName], Table | None]
"""Reads a table from the catalog as it is now; None when it does not exist."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The columns of one relation's rows."""

    table: TableName
    columns: tuple[str, ...]
    """The columns in the log, then the computed columns."""
    key: tuple[int, ...]
    """Indexes of the primary key's columns, in the order of the key."""
    identity: tuple[int, ...]
    """Indexes of the columns that a key-only old row contains."""
    kept: frozenset[str]
    """Key and link columns, and the columns that these are computed from.  They are never omitted from an image."""
    sent: int
    """Number of columns in the log."""
    computed: Computed | None = None
    """Generated columns that are not in the log."""

    @property
    def old_computed(self) -> bool:
        """Whether the computed columns can be computed from a key-only old row."""
        return self.computed is not None and set(self.computed.inputs) <= set(self.identity)

    @property
    def key_computed(self) -> bool:
        """Whether a column of the key is computed."""
        return any(position >= self.sent for position in self.key)


@dataclass(frozen=True, slots=True)
class Signals:
    """Callbacks for problems of tables that the stream shows.  They run in the stream's thread."""

    followed: Mapping[int, TableName] = field(default_factory=dict)
    """The followed tables by relation id."""
    passed_over: Callable[[TableName], None] = lambda _: None
    """Rows of a followed table are not published: it was renamed, or has no primary key."""
    link_missing: Callable[[TableName], None] = lambda _: None
    """Rows of a table lack a link column, so it is unknown which documents they belonged to."""
    described: Callable[[], None] = lambda: None
    """A table was described again: its columns, its replica identity or its partitions may have changed."""
    unreadable: Callable[[TableName, tuple[str, ...], int], None] = lambda *_: None
    """Key or link columns of a row, at an LSN, are not valid text, so it is unknown which documents contain it."""


class Relations:
    """The relations of one stream session."""

    def __init__(
        self,
        tables: Mapping[TableName, Table],
        links: Mapping[TableName, frozenset[str]],
        read_table: ReadTable,
        signals: Signals | None = None,
    ) -> None:
        """`tables` are the plan's tables with all columns that it needs; `links` their link columns."""
        self._tables = dict(tables)
        self._links = links
        self._read_table = read_table
        self._signals = signals or Signals()
        self._layouts: dict[int, RowLayout | None] = {}
        self.ignored: set[int] = set()
        """Relation ids of tables that are not in the plan.  Their rows need not be decoded."""

    def learn(self, relation: pgoutput.Relation) -> None:
        """Store the layout of a relation message.  Missing columns are signalled; other tables go on."""
        name = TableName(relation.schema, relation.name)
        if name not in self._tables:
            if (known := self._signals.followed.get(relation.id)) is not None:
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
            self._signals.link_missing(name)
        # A relation is described again after DDL on it.
        described_before = relation.id in self._layouts
        if described_before or self._tables[name].partitioned or relation.identity == "d":
            self._signals.described()
        flagged = tuple(n for n, column in enumerate(relation.columns) if column.identity)
        # With a full identity there are key-only rows only of partitions whose identity differs from their root's.
        held = tuple(n for n in key if n < len(sent)) if relation.identity == "f" else flagged
        if computed is not None and set(computed.inputs) <= set(held):
            held = (*held, *range(len(sent), len(columns)))
        self._layouts[relation.id] = RowLayout(
            table=name,
            columns=columns,
            key=key,
            identity=held,
            kept=self._kept(name),
            sent=len(sent),
            computed=computed,
        )

    def _ignore(self, relation: pgoutput.Relation) -> None:
        self._layouts[relation.id] = None
        self.ignored.add(relation.id)

    def layout(self, relation: int) -> RowLayout | None:
        """The layout of a relation; None when its table is not in the plan.  Raises `DecodeError` for an unknown relation."""
        try:
            return self._layouts[relation]
        except KeyError:
            raise pgoutput.DecodeError(
                f"the replication stream has a row of relation {relation}, which it never described"
            ) from None

    def unreadable(self, layout: RowLayout, columns: tuple[str, ...], lsn: int) -> None:
        """Signal that `columns` of a row, which are key or link columns, are not valid text."""
        self._signals.unreadable(layout.table, columns, lsn)

    def pass_over(self, relation: int) -> None:
        """Signal that no change can be made of a row, so that its table must be read again."""
        layout = self.layout(relation)
        if layout is not None:
            self._signals.passed_over(layout.table)

    def _computed(self, name: TableName, sent: tuple[str, ...]) -> Computed | None:
        """The generated columns among key and link columns that the log does not contain."""
        table = self._tables[name]
        plain = {column for column, known in table.columns.items() if known.generated is None}
        needed = self._links.get(name, frozenset()).union(table.primary_key)
        computed = needed.intersection(table.columns).difference(plain).difference(sent)
        if not table.primary_key or computed or not plain <= set(sent) <= table.columns.keys():
            # When it was dropped since, its rows in the log are read with the known columns.
            table = self._tables[name] = self._read_table(name) or table
            needed = self._links.get(name, frozenset()).union(table.primary_key)
        return composed(table, sent, needed)

    def _key(self, name: TableName, columns: tuple[str, ...]) -> tuple[int, ...]:
        """Indexes of the primary key's columns; empty when there is no key, or it is not in this part of the log."""
        table = self._tables[name]
        if not table.primary_key or not set(table.primary_key).issubset(columns):
            return ()
        return tuple(columns.index(column) for column in table.primary_key)

    def _kept(self, name: TableName) -> frozenset[str]:
        table = self._tables[name]
        named = self._links.get(name, frozenset()).union(table.primary_key)
        return named | table.logged(named)
