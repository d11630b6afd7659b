"""A document tree with other names of tables and columns in it.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    Columns,
    CompareCondition,
    Condition,
    ConstantField,
    Edge,
    Field,
    GeoField,
    JoinField,
    Junction,
    NullCondition,
    ObjectField,
    SoftDelete,
)


class Naming(Protocol):
    """Old names -> new ones; `of` is a table by its old name."""

    def table(self, name: TableName) -> TableName:
        """The new name of a table."""
        ...

    def column(self, of: TableName, name: str) -> str:
        """The new name of a column of the table `of`."""
        ...


def columns(names: Columns, of: TableName, naming: Naming) -> Columns:
    """Columns of one table."""
    return tuple([naming.column(of, name) for name in names])


def conditions(items: Iterable[Condition], of: TableName, naming: Naming) -> tuple[Condition, ...]:
    """Filters over one table; SQL stays as it is."""
    return tuple([_condition(item, of, naming) for item in items])


def _condition(item: Condition, of: TableName, naming: Naming) -> Condition:
    if isinstance(item, NullCondition | CompareCondition):
        return replace(item, column=naming.column(of, item.column))
    return item


def soft_delete(item: SoftDelete | None, of: TableName, naming: Naming) -> SoftDelete | None:
    """The marker of the root table."""
    if item is None:
        return None
    return SoftDelete(naming.column(of, item.column), conditions(item.when, of, naming))


def fields(items: Iterable[Field], of: TableName, naming: Naming) -> tuple[Field, ...]:
    """Fields over rows of the table `of`."""
    return tuple([_field(item, of, naming) for item in items])


def _field(item: Field, of: TableName, naming: Naming) -> Field:
    match item:
        case ColumnField():
            return replace(item, column=naming.column(of, item.column))
        case GeoField():
            return replace(item, lat=naming.column(of, item.lat), lon=naming.column(of, item.lon))
        case ConstantField():
            return item
        case ObjectField():
            return replace(item, fields=fields(item.fields, of, naming))
        case AggregateField():
            column = None if item.column is None else naming.column(item.edge.table, item.column)
            return replace(item, edge=_edge(item.edge, of, naming), column=column)
        case JoinField():
            related = item.edge.table
            return replace(
                item,
                edge=_edge(item.edge, of, naming),
                primary_key=columns(item.primary_key, related, naming),
                fields=fields(item.fields, related, naming),
            )


def _edge(edge: Edge, parent: TableName, naming: Naming) -> Edge:
    related = edge.table
    return Edge(
        table=naming.table(related),
        parent=columns(edge.parent, parent, naming),
        child=columns(edge.child, related, naming),
        junction=None if edge.junction is None else _junction(edge.junction, naming),
        filters=conditions(edge.filters, related, naming),
        order_by=tuple(
            [replace(term, column=naming.column(related, term.column)) for term in edge.order_by]
        ),
        limit=edge.limit,
    )


def _junction(junction: Junction, naming: Naming) -> Junction:
    table = junction.table
    return Junction(
        table=naming.table(table),
        left=columns(junction.left, table, naming),
        right=columns(junction.right, table, naming),
    )
