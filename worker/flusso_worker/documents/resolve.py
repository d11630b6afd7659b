"""Changed rows -> keys of the root documents that contain them: one query per way and hop for a whole batch.

Both ends of a change count: the parents that the old values refer to, and those of the new values (I4).  What fans out
too far for memory is left as a `Fanout`, to be streamed through a cursor that outlives the transaction (`WITH HOLD`).

A value that the columns it was read from cannot contain (any more), or that the database fails to compare, can be
isolated from the other values of its batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from flusso_shared.change import Change, Image, Op, Record
from flusso_shared.names import TableName
from flusso_shared.plan.bind import bind
from flusso_shared.plan.link_columns import Place
from flusso_shared.plan.model import Columns, Hop, IndexPlan, Way
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.problems import listed
from flusso_worker.documents.built import Key
from flusso_worker.documents.change_batch import ChangeBatch, gather
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.sql.hops import hop_sql, values_sql
from flusso_worker.sql.parameters import array_literal

MAX_PARAMETERS = 10_000
"""Tuples per query."""
MAX_ROWS_IN_MEMORY = 50_000
"""Rows of one query that are read at once; more are streamed."""
_FETCH_ROWS = 10_000
"""Per fetch from a cursor."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One query: values of some columns -> values of others."""

    sql: bytes
    given: Place
    """The columns that the values come from."""
    values: bytes
    """A statement that fails for values that these columns cannot contain."""


@dataclass(frozen=True, slots=True)
class Fanout:
    """A query with many results, and the hops that lead from them to root keys."""

    sql: bytes
    params: tuple[bytes, ...] = ()
    hops: tuple[Lookup, ...] = ()


class Unresolved(NamedTuple):
    """Values of link columns that the database fails to compare: the documents that they lead to are unknown."""

    given: Place
    values: Key
    reason: str
    key: Key | None = None
    """Of the changed row, if the values are its own."""


@dataclass(slots=True)
class Resolved:
    """Root keys: those in memory, each once, and those still to be streamed."""

    keys: dict[Key, None] = field(default_factory=dict)
    fanouts: list[Fanout] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Route:
    """A way with its composed statements."""

    way: Way
    columns: Columns
    primary_key: Columns
    in_key: tuple[int, ...] | None
    """Positions of the link columns in the primary key; None unless it contains them all."""
    lookup: Lookup
    """Finds the link columns by primary key, for a change that does not carry them."""
    hops: tuple[Lookup, ...]
    root: bool
    """Whether it is the way of the documents' own table."""

    def links(self, changes: Iterable[Change]) -> tuple[set[Key], set[Key]]:
        """Link tuples of both images, and the keys of rows whose new link values are not in the log."""
        if self.in_key is not None:
            at = self.in_key
            if at == tuple(range(len(self.primary_key))):
                return {change.key for change in changes}, set()
            return {tuple([change.key[i] for i in at]) for change in changes}, set()
        found: set[Key] = set()
        unknown: set[Key] = set()
        for change in changes:
            self._add(change.before, change.key, found)
            if not self._add(change.after, change.key, found):
                unknown.add(change.key)
        return found, unknown

    def _add(self, image: Image | None, key: Key, found: set[Key]) -> bool:
        """Add the image's link tuple unless it has a NULL; False when the image lacks a column."""
        if image is None:
            return True
        values: list[str] = []
        for column in self.columns:
            if column in image:
                value = image[column]
            elif column in self.primary_key:
                value = key[self.primary_key.index(column)]
            else:
                return False
            if value is None:
                return True
            values.append(value)
        found.add(tuple(values))
        return True


class Resolver:
    """Resolves batches for one index."""

    def __init__(self, plan: IndexPlan, catalog: Catalog, all_keys: bytes) -> None:
        plan = bind(plan, catalog)
        self.root = plan.root
        self._all_keys = all_keys
        self._routes: dict[TableName, list[Route]] = {}
        self._links: dict[TableName, frozenset[str]] = {}
        for way in plan.ways:
            self._routes.setdefault(way.table, []).append(_route(way, catalog))
            self._links[way.table] = self._links.get(way.table, frozenset()).union(way.columns)

    def resolve(self, database: Database, batch: ChangeBatch, *, isolate: bool = False) -> Resolved:
        """Find the root keys of `batch` in the open transaction of `database`.

        Raises `RowError`, which ends the transaction, when the database fails to compare a value.  With `isolate` such
        values become `Resolved.unresolved` instead, at the price of more statements.
        """
        found = Resolved()
        if any(self._related(table) for table in batch.truncated):
            # The log does not contain the parents of the deleted rows.
            found.fanouts.append(Fanout(self._all_keys))
        for table, changes in batch.changes.items():
            for route in self.routes(table):
                relevant = changes if route.root else _without_snapshots(changes)
                if relevant:
                    self.follow(database, route, relevant, found, isolate=isolate)
        return found

    def routes(self, table: TableName) -> Sequence[Route]:
        """The routes from rows of `table`, one per way."""
        return self._routes.get(table, ())

    def follow(
        self,
        database: Database,
        route: Route,
        changes: Sequence[Change],
        found: Resolved,
        *,
        isolate: bool,
    ) -> None:
        """Add to `found` what changes of the route's table lead to along it; otherwise like `resolve`."""
        links, unknown = route.links(changes)
        known = len(found.unresolved)
        if unknown:
            links.update(self._find_links(database, route.lookup, unknown, found, isolate))
        self._follow_hops(database, links, route.hops, found, isolate)
        if len(found.unresolved) > known:
            found.unresolved[known:] = _named(found.unresolved[known:], route, changes)

    def reached(
        self, database: Database, records: Sequence[Record], keys: Collection[Key]
    ) -> set[Key]:
        """Those of `keys` that the records lead to in the open transaction, without fan-outs."""
        found = self.resolve(database, gather(records)).keys
        return {key for key in keys if key in found}

    def links_only(self, record: Record) -> Record:
        """The record without the columns that `resolve` does not read."""
        change = record.change
        links = self._links.get(change.table, frozenset())
        return record._replace(
            change=change._replace(
                before=_only(change.before, links), after=_only(change.after, links)
            )
        )

    def _related(self, table: TableName) -> bool:
        """Whether documents contain rows of `table` otherwise than as their root."""
        return any(not route.root for route in self.routes(table))

    def stream(
        self, database: Database, fanouts: Sequence[Fanout], unresolved: list[Unresolved]
    ) -> Iterator[list[Key]]:
        """Yield the root keys of fan-outs, list by list; a key may come more than once.  Failures go to `unresolved`.

        Ends the transaction that `resolve` ran in: reading the keys takes as long as building all the documents, and
        neither locks nor vacuum may be held back that long.  What is read after it is newer, which is harmless: a link
        that has changed meanwhile is a change of its own.  The caller begins no transaction on `database` meanwhile.
        """
        names = self._declare(database, "fanout", fanouts)
        database.commit()
        for name, fanout in zip(names, fanouts, strict=True):
            yield from self._fetch(database, name, fanout, unresolved)

    def _declare(self, database: Database, prefix: str, fanouts: Sequence[Fanout]) -> list[str]:
        names = [f"{prefix}_{at}" for at in range(len(fanouts))]
        for name, fanout in zip(names, fanouts, strict=True):
            database.declare(name, fanout.sql, fanout.params)
        return names

    def _fetch(
        self, database: Database, name: str, fanout: Fanout, unresolved: list[Unresolved]
    ) -> Iterator[list[Key]]:
        for rows in database.fetch(name, _FETCH_ROWS):
            found = Resolved()
            self._follow_hops(database, rows, fanout.hops, found, isolate=True)
            unresolved += found.unresolved
            if found.keys:
                yield list(found.keys)
            inner_names = self._declare(database, name, found.fanouts)
            for inner_name, inner in zip(inner_names, found.fanouts, strict=True):
                yield from self._fetch(database, inner_name, inner, unresolved)

    def _follow_hops(
        self,
        database: Database,
        values: Collection[Key],
        hops: Sequence[Lookup],
        found: Resolved,
        isolate: bool,
    ) -> None:
        for at, hop in enumerate(hops):
            reached: set[Key] = set()
            for chunk in _chunks(values):
                rows = self._rows(database, hop, chunk, found, isolate)
                if len(rows) > MAX_ROWS_IN_MEMORY:
                    found.fanouts.append(Fanout(hop.sql, _params(chunk), tuple(hops[at + 1 :])))
                else:
                    reached.update(rows)
            values = reached
        found.keys.update(dict.fromkeys(values))

    def _find_links(
        self,
        database: Database,
        lookup: Lookup,
        values: Iterable[Key],
        found: Resolved,
        isolate: bool,
    ) -> set[Key]:
        rows: set[Key] = set()
        for chunk in _chunks(values):
            rows.update(self._rows(database, lookup, chunk, found, isolate, limited=False))
        return rows

    def _rows(
        self,
        database: Database,
        lookup: Lookup,
        values: list[Key],
        found: Resolved,
        isolate: bool,
        *,
        limited: bool = True,
    ) -> list[Key]:
        sql = _limited(lookup.sql) if limited else lookup.sql
        if not isolate:
            return database.rows(sql, _params(values))
        try:
            with database.savepoint():
                return database.rows(sql, _params(values))
        except RowError as error:
            reason = str(error)
        if len(values) > 1:
            middle = len(values) // 2
            parts = (values[:middle], values[middle:])
            return [
                row
                for part in parts
                for row in self._rows(database, lookup, part, found, isolate, limited=limited)
            ]
        if _possible(database, lookup, values[0]):
            found.unresolved.append(Unresolved(lookup.given, values[0], reason))
        return []


def _without_snapshots(changes: Sequence[Change]) -> Sequence[Change]:
    return [change for change in changes if change.op is not Op.SNAPSHOT]


def _possible(database: Database, lookup: Lookup, values: Key) -> bool:
    """Whether the columns can contain these values: a value that was logged under another type leads to no row."""
    try:
        with database.savepoint():
            database.run(lookup.values, _params([values]))
    except RowError:
        return False
    return True


def _named(
    failed: Iterable[Unresolved], route: Route, changes: Sequence[Change]
) -> Iterator[Unresolved]:
    """Adds the keys of the changed rows, where the values are those of the changes."""
    for item in failed:
        if item.given == route.lookup.given:
            yield item._replace(key=item.values)
        elif item.given == (route.lookup.given.table, route.columns):
            keys = [each.key for each in changes if item.values in route.links([each])[0]]
            yield item._replace(key=keys[-1] if keys else None)
        else:
            yield item


def unresolved_text(item: Unresolved) -> str:
    """Table, columns, key and reason, for messages."""
    columns = listed(item.given.columns)
    row = f", key {':'.join(item.key)!r}" if item.key is not None else ""
    return f"{columns} of table `{item.given.table}`{row}: {item.reason}"


def _only(image: Image | None, columns: Collection[str]) -> Image | None:
    return image and {column: image[column] for column in columns if column in image}


def _chunks(values: Iterable[Key]) -> Iterator[list[Key]]:
    """At most `MAX_PARAMETERS` tuples each."""
    remaining = iter(values)
    while chunk := list(islice(remaining, MAX_PARAMETERS)):
        yield chunk


def _params(values: Sequence[Key]) -> tuple[bytes, ...]:
    """Query parameters, one array per column."""
    return tuple(array_literal(column) for column in zip(*values, strict=True))


def _limited(sql: bytes) -> bytes:
    return b"SELECT * FROM (" + sql + b") AS hop LIMIT " + str(MAX_ROWS_IN_MEMORY + 1).encode()


def _route(way: Way, catalog: Catalog) -> Route:
    primary_key = catalog.tables[way.table].primary_key
    positions: Mapping[str, int] = {column: at for at, column in enumerate(primary_key)}
    inside = all(column in positions for column in way.columns)
    given, hops = Place(way.table, way.columns), list[Lookup]()
    for hop in way.hops:
        hops.append(_lookup(hop, given, catalog))
        given = Place(hop.table, hop.give)
    return Route(
        way=way,
        columns=way.columns,
        primary_key=primary_key,
        in_key=tuple(positions[column] for column in way.columns) if inside else None,
        lookup=_lookup(
            Hop(way.table, primary_key, way.columns), Place(way.table, primary_key), catalog
        ),
        hops=tuple(hops),
        root=not way.field,
    )


def _lookup(hop: Hop, given: Place, catalog: Catalog) -> Lookup:
    return Lookup(hop_sql(hop, catalog, given), given, values_sql(given, catalog))
