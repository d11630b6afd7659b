"""The handle of a field: its type, and what it is made with.  By the field's type in OpenSearch.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from flusso_query.schema.shape import Shape
from flusso_query.schema.value_types import Value
from flusso_shared.schema.types import SCALARS

_TEXTS = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text"})
_KEYWORDS = frozenset({"keyword", "wildcard", "constant_keyword", "ip", "version", "flat_object"})
_INTEGERS = frozenset(
    {"byte", "short", "integer", "long", "unsigned_long", "integer_range", "long_range"}
)
_FRACTIONS = frozenset({"half_float", "float", "double", "float_range", "double_range"})
_DATES = frozenset({"date", "date_nanos", "date_range"})
_PLAIN = {
    "boolean": "Bool",
    "geo_point": "Geo",
    "geo_shape": "Geo",
    "binary": "Binary",
    "knn_vector": "Vector",
}


@dataclass(frozen=True, slots=True)
class Handle:
    """How a handle is written."""

    name: str
    """The class in `flusso_query`."""
    value: Value | None = None
    """The type of the values in queries, where the class takes one; `Any` stands for the field's labels."""
    mapping: str = ""
    """OpenSearch's type, where the class takes one."""
    read: str = ""
    """What makes a value of text, where that is not the text."""
    subfields: bool = False


def handle(shape: Shape, *, auto_subfields: bool) -> Handle:
    """That of a field that is no object."""
    if shape.kind == "map":
        return _map(shape)
    subfields = auto_subfields and shape.subfields
    mapping = shape.mapping
    if mapping in _TEXTS:
        return Handle("Text", subfields=subfields and mapping == "text")
    if mapping in _KEYWORDS:
        return _keyword(shape, subfields=subfields and mapping == "keyword")
    if mapping in _INTEGERS | _FRACTIONS or mapping == "scaled_float":
        return Handle("Number", _number(shape), mapping)
    if mapping in _DATES:
        return Handle("Date", shape.value if shape.value in ("date", "datetime") else "str")
    return Handle(_PLAIN.get(mapping, "Json"))


def _keyword(shape: Shape, *, subfields: bool) -> Handle:
    if shape.variants:
        return Handle("Enum", "Any", subfields=subfields)
    if shape.value == "UUID":
        return Handle("Keyword", "UUID", read="UUID", subfields=subfields)
    return Handle("Keyword", "str", subfields=subfields)


def _number(shape: Shape) -> Value:
    if shape.value in ("int", "float", "Decimal"):
        return shape.value
    if shape.mapping == "scaled_float":
        return "Decimal"
    return "int" if shape.mapping in _INTEGERS else "float"


def _map(shape: Shape) -> Handle:
    match SCALARS.get(shape.tag):
        case "text":
            return Handle("TextMap")
        case "keyword":
            return Handle("KeywordMap")
        case "date":
            return Handle("DateMap")
        case "short" | "integer" | "long":
            # OpenSearch makes the field of a key of the first value that it sees.
            return Handle("NumberMap", "int", "long")
        case "float" | "double":
            return Handle("NumberMap", "Decimal" if shape.tag == "decimal" else "float", "double")
        case _:
            return Handle("Json")
