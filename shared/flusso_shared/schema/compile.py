"""Schema -> plan: adds the ways up and the structural hash.  `bind` fills in what only the catalog knows."""

from __future__ import annotations

import dataclasses
from functools import partial

from flusso_shared.plan import ways as paths
from flusso_shared.plan.bind import bind_names
from flusso_shared.plan.link_columns import same_text
from flusso_shared.plan.model import (
    AggregateField,
    Field,
    IndexPlan,
    JoinField,
    ObjectField,
)
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.schema.hash import schema_hash
from flusso_shared.schema.model import Schema


def compile_index(name: str, schema: Schema, schema_file: str) -> IndexPlan:
    """The plan of index `name`.  The hash covers the schema only: not the name, the file or the sinks."""
    return IndexPlan(
        name=name,
        hash=schema_hash(schema),
        root=schema.root,
        key=schema.key,
        fields=schema.fields,
        soft_delete=schema.soft_delete,
        filters=schema.filters,
        ways=paths.ways(schema.root, schema.key, schema.fields),
        schema_file=schema_file,
        verify_every=schema.verify_every,
    )


def bind(plan: IndexPlan, catalog: Catalog) -> IndexPlan:
    """Bind the names, fill keys that were not declared with the catalog's primary keys, and lead the ways over every row
    whose columns may be spelled unlike what they equal; the hash stays."""
    plan = bind_names(plan, catalog)
    key = plan.key or catalog.tables[plan.root].primary_key
    fields = tuple(_bind_field(field, catalog) for field in plan.fields)
    ways = paths.ways(plan.root, key, fields, partial(same_text, catalog))
    return dataclasses.replace(plan, key=key, fields=fields, ways=ways)


def _bind_field(field: Field, catalog: Catalog) -> Field:
    if isinstance(field, ObjectField | JoinField):
        inner = tuple(_bind_field(item, catalog) for item in field.fields)
        return dataclasses.replace(field, fields=inner)
    if isinstance(field, AggregateField) and not field.edge.child:
        child = catalog.tables[field.edge.table].primary_key
        return dataclasses.replace(field, edge=dataclasses.replace(field.edge, child=child))
    return field
