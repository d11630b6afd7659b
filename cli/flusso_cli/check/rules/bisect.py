"""Finds what in an index a statement fails for, by trying its parts alone.  Pure but for what `attempt` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from flusso_shared.plan.field_paths import join_path
from flusso_shared.plan.model import (
    AggregateField,
    CompareCondition,
    Condition,
    Edge,
    Field,
    IndexPlan,
    JoinField,
    NullCondition,
    ObjectField,
    RawCondition,
)

Attempt = Callable[[IndexPlan], psycopg.Error | None]
_Wrap = Callable[[Field], IndexPlan]


@dataclass(frozen=True, slots=True)
class Fault:
    """A part that fails alone."""

    field: str
    """Dotted path, or `filters` and the like; empty for the index as a whole."""
    error: psycopg.Error
    text: str = ""
    """The condition or value at fault, if it is one."""


def find_faults(index: IndexPlan, attempt: Attempt) -> list[Fault]:
    """Every smallest part that fails; nothing when the whole does not."""
    whole = attempt(index)
    if whole is None:
        return []
    bare = replace(index, fields=(), filters=(), soft_delete=None)
    error = attempt(bare)
    if error is not None:
        return [Fault("primary_key", error)]
    found = [*_filters(bare, index, attempt), *_soft_delete(bare, index, attempt)]
    for field in index.fields:
        found += _field(field, lambda each: replace(bare, fields=(each,)), attempt, "")
    return found or [Fault("", whole)]


def _filters(bare: IndexPlan, index: IndexPlan, attempt: Attempt) -> list[Fault]:
    tried = [(item, attempt(replace(bare, filters=(item,)))) for item in index.filters]
    return [Fault("filters", error, _shown(item)) for item, error in tried if error is not None]


def _soft_delete(bare: IndexPlan, index: IndexPlan, attempt: Attempt) -> list[Fault]:
    marker = index.soft_delete
    if marker is None:
        return []
    if (error := attempt(replace(bare, soft_delete=replace(marker, when=())))) is not None:
        return [Fault("soft_delete", error)]
    tried = [
        (item, attempt(replace(bare, soft_delete=replace(marker, when=(item,)))))
        for item in marker.when
    ]
    return [
        Fault("soft_delete.when", error, _shown(item)) for item, error in tried if error is not None
    ]


def _field(field: Field, wrap: _Wrap, attempt: Attempt, above: str) -> list[Fault]:
    error = attempt(wrap(field))
    if error is None:
        return []
    path = join_path(above, field.key)
    if isinstance(field, JoinField | AggregateField):
        found = _edge(field, wrap, attempt, path)
        if found:
            return found
    if isinstance(field, ObjectField | JoinField):
        parent = field
        found = [
            fault
            for inner in field.fields
            for fault in _field(
                inner, lambda each: wrap(replace(parent, fields=(each,))), attempt, path
            )
        ]
        if found:
            return found
    return [Fault(path, error)]


def _edge(
    field: JoinField | AggregateField, wrap: _Wrap, attempt: Attempt, path: str
) -> list[Fault]:
    """The relation itself, then its filters one by one."""

    def over(edge: Edge) -> psycopg.Error | None:
        if isinstance(field, JoinField):
            return attempt(wrap(replace(field, edge=edge, fields=())))
        return attempt(wrap(replace(field, edge=edge)))

    if over(field.edge) is None:
        return []
    plain = replace(field.edge, filters=())
    if (error := over(plain)) is not None:
        return [Fault(path, error)]
    tried = [(item, over(replace(plain, filters=(item,)))) for item in field.edge.filters]
    return [
        Fault(f"{path}.filters", error, _shown(item)) for item, error in tried if error is not None
    ]


def _shown(condition: Condition) -> str:
    """A condition as a user recognizes it."""
    match condition:
        case RawCondition(sql):
            return " ".join(sql.split())
        case NullCondition(column, negated):
            return f"{column} {'is_not_null' if negated else 'is_null'}"
        case CompareCondition(column, op, operands):
            return f"{column} {op} {', '.join(operands)}"
