"""Which columns a plan compares with which, and what the database makes of each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from flusso_shared.names import TableName
from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import (
    AggregateField,
    Columns,
    Edge,
    IndexPlan,
    JoinField,
)
from flusso_shared.postgres.catalog import Catalog, Column

_WIDER = {("int2", "int4"), ("int2", "int8"), ("int4", "int8")}


class Place(NamedTuple):
    """Columns of a table."""

    table: TableName
    columns: Columns


SameText = Callable[[Place, Place, bool], bool]
"""See `same_text`."""


def same_text(catalog: Catalog, given: Place, wanted: Place, as_key: bool) -> bool:
    """Whether values of `given` may stand for the equal values of `wanted`, without a look at its rows.

    Only if equal values have one text.  Where they are compared again with other columns (not `as_key`) the types
    must be the same as well: `text` and `varchar` compare differently with `char(n)`.
    """
    mine, theirs = _columns(catalog, given), _columns(catalog, wanted)
    return len(mine) == len(theirs) and all(
        _same(one, other, as_key) for one, other in zip(mine, theirs, strict=True)
    )


def _same(mine: Column | None, theirs: Column | None, as_key: bool) -> bool:
    if mine is None or theirs is None:
        return False
    one, other = mine.equality.one_text, theirs.equality.one_text
    if not one or not other:
        return False
    if one == other:
        return as_key or mine.compared_type == theirs.compared_type
    return (one, other) in _WIDER


def _columns(catalog: Catalog, place: Place) -> list[Column | None]:
    table = catalog.tables.get(place.table)
    return [None if table is None else table.columns.get(name) for name in place.columns]


class Pair(NamedTuple):
    """Two columns that must be equal."""

    field: str
    """Dotted path of the relation."""
    table: TableName
    column: str
    above: TableName
    """The table of the other column."""
    key: str


class Refusal(NamedTuple):
    """A pair that the database does not compare."""

    pair: Pair
    reason: str
    """With the columns and their types."""


def pairs(index: IndexPlan) -> Iterator[Pair]:
    """Every pair of a bound plan; the root's key is compared with itself."""
    for column in index.key:
        yield Pair("primary_key", index.root, column, index.root, column)
    for placed in walk(index.fields):
        if isinstance(placed.field, JoinField | AggregateField):
            yield from _of_edge(placed.field.edge, placed.table(index.root), placed.path)


def _of_edge(edge: Edge, parent: TableName, path: str) -> Iterator[Pair]:
    near, junction = Place(edge.table, edge.child), edge.junction
    if junction is not None:
        near = Place(junction.table, junction.left)
        for column, key in zip(junction.right, edge.child, strict=False):
            yield Pair(path, junction.table, column, edge.table, key)
    for column, key in zip(near.columns, edge.parent, strict=False):
        yield Pair(path, near.table, column, parent, key)


def refused(
    connection: psycopg.Connection[Any], index: IndexPlan, catalog: Catalog
) -> list[Refusal]:
    """The pairs without an `=` that this role may use, or with two collations.  Raises `psycopg.Error` for other reasons."""
    found: list[Refusal] = []
    asked: dict[tuple[str, str], str] = {}
    for pair in pairs(index):
        one = catalog.tables[pair.table].columns[pair.column]
        other = catalog.tables[pair.above].columns[pair.key]
        reason = _collations(one, other)
        if not reason:
            types = (one.compared_type, other.compared_type)
            if types not in asked:
                asked[types] = _operator(connection, *types)
            reason = asked[types]
        if reason:
            found.append(Refusal(pair, _told(pair, one, other, reason)))
    return found


def _collations(one: Column, other: Column) -> str:
    mine, theirs = one.equality.collation, other.equality.collation
    if mine and theirs and mine != theirs:
        return f"could not determine which collation to use, {mine} or {theirs}"
    return ""


_REFUSALS = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.AmbiguousFunction,
    # Of the schema that holds the type and its operators.
    psycopg.errors.InsufficientPrivilege,
)


def _operator(connection: psycopg.Connection[Any], one: str, other: str) -> str:
    # `format_type()` quotes what needs it.
    left, right = sql.SQL(one), sql.SQL(other)  # pyright: ignore[reportArgumentType]
    try:
        connection.execute(sql.SQL("SELECT NULL::{} = NULL::{}").format(left, right))
    except _REFUSALS as error:
        return error.diag.message_primary or str(error)
    return ""


def _told(pair: Pair, one: Column, other: Column, reason: str) -> str:
    return (
        f"column `{pair.column}` of table `{pair.table}` ({one.type}) cannot be compared with column `{pair.key}` of"
        f" table `{pair.above}` ({other.type}): {reason}"
    )
