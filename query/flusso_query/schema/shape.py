"""The fields of an index as clients see them, read from a plan in the form of the lock.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flusso_query.schema import value_types
from flusso_query.schema.value_types import Value

Kind = Literal["value", "map", "object"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One field."""

    key: str
    path: str
    """Dotted, from the root."""
    mapping: str
    """The type of the field in OpenSearch; `nested` for the rows of a to-many relation."""
    kind: Kind = "value"
    value: Value = "Any"
    """The type of one value, or of the values of a map."""
    tag: str = ""
    """Of a map: the type of its values in the schema language."""
    nullable: bool = False
    many: bool = False
    """Whether documents have a list of it."""
    variants: tuple[str, ...] = ()
    fields: tuple[Shape, ...] = ()
    """Of an object."""
    subfields: bool = False
    """Whether it has the automatic subfields, where the sinks have them."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class IndexShape:
    """All fields of one index."""

    name: str
    hash: str
    fields: tuple[Shape, ...]
    description: str = ""


def index_shape(plan: Mapping[str, Any]) -> IndexShape:
    """The shape of a plan.  Raises `KeyError` on what is no plan."""
    return IndexShape(
        plan["name"], plan["hash"], _fields(plan["fields"], ""), plan.get("description", "")
    )


def walk(fields: Sequence[Shape]) -> Iterator[Shape]:
    """Every field, parents before children."""
    for field in fields:
        yield field
        yield from walk(field.fields)


def _fields(items: Sequence[Mapping[str, Any]], above: str) -> tuple[Shape, ...]:
    return tuple(_field(item, f"{above}.{item['key']}" if above else item["key"]) for item in items)


def _field(item: Mapping[str, Any], path: str) -> Shape:
    mapping, options = item["mapping"], item["mapping"]["options"]
    type_ = str(options.get("type", mapping["type"]))
    about = item.get("description", "")
    if "fields" in item:
        many = item.get("kind") in ("has_many", "many_to_many")
        return Shape(
            item["key"],
            path,
            type_,
            "object",
            nullable=item.get("nullable", False) and not many,
            many=many,
            fields=_fields(item["fields"], path),
            description=about,
        )
    kind: Kind = "map" if item.get("kind") == "map" else "value"
    return Shape(
        item["key"],
        path,
        type_,
        kind,
        _value(item, type_),
        tag=item.get("values", "") if kind == "map" else "",
        nullable=item.get("nullable", False),
        many=item.get("array", False) or item.get("op") in ("ids", "values"),
        variants=tuple(mapping["variants"]),
        subfields=type_ == mapping["type"] and "fields" not in options,
        description=about,
    )


def _value(item: Mapping[str, Any], mapping: str) -> Value:
    options = item["mapping"]["options"]
    if "lat" in item:
        return "Point"
    if "op" in item:
        return _aggregate(item)
    if "kind" not in item:
        return value_types.of_constant(item["value"])
    if item["kind"] == "custom":
        return "Any" if item["path"] else value_types.of_custom(item["postgres"], mapping)
    if item["kind"] == "map":
        return value_types.of_tag(item.get("values", ""))
    return value_types.of_tag(item["kind"], options)


def _aggregate(item: Mapping[str, Any]) -> Value:
    match item["op"]:
        case "count":
            return "int"
        case "avg":
            return "Decimal"  # of numeric, also where the column holds whole numbers
        case _:
            return value_types.of_tag(item.get("value_type", ""))
