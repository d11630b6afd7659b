"""Every condition of a document tree, with the place where it stands.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import (
    AggregateField,
    Condition,
    Field,
    JoinField,
    SoftDelete,
)


def placed(
    fields: Sequence[Field], filters: Sequence[Condition], soft_delete: SoftDelete | None
) -> Iterator[tuple[str, Condition]]:
    """Place (`filters`, `soft_delete.when`, `field.filters`) and condition."""
    for condition in filters:
        yield "filters", condition
    for condition in soft_delete.when if soft_delete is not None else ():
        yield "soft_delete.when", condition
    for path, field in related(fields):
        for condition in field.edge.filters:
            yield f"{path}.filters", condition


def related(fields: Sequence[Field]) -> Iterator[tuple[str, JoinField | AggregateField]]:
    """Every relation and aggregate with its dotted path."""
    for path, field, _ in walk(fields):
        if isinstance(field, JoinField | AggregateField):
            yield path, field
