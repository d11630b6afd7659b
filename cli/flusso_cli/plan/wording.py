"""Parts of a plan in words, close to what the schema file says.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flusso_shared.plan.model import (
    AggregateField,
    ColumnField,
    CompareCondition,
    Condition,
    ConstantField,
    Edge,
    Field,
    GeoField,
    JoinField,
    NullCondition,
    ObjectField,
    OrderBy,
    SoftDelete,
)

Attributes = Mapping[str, str]
"""What a field says, by name; what it does not say is absent."""


def attributes(field: Field) -> Attributes:
    """What a field says, but for the fields in it."""
    found = {
        "description": field.description,
        "type": _type(field),
        "opensearch": field.mapping.type,
        "options": _json(field.mapping.options) if field.mapping.options else "",
        "variants": ", ".join(field.mapping.variants),
    }
    if not isinstance(field, ConstantField | ObjectField):
        found["required"] = "false" if field.nullable else "true"
    match field:
        case ColumnField():
            found |= _column(field)
        case GeoField():
            found |= {"lat": field.lat, "lon": field.lon}
        case ConstantField():
            found["value"] = _json(field.value)
        case JoinField():
            found |= {**_edge(field.edge), "primary_key": _names(field.primary_key)}
        case AggregateField():
            found |= {
                **_edge(field.edge),
                "column": field.column or "",
                "value_type": field.value_type,
                "distinct": "true" if field.distinct else "",
            }
        case ObjectField():
            pass
    return {name: text for name, text in found.items() if text}


def whole(field: Field) -> str:
    """A field in few words."""
    match field:
        case JoinField() | AggregateField():
            return f"{_type(field)} of {field.edge.table}"
        case _:
            return _type(field)


def conditions(given: Iterable[Condition]) -> str:
    """All of them."""
    return " and ".join(map(_condition, given))


def soft_delete(given: SoftDelete | None) -> str:
    """The column, and the conditions under which it counts."""
    if given is None:
        return ""
    return f"{given.column} when {conditions(given.when)}" if given.when else given.column


def _type(field: Field) -> str:
    match field:
        case ColumnField():
            return field.kind or field.mapping.type
        case GeoField():
            return "geo"
        case ConstantField():
            return "constant"
        case ObjectField():
            return "object"
        case JoinField():
            return field.kind
        case AggregateField():
            return field.op


def _column(field: ColumnField) -> dict[str, str]:
    return {
        "column": field.column,
        "path": ".".join(map(str, field.path)),
        "transforms": ", ".join(field.transforms),
        "default": "" if field.default is None else _json(field.default),
        "postgres": ", ".join(field.postgres),
        "values": field.values,
        "array": "true" if field.array else "",
    }


def _edge(edge: Edge) -> dict[str, str]:
    through = edge.junction
    return {
        "table": str(edge.table),
        "keys": f"{_names(edge.parent)} = {_names(edge.child)}",
        "through": f"{through.table} ({_names(through.left)} -> {_names(through.right)})"
        if through
        else "",
        "filters": conditions(edge.filters),
        "order_by": ", ".join(map(_order, edge.order_by)),
        "limit": "" if edge.limit is None else str(edge.limit),
    }


def _condition(given: Condition) -> str:
    match given:
        case CompareCondition(column, op, operands):
            return f"{column} {op} {', '.join(operands)}"
        case NullCondition(column, negated):
            return f"{column} is {'not ' if negated else ''}null"
        case _:
            return f"({given.sql}){' volatile' if given.volatile else ''}"


def _order(given: OrderBy) -> str:
    return f"{given.column} {'desc' if given.descending else 'asc'}"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(columns)


def _json(value: Any) -> str:
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
