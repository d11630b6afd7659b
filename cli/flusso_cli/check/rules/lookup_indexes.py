"""Which columns rows are looked up by, and whether an index serves that.  Pure.

Every build looks up related rows by their foreign keys, and every change its parents the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from psycopg import sql

from flusso_cli.check.probe.facts import DatabaseFacts, Index
from flusso_cli.diagnostics.model import Diagnostic, text
from flusso_shared.names import TableName
from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import (
    AggregateField,
    Columns,
    Edge,
    IndexPlan,
    JoinField,
)
from flusso_shared.problems import listed

_LONGEST_NAME = 63
_METHODS = ("btree", "hash")


class Lookup(NamedTuple):
    """Rows of `table` are found by the values of `columns`."""

    table: TableName
    columns: Columns
    field: str


def check_links(index: IndexPlan, facts: DatabaseFacts) -> list[Diagnostic]:
    """Every lookup of a bound plan that would read a whole table, once."""
    found: dict[tuple[TableName, frozenset[str]], Diagnostic] = {}
    taken = {table.name for table in facts.existing}
    taken |= {each.name for table in facts.tables.values() for each in table.indexes}
    for lookup in _lookups(index):
        table = facts.tables.get(lookup.table)
        same = (lookup.table, frozenset(lookup.columns))
        if table is None or same in found:
            continue
        if not any(serves(each, lookup.columns) for each in table.indexes):
            found[same] = _missing_index(index, lookup, taken, partitioned=table.kind == "p")
    return list(found.values())


def serves(index: Index, columns: Columns) -> bool:
    """Whether the index finds rows by all of `columns`: they must be its first ones, in any order.

    A unique index over some of them does as well: the rest is compared on one row.
    """
    if not index.usable or index.method not in _METHODS:
        return False
    wanted = set(columns)
    leading = index.columns[: len(wanted)]
    return set(leading) == wanted or (index.unique and set(index.columns) <= wanted)


def _lookups(index: IndexPlan) -> Iterator[Lookup]:
    yield Lookup(index.root, index.key, "primary_key")
    for path, field, _ in walk(index.fields):
        if isinstance(field, JoinField | AggregateField):
            yield from _of_edge(field.edge, path)
    for way in index.ways:
        for hop in way.hops:
            yield Lookup(hop.table, hop.match, way.field)


def _of_edge(edge: Edge, path: str) -> Iterator[Lookup]:
    if edge.junction is not None:
        yield Lookup(edge.junction.table, edge.junction.left, path)
        yield Lookup(edge.junction.table, edge.junction.right, path)
    yield Lookup(edge.table, edge.child, path)


def _missing_index(
    index: IndexPlan, lookup: Lookup, taken: Collection[str], *, partitioned: bool
) -> Diagnostic:
    name = "_".join((lookup.table.name, *lookup.columns, "idx"))
    if len(name.encode()) > _LONGEST_NAME or name in taken:
        name = ""  # Postgres makes one up
    # A partitioned table takes no CONCURRENTLY.
    statement = sql.SQL("CREATE INDEX {}{}ON {} ({})").format(
        sql.SQL("" if partitioned else "CONCURRENTLY "),
        sql.SQL("{} ").format(sql.Identifier(name)) if name else sql.SQL(""),
        sql.Identifier(*lookup.table),
        sql.SQL(", ").join(map(sql.Identifier, lookup.columns)),
    )
    return Diagnostic(
        "warning",
        "missing-index",
        f"no index of table `{lookup.table}` begins with {listed(lookup.columns)}: every lookup reads the"
        " whole table",
        index=index.name,
        field=lookup.field,
        cure="create one" + ("; it locks the table meanwhile" if partitioned else ""),
        sql=(text(statement),),
    )
