"""The structural hash of a schema: over all that changes documents or mapping, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

from flusso_shared.names import TableName
from flusso_shared.plan import rename
from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    Field,
    GeoField,
    JoinField,
    ObjectField,
)
from flusso_shared.plan.spelling import folded
from flusso_shared.schema.model import Schema

_SCHEMA: TypeAdapter[Schema] = TypeAdapter(Schema)
_MAPPED_KINDS = ("identifier", "json", "map")
"""Type tags that say more about the mapping than the OpenSearch type they stand for."""


def schema_hash(schema: Schema) -> str:
    """8 lower-case hex digits of SHA-256 over canonical JSON."""
    folds, root = _Folds(), schema.root
    hashed = dataclasses.replace(
        schema,
        root=folds.table(root),
        key=rename.columns(schema.key, root, folds),
        fields=rename.fields([essence(item) for item in schema.fields], root, folds),
        soft_delete=rename.soft_delete(schema.soft_delete, root, folds),
        filters=rename.conditions(schema.filters, root, folds),
        verify_every=0.0,
        description="",
    )
    # Without defaults, so that an option which a later version brings leaves the hashes of today's schemas.
    return canonical_hash(_SCHEMA.dump_python(hashed, mode="json", exclude_defaults=True))


def canonical_hash(value: Any) -> str:
    """The hash of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class _Folds:
    """A `Naming` by which names that are spelt differently are the same where they almost always are.

    Where they are not, because the database has both, the plan of a generation tells.
    """

    def table(self, name: TableName) -> TableName:
        return TableName(folded(name.schema), folded(name.name))

    def column(self, of: TableName, name: str) -> str:
        return folded(name)


def essence(field: Field) -> Field:
    """The field without what only checks and clients look at: nullability, accepted column types, descriptions."""
    field = dataclasses.replace(field, description="")
    match field:
        case ColumnField():
            kind = field.kind if field.kind in _MAPPED_KINDS else ""
            return dataclasses.replace(
                field, kind=kind, nullable=False, postgres=(), values="", array=False
            )
        case JoinField():
            inner = tuple(essence(item) for item in field.fields)
            return dataclasses.replace(field, nullable=False, fields=inner)
        case ObjectField():
            return dataclasses.replace(field, fields=tuple(essence(item) for item in field.fields))
        case GeoField():
            return dataclasses.replace(field, nullable=False)
        case AggregateField():
            return dataclasses.replace(field, nullable=False, value_type="")
        case _:
            return field
