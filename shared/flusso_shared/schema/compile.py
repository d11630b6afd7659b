"""Schema -> plan: adds the ways up and the structural hash.  `bind` fills in what only the catalog knows."""

from __future__ import annotations

from flusso_shared.plan import ways
from flusso_shared.plan.model import (
    IndexPlan,
)
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
        ways=ways.ways(schema.root, schema.key, schema.fields),
        schema_file=schema_file,
        verify_every=schema.verify_every,
        description=schema.description,
    )
