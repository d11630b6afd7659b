"""The fields of a document tree with their dotted paths, as messages and OpenSearch name them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flusso_shared.names import TableName
from flusso_shared.plan.model import Field, JoinField, ObjectField


class PlacedField(NamedTuple):
    """A field and its place in the tree."""

    path: str
    """Dotted, from the root: `customer.address.city`."""
    field: Field
    relation: JoinField | None
    """The nearest relation above; None where the columns are those of the root table."""

    def table(self, root: TableName) -> TableName:
        """The table that the field's columns belong to."""
        return root if self.relation is None else self.relation.edge.table


def walk(
    fields: Iterable[Field], above: str = "", relation: JoinField | None = None
) -> Iterator[PlacedField]:
    """Every field of a tree, parents before children; `above` is the path of the tree itself."""
    for field in fields:
        path = join_path(above, field.key)
        yield PlacedField(path, field, relation)
        if isinstance(field, ObjectField):
            yield from walk(field.fields, path, relation)
        elif isinstance(field, JoinField):
            yield from walk(field.fields, path, field)


def join_path(above: str, key: str) -> str:
    """The path of the field `key` below `above`, which is empty for the root."""
    return f"{above}.{key}" if above else key
