"""What plans need and a database lacks.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from flusso_shared.names import TableName
from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import (
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
    Plan,
)
from flusso_shared.postgres.catalog import Catalog, Table
from flusso_shared.postgres.relation_kinds import Refusal
from flusso_shared.problems import did_you_mean, listed

_OF_TABLES = ("unknown-column", "no-primary-key", "not-logged", "inheritance")


class Need(NamedTuple):
    """A table, or a column of it, that a field needs."""

    table: TableName
    column: str
    """Empty: the table itself."""
    field: str
    """Dotted path of the field, or the key of the schema; empty for the root table."""


@dataclass(frozen=True, slots=True)
class MissingRequirement:
    """Something that an index needs and the database has not."""

    index: IndexPlan
    need: Need
    rule: str
    """`unknown-table`, `unknown-column`, `no-primary-key`, `key-width`, or that of a `Refusal`."""
    reason: str
    refusal: Refusal | None = None
    """Of a relation that is there and cannot be followed."""


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
        for missing in missing_requirements(index, catalog, existing):
            need = missing.need
            if (need.table, need.column) in reported:
                continue
            if missing.rule != "key-width":
                reported.add((need.table, need.column))
            at = f", field `{need.field}`" if need.field else ""
            found.append(
                f"{where}{at}: {missing.refusal.told if missing.refusal else missing.reason}"
            )
    return found


def altered_only(index: IndexPlan, catalog: Catalog) -> bool:
    """Whether the tables of an index are there, and only lack columns and keys or cannot be followed.

    A table may have been altered: that index stops, and goes on by itself once the table is as it was.
    """
    return all(missing.rule in _OF_TABLES for missing in missing_requirements(index, catalog))


def missing_requirements(
    index: IndexPlan, catalog: Catalog, existing: Collection[TableName] = ()
) -> Iterator[MissingRequirement]:
    """Everything that is missing for one index, once per field that needs it."""
    seen: set[Need] = set()
    for need in needs(index):
        found = _missing(catalog, existing, need)
        refused = None if need.column else catalog.refused.get(need.table)
        if refused is not None and need not in seen:
            seen.add(need)
            yield MissingRequirement(index, need, refused.rule, refused.reason, refused)
        elif found and need not in seen:
            seen.add(need)
            rule, reason = found
            yield MissingRequirement(index, need, rule, reason)
    yield from _key_widths(index, catalog)


def _key_widths(index: IndexPlan, catalog: Catalog) -> Iterator[MissingRequirement]:
    """Aggregates through a junction use the catalog's key, which `right_key` must fit."""
    for path, field, _ in walk(index.fields):
        if not isinstance(field, AggregateField) or field.edge.junction is None:
            continue
        far, right = catalog.tables.get(field.edge.table), field.edge.junction.right
        if far is not None and far.primary_key and len(far.primary_key) != len(right):
            reason = (
                f"`right_key` {listed(right)} and the primary key of table"
                f" `{far.name}`, {listed(far.primary_key)}, differ in number"
            )
            yield MissingRequirement(index, Need(far.name, "", path), "key-width", reason)


def _missing(
    catalog: Catalog, existing: Collection[TableName], need: Need
) -> tuple[str, str] | None:
    table, column, _ = need
    known: Table | None = catalog.tables.get(table)
    if known is None:
        if column:
            return None
        hint = did_you_mean(str(table), [str(name) for name in existing])
        reason = f"there is no table `{table}` in the database{hint}, or the role may not see it"
        return "unknown-table", reason
    if not column:
        if not known.primary_key:
            reason = (
                f"table `{table}` has no primary key; add one: it names its rows in the change log"
            )
            return "no-primary-key", reason
        return None
    if column in known.columns:
        return None
    near = did_you_mean(column, known.columns)
    return "unknown-column", f"table `{table}` has no column `{column}`{near}"


def needs(index: IndexPlan) -> Iterator[Need]:
    """Every table and column that an index touches."""
    root = index.root
    yield Need(root, "", "")
    for column in index.key:
        yield Need(root, column, "primary_key")
    if index.soft_delete is not None:
        yield Need(root, index.soft_delete.column, "soft_delete")
        yield from _conditions(root, index.soft_delete.when, "soft_delete.when")
    yield from _conditions(root, index.filters, "filters")
    for placed in walk(index.fields):
        yield from _field(placed.field, placed.table(root), placed.path)


def _field(field: Field, table: TableName, path: str) -> Iterator[Need]:
    if isinstance(field, ColumnField):
        yield Need(table, field.column, path)
    elif isinstance(field, GeoField):
        yield Need(table, field.lat, path)
        yield Need(table, field.lon, path)
    elif isinstance(field, JoinField | AggregateField):
        yield from _edge(field.edge, table, path)
        if isinstance(field, AggregateField) and field.column is not None:
            yield Need(field.edge.table, field.column, path)


def _edge(edge: Edge, parent: TableName, path: str) -> Iterator[Need]:
    yield Need(edge.table, "", path)
    for column in edge.parent:
        yield Need(parent, column, path)
    for column in edge.child:
        yield Need(edge.table, column, path)
    if edge.junction is not None:
        yield Need(edge.junction.table, "", path)
        for column in (*edge.junction.left, *edge.junction.right):
            yield Need(edge.junction.table, column, path)
    yield from _conditions(edge.table, edge.filters, path)
    for term in edge.order_by:
        yield Need(edge.table, term.column, path)


def _conditions(table: TableName, conditions: Iterable[Condition], path: str) -> Iterator[Need]:
    for condition in conditions:
        if isinstance(condition, NullCondition | CompareCondition):
            yield Need(table, condition.column, path)
