"""The field types of the schema language: what each maps to and which siblings it takes."""

from __future__ import annotations

SCALARS = {
    "text": "text",
    "identifier": "text",
    "keyword": "keyword",
    "enum": "keyword",
    "uuid": "keyword",
    "boolean": "boolean",
    "short": "short",
    "integer": "integer",
    "long": "long",
    "float": "float",
    "double": "double",
    "decimal": "double",
    "date": "date",
    "timestamp": "date",
    "binary": "binary",
    "json": "object",
}
"""Tag -> OpenSearch type."""

MAP_VALUES = tuple(tag for tag in SCALARS if tag not in ("boolean", "binary", "json"))
JOINS = ("belongs_to", "has_one", "has_many", "many_to_many")
TO_MANY = ("has_many", "many_to_many")
AGGREGATES = ("count", "sum", "avg", "min", "max", "ids", "values")
TAGS = (*SCALARS, "custom", "geo", "object", "map", *JOINS, *AGGREGATES, "constant")

_COLUMN = ("required", "column", "options", "description")
_JOIN = ("table", "schema", "primary_key", "fields", "options", "filters", "description")
_AGGREGATE = (
    "table",
    "schema",
    "foreign_key",
    "references",
    "through",
    "filters",
    "options",
    "description",
)

SIBLINGS: dict[str, tuple[str, ...]] = {
    **{tag: (*_COLUMN, "array", "path", "transforms", "default") for tag in SCALARS},
    "enum": (*_COLUMN, "array", "path", "transforms", "default", "variants"),
    "custom": (*_COLUMN, "array", "path", "default", "postgres", "opensearch"),
    "geo": (*_COLUMN, "lat", "lon"),
    "object": ("fields", "options", "description"),
    "map": (*_COLUMN, "values"),
    "belongs_to": (*_JOIN, "column", "required"),
    "has_one": (*_JOIN, "foreign_key", "references", "order_by", "required"),
    "has_many": (*_JOIN, "foreign_key", "references", "order_by", "limit"),
    "many_to_many": (*_JOIN, "through", "references", "order_by", "limit"),
    "count": (*_AGGREGATE, "column", "value_type"),
    "avg": (*_AGGREGATE, "column", "value_type"),
    **{tag: (*_AGGREGATE, "column", "value_type") for tag in ("sum", "min", "max")},
    "ids": (*_AGGREGATE, "element_type"),
    "values": (*_AGGREGATE, "column", "element_type", "distinct", "order_by", "limit"),
    "constant": ("value", "description"),
}
"""Tag -> the keys that may stand beside it."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "custom": ("postgres", "opensearch"),
    "object": ("fields",),
    "map": ("values",),
    "belongs_to": ("table", "primary_key", "fields"),
    "has_one": ("table", "primary_key", "fields", "foreign_key"),
    "has_many": ("table", "primary_key", "fields", "foreign_key"),
    "many_to_many": ("table", "primary_key", "fields", "through"),
    "count": ("table",),
    "avg": ("table", "column"),
    "sum": ("table", "column", "value_type"),
    "min": ("table", "column", "value_type"),
    "max": ("table", "column", "value_type"),
    "ids": ("table", "element_type"),
    "values": ("table", "column", "element_type"),
    "constant": ("value",),
}
"""Tag -> the keys that must stand beside it."""

INSTEAD: dict[tuple[str, str], str] = {
    ("belongs_to", "foreign_key"): "column",
    ("belongs_to", "through"): "column",
    ("belongs_to", "references"): "primary_key",
    **{
        (tag, name): "foreign_key"
        for tag in ("has_one", "has_many")
        for name in ("column", "through")
    },
    **{("many_to_many", name): "through" for name in ("column", "foreign_key")},
}
"""Keys of another relation's type -> the right one."""
