"""What plans need and a database lacks.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from flusso_shared.catalog import Catalog, Table
from flusso_shared.names import TableName
from flusso_shared.plan import (
    AggregateField,
    ColumnField,
    CompareCondition,
    Condition,
    Edge,
    Field,
    GeoField,
    IndexPlan,
    JoinField,
    NullCondition,
    ObjectField,
    Plan,
    walk,
)
from flusso_shared.problems import did_you_mean, listed

_Need = tuple[TableName, str, str]
"""Table, column (empty: the table itself), and the field that needs it."""


def missing_things(plan: Plan, catalog: Catalog, existing: Collection[TableName] = ()) -> list[str]:
    """One sentence per table or column that does not exist; `existing` tables give near misses."""
    found: list[str] = []
    for index in plan.indexes:
        where = (
            f"index `{index.name}` ({index.schema_file})"
            if index.schema_file
            else f"index `{index.name}`"
        )
        reported: set[tuple[TableName, str]] = set()
        for table, column, field in _needs(index):
            sentence = _missing(catalog, existing, table, column)
            if sentence and (table, column) not in reported:
                reported.add((table, column))
                at = f", field `{field}`" if field else ""
                found.append(f"{where}{at}: {sentence}")
        found += [f"{where}, {sentence}" for sentence in _key_widths(index, catalog)]
    return found


def _key_widths(index: IndexPlan, catalog: Catalog) -> Iterator[str]:
    """Aggregates through a junction use the catalog's key, which `right_key` must fit."""
    for field in walk(index.fields):
        if not isinstance(field, AggregateField) or field.edge.junction is None:
            continue
        far, right = catalog.tables.get(field.edge.table), field.edge.junction.right
        if far is not None and far.primary_key and len(far.primary_key) != len(right):
            yield (
                f"field `{field.key}`: `right_key` {listed(right)} and the primary key of table"
                f" `{far.name}`, {listed(far.primary_key)}, differ in number"
            )


def _missing(
    catalog: Catalog, existing: Collection[TableName], table: TableName, column: str
) -> str | None:
    known: Table | None = catalog.tables.get(table)
    if known is None:
        if column:
            return None
        hint = did_you_mean(str(table), [str(name) for name in existing])
        return f"there is no table `{table}` in the database{hint}, or the role may not see it"
    if not column:
        if not known.primary_key:
            return (
                f"table `{table}` has no primary key; add one: it names its rows in the change log"
            )
        return None
    if column in known.columns:
        return None
    return f"table `{table}` has no column `{column}`{did_you_mean(column, known.columns)}"


def _needs(index: IndexPlan) -> Iterator[_Need]:
    root = index.root
    yield root, "", ""
    for column in index.key:
        yield root, column, "primary_key"
    if index.soft_delete is not None:
        yield root, index.soft_delete.column, "soft_delete"
        yield from _conditions(root, index.soft_delete.when, "soft_delete.when")
    yield from _conditions(root, index.filters, "filters")
    yield from _fields(index.fields, root, "")


def _fields(fields: Iterable[Field], table: TableName, path: str) -> Iterator[_Need]:
    for field in fields:
        here = f"{path}.{field.key}" if path else field.key
        if isinstance(field, ColumnField):
            yield table, field.column, here
        elif isinstance(field, GeoField):
            yield table, field.lat, here
            yield table, field.lon, here
        elif isinstance(field, ObjectField):
            yield from _fields(field.fields, table, here)
        elif isinstance(field, JoinField | AggregateField):
            yield from _edge(field.edge, table, here)
            if isinstance(field, JoinField):
                yield from _fields(field.fields, field.edge.table, here)
            elif field.column is not None:
                yield field.edge.table, field.column, here


def _edge(edge: Edge, parent: TableName, path: str) -> Iterator[_Need]:
    yield edge.table, "", path
    for column in edge.parent:
        yield parent, column, path
    for column in edge.child:
        yield edge.table, column, path
    if edge.junction is not None:
        yield edge.junction.table, "", path
        for column in (*edge.junction.left, *edge.junction.right):
            yield edge.junction.table, column, path
    yield from _conditions(edge.table, edge.filters, path)
    for term in edge.order_by:
        yield edge.table, term.column, path


def _conditions(table: TableName, conditions: Iterable[Condition], path: str) -> Iterator[_Need]:
    for condition in conditions:
        if isinstance(condition, NullCondition | CompareCondition):
            yield table, condition.column, path
