"""The documents that contain one row, by the ways that a change of the row is resolved along."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flusso_shared.change import Change, Op
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Hop, Plan
from flusso_shared.postgres.catalog import Catalog
from flusso_worker.documents.built import Key
from flusso_worker.documents.prepare import checked_plan, prepare_sql
from flusso_worker.documents.resolve import (
    Lookup,
    Resolved,
    Resolver,
    Route,
    unresolved_text,
)
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.sql.document import DocumentSql
from flusso_worker.sql.hops import hop_sql
from flusso_worker.sql.parameters import array_literal


@dataclass(frozen=True, slots=True)
class Statement:
    """One query of a way: values of columns of one table -> values of columns of another."""

    reads: TableName
    given: str
    """Table and columns of the values in the parameters, as `public.orders (id)`."""
    sql: str

    def to_json(self) -> dict[str, Any]:
        return {"reads": str(self.reads), "given": self.given, "sql": self.sql}


@dataclass(frozen=True, slots=True)
class TouchedByWay:
    """The documents of one index that a row leads to along one way."""

    index: str
    field: str
    """Dotted path of the field; empty for the way of the documents' own table."""
    tables: tuple[TableName, ...]
    """From the row's table to the root."""
    statements: tuple[Statement, ...]
    ids: tuple[str, ...]
    unresolved: tuple[str, ...]
    """Values that the database fails to compare: the documents behind them are unknown."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its primary key."""

    table: TableName
    key: Key
    exists: bool


def touched(
    database: Database, plan: Plan, table: str, key: Sequence[str]
) -> tuple[Row, list[TouchedByWay]]:
    """The row, and what it leads to in each index of `plan`.

    Raises `FatalError` for a table that no index reads and for a key that is none of its keys, `RetryableError` when
    the database does not answer.
    """
    bound = checked_plan(plan, database)
    name = _table(table, bound.tables)
    row: Row | None = None
    found: list[TouchedByWay] = []
    for index in bound.indexes:
        if name not in index.tables:
            continue
        catalog, sql = prepare_sql(index, database)
        row = row or _row(database, catalog, name, tuple(key))
        resolver = Resolver(index, catalog, sql.all_keys)
        found.extend(
            _along(database, resolver, route, row, sql, index.name)
            for route in resolver.routes(name)
        )
    database.finish()
    assert row is not None
    return row, found


def _table(text: str, tables: Collection[TableName]) -> TableName:
    exact = [table for table in tables if str(table) == text]
    found = exact or [table for table in tables if table.name == text]
    if len(found) == 1:
        return found[0]
    known = ", ".join(map(str, sorted(found or tables)))
    if found:
        raise FatalError(f"table {text} is in several schemas; name one of {known}")
    raise FatalError(
        f"no index reads a table {text}; the schemas of the configuration read {known}"
    )


def _row(database: Database, catalog: Catalog, table: TableName, key: Key) -> Row:
    """The row with the key as the database prints it; raises `FatalError` for what cannot be a key."""
    columns = catalog.tables[table].primary_key
    if len(columns) != len(key):
        raise FatalError(
            f"table {table} has the primary key ({', '.join(columns)}); give one value per column, in this order, not"
            f" {len(key)}"
        )
    statement = hop_sql(Hop(table, columns, columns), catalog)
    try:
        rows = database.rows(statement, [array_literal([value]) for value in key])
    except RowError as error:
        types = [
            f"{column} {catalog.tables[table].columns[column].base_type}" for column in columns
        ]
        raise FatalError(
            f"{':'.join(key)} cannot be a primary key of table {table} ({', '.join(types)}): {error}; correct the values"
        ) from error
    return Row(table, rows[0] if rows else key, exists=bool(rows))


def _along(
    database: Database, resolver: Resolver, route: Route, row: Row, sql: DocumentSql, index: str
) -> TouchedByWay:
    # Without an image the current values of the link columns are looked up.
    change = Change(Op.READ, row.table, row.key, before=None, after={})
    database.begin()
    found = Resolved()
    resolver.follow(database, route, [change], found, isolate=True)
    keys = set(found.keys)
    if found.fanouts:
        for more in resolver.stream(database, found.fanouts, found.unresolved):
            keys.update(more)
    tables = (row.table, *(hop.table for hop in route.way.hops))
    return TouchedByWay(
        index=index,
        field=route.way.field,
        tables=tables if tables[-1] == resolver.root else (*tables, resolver.root),
        statements=tuple(_statements(route)),
        ids=tuple(sorted({sql.id_of(key) for key in keys}, key=lambda name: (len(name), name))),
        unresolved=tuple(unresolved_text(item) for item in found.unresolved),
    )


def _statements(route: Route) -> Iterator[Statement]:
    if route.in_key is None:
        yield _statement(route.way.table, route.lookup)
    for hop, lookup in zip(route.way.hops, route.hops, strict=True):
        yield _statement(hop.table, lookup)


def _statement(reads: TableName, lookup: Lookup) -> Statement:
    given = f"{lookup.given.table} ({', '.join(lookup.given.columns)})"
    return Statement(reads, given, lookup.sql.decode())
