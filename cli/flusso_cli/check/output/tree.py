"""The typed mapping of an index as a tree, for both reports.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flusso_shared.plan.model import (
    AggregateField,
    ConstantField,
    Field,
    JoinField,
    ObjectField,
)


@dataclass(frozen=True, slots=True)
class Node:
    """A field of the document."""

    name: str
    type: str
    options: Mapping[str, Any]
    nullable: bool
    array: bool
    children: tuple[Node, ...] = ()


def tree(fields: Iterable[Field]) -> tuple[Node, ...]:
    """The fields with their OpenSearch types; automatic subfields are left out."""
    return tuple(_node(field) for field in fields)


def _node(field: Field) -> Node:
    mapping = field.mapping
    children = tree(field.fields) if isinstance(field, ObjectField | JoinField) else ()
    array = (isinstance(field, JoinField) and field.many) or (
        isinstance(field, AggregateField) and field.op in ("ids", "values")
    )
    type_ = str(mapping.options.get("type", mapping.type))
    options = {name: value for name, value in mapping.options.items() if name != "type"}
    return Node(field.key, type_, options, _nullable(field), array, children)


def _nullable(field: Field) -> bool:
    if isinstance(field, ConstantField):
        return field.value is None
    return not isinstance(field, ObjectField) and field.nullable
