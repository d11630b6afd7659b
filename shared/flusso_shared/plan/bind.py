"""Plans whose names are those of the database.  What a process does with its plan, it does with the bound one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg

from flusso_shared.names import TableName
from flusso_shared.plan import rename, ways
from flusso_shared.plan.link_columns import same_text
from flusso_shared.plan.model import AggregateField, Field, IndexPlan, JoinField, ObjectField, Plan
from flusso_shared.plan.requirements import needs
from flusso_shared.plan.spelling import found, found_table, spellings, table_spellings
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog


def read_bound(connection: psycopg.Connection[Any], plan: Plan) -> Plan:
    """The plan with the names that the database has now.  Raises `psycopg.Error`."""
    tables = {name for table in plan.tables for name in table_spellings(table)}
    catalog = read_catalog(connection, tables)
    return Plan(tuple([bind_names(index, catalog) for index in plan.indexes]))


def bind(plan: IndexPlan, catalog: Catalog) -> IndexPlan:
    """Bind the names, fill keys that were not declared with the catalog's primary keys, and lead the ways over every row
    whose columns may be spelled unlike what they equal; the hash stays."""
    plan = bind_names(plan, catalog)
    key = plan.key or catalog.tables[plan.root].primary_key
    fields = tuple(_bind_field(field, catalog) for field in plan.fields)
    return dataclasses.replace(
        plan,
        key=key,
        fields=fields,
        ways=ways.ways(plan.root, key, fields, partial(same_text, catalog)),
    )


def _bind_field(field: Field, catalog: Catalog) -> Field:
    if isinstance(field, ObjectField | JoinField):
        inner = tuple(_bind_field(item, catalog) for item in field.fields)
        return dataclasses.replace(field, fields=inner)
    if isinstance(field, AggregateField) and not field.edge.child:
        child = catalog.tables[field.edge.table].primary_key
        return dataclasses.replace(field, edge=dataclasses.replace(field.edge, child=child))
    return field


def bind_names(index: IndexPlan, catalog: Catalog) -> IndexPlan:
    """The database's spelling of every name that it knows; the others stay, and so does the hash."""
    naming, root = _Catalogued(catalog), index.root
    key = rename.columns(index.key, root, naming)
    fields = rename.fields(index.fields, root, naming)
    return replace(
        index,
        root=naming.table(root),
        key=key,
        fields=fields,
        soft_delete=rename.soft_delete(index.soft_delete, root, naming),
        filters=rename.conditions(index.filters, root, naming),
        # Two spellings of one column are one column only now.
        ways=ways.ways(naming.table(root), key, fields),
    )


def same_names(one: IndexPlan, other: IndexPlan) -> bool:
    """Whether two bound plans of one hash mean the same tables and columns."""
    return _names(one) == _names(other)


def _names(index: IndexPlan) -> set[tuple[TableName, str]]:
    return {(need.table, need.column) for need in needs(index)}


def every_spelling(
    links: dict[TableName, frozenset[str]],
) -> dict[TableName, Collection[str]]:
    """Columns of tables under all names that they may turn out to have."""
    return {
        name: {spelling for column in columns for spelling in spellings(column)}
        for table, columns in links.items()
        for name in table_spellings(table)
    }


@dataclass(frozen=True, slots=True)
class _Catalogued:
    """A `Naming` after the catalog."""

    catalog: Catalog

    def table(self, name: TableName) -> TableName:
        known = found_table(name, self.catalog.tables)
        return known if known in self.catalog.tables else found_table(name, self.catalog.refused)

    def column(self, of: TableName, name: str) -> str:
        known = self.catalog.tables.get(self.table(of))
        return name if known is None else found(name, known.columns)
