"""The JSON Schema of `*.schema.yml`, made from the tables that the loader itself uses.  Pure.

It gives editors completion, descriptions, and per type the keys that may and must stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from flusso_shared.plan.model import CompareOp
from flusso_shared.schema import types

Json = dict[str, Any]

_COMPARE: tuple[str, ...] = get_args(CompareOp)
_LISTS = ("in", "not_in", "between")
_NULL = ("is_null", "is_not_null")

_TAGS = {
    "text": "Analyzed text.",
    "identifier": "Text of codes and part numbers, analyzed so that their parts are found.",
    "keyword": "Exact text, for filters, sorting and aggregations.",
    "enum": "A keyword out of a few; `variants` gives their order.",
    "uuid": "A uuid column.",
    "boolean": "True or false.",
    "short": "A smallint column.",
    "integer": "An integer column.",
    "long": "A bigint column.",
    "float": "A real column.",
    "double": "A double precision column.",
    "decimal": "A numeric or money column.",
    "date": "A date column.",
    "timestamp": "A timestamp column, with or without time zone.",
    "binary": "A bytea column, as base64.",
    "json": "A json or jsonb column as it is, stored and not indexed.",
    "custom": "Any column type as any OpenSearch type.",
    "geo": "A point, from one column or from `lat` and `lon`.",
    "object": "Columns of the same row, grouped.",
    "map": "A json or jsonb column with free keys and values of one type.",
    "belongs_to": "The one row that a column of this row names.",
    "has_one": "The one row that names this row.",
    "has_many": "The rows that name this row.",
    "many_to_many": "The rows that a junction table connects with this row.",
    "count": "How many related rows there are.",
    "sum": "The sum of a column of the related rows.",
    "avg": "The average of a column of the related rows.",
    "min": "The least value of a column of the related rows.",
    "max": "The greatest value of a column of the related rows.",
    "ids": "The primary keys of the related rows.",
    "values": "One column of the related rows, as a list.",
    "constant": "A fixed value.",
}

_EXAMPLE_KEYS = {
    "identifier": "sku",
    "enum": "status",
    "boolean": "inStock",
    "decimal": "price",
    "date": "birthDate",
    "timestamp": "createdAt",
    "geo": "position",
    "object": "account",
    "belongs_to": "customer",
    "has_one": "profile",
    "has_many": "orders",
    "many_to_many": "tags",
    "count": "orderCount",
    "sum": "lifetimeValue",
    "avg": "avgRating",
    "min": "minRating",
    "max": "lastOrderAt",
    "ids": "orderIds",
    "values": "orderStates",
    "constant": "kind",
}


def index_schema() -> Json:
    """The schema, draft-07."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flusso schema",
        "description": "One search document: a root table and the fields of its documents.",
        "type": "object",
        "required": ["table", "fields"],
        "additionalProperties": False,
        "properties": {
            "version": {
                "const": 1,
                "description": "The version of this format: 1.",
                "default": 1,
            },
            "table": {
                **_ref("name"),
                "description": "The root table: one document per row.",
                "examples": ["users"],
            },
            "schema": {
                **_ref("name"),
                "description": "Database schema of the root table and, unless they say otherwise, of related tables."
                " `public` when left out.",
                "default": "public",
                "examples": ["sales"],
            },
            "primary_key": {
                **_ref("columns"),
                "description": "The root's key; related rows find their document by it. The catalog's when left out.",
                "examples": ["id", ["order_id", "line"]],
            },
            "doc_id": {
                **_ref("columns"),
                "description": "A unique column that names the document in place of the primary key; a list for several.",
                "examples": ["sku"],
            },
            "soft_delete": {
                **_ref("soft_delete"),
                "description": "The marker of rows that are no documents any more.",
                "examples": [{"column": "deleted_at"}],
            },
            "filters": {
                **_ref("filters"),
                "description": "Rows outside are no documents.",
                "examples": [[{"column": "visible", "op": "eq", "value": True}]],
            },
            "fields": {
                **_ref("fields"),
                "description": "The fields of the document, in order.",
                "examples": [[{"keyword": "email"}]],
            },
            "verify_every": {
                "type": "string",
                "pattern": "^[1-9][0-9]{0,5}[smh]$",
                "description": "How often every document is compared with the database and repaired: 30s, 10m, 1h."
                " Never when left out.",
                "examples": ["10m"],
            },
            "description": {
                "type": "string",
                "description": "What a document is; the docstring of its generated model.",
                "examples": ["A user with addresses and orders."],
            },
        },
        "definitions": _definitions(),
    }


def _definitions() -> Json:
    siblings = _siblings()
    tags = {f"field_{tag}": _tag(tag, siblings) for tag in types.TAGS}
    return {
        "name": {"type": "string", "minLength": 1, "maxLength": 130},
        "columns": {
            "oneOf": [_ref("name"), {"type": "array", "items": _ref("name"), "minItems": 1}]
        },
        "key": {
            "type": "string",
            "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$",
            "maxLength": 63,
        },
        "fields": {"type": "array", "items": _ref("field")},
        "field": {
            "type": "object",
            "anyOf": [{"required": [tag]} for tag in types.TAGS],
            "allOf": [{"if": _says(tag), "then": _ref(f"field_{tag}")} for tag in types.TAGS],
        },
        "filters": {"type": "array", "items": _ref("filter")},
        "filter": _filter(),
        "through": {
            "description": "The junction table, and its columns that name this row and the related one.",
            "type": "object",
            "required": ["table", "left_key", "right_key"],
            "additionalProperties": False,
            "properties": {
                "table": {
                    **_ref("name"),
                    "description": "The junction table.",
                    "examples": ["product_tags"],
                },
                "schema": {
                    **_ref("name"),
                    "description": "Its database schema; that of the related table when left out.",
                    "examples": ["sales"],
                },
                "left_key": {
                    **_ref("columns"),
                    "description": "Its column that names this row; a list for a key of several columns.",
                    "examples": ["product_id"],
                },
                "right_key": {
                    **_ref("columns"),
                    "description": "Its column that names the related row; a list for a key of several columns.",
                    "examples": ["tag_id"],
                },
            },
        },
        "soft_delete": {
            "description": "A row is no document while the marker is true, or not NULL.",
            "type": "object",
            "additionalProperties": False,
            "oneOf": [{"required": ["column"]}, {"required": ["field"]}],
            "properties": {
                "column": {
                    **_ref("name"),
                    "description": "The marker, by its column.",
                    "examples": ["deleted_at"],
                },
                "field": {
                    **_ref("key"),
                    "description": "The marker, by the key of a field of this file.",
                    "examples": ["deletedAt"],
                },
                "when": {
                    **_ref("filters"),
                    "description": "Conditions that must be true too.",
                    "examples": [[{"column": "kind", "op": "neq", "value": "archive"}]],
                },
            },
        },
        **tags,
    }


def _says(tag: str) -> Json:
    """A field is of the type whose tag it has; beside `map`, `values` is something else."""
    if tag == "values":
        return {"required": ["values"], "not": {"required": ["map"]}}
    return {"required": [tag]}


def _tag(tag: str, siblings: Mapping[str | tuple[str, str], Json]) -> Json:
    properties = {
        name: siblings[(tag, name)] if (tag, name) in siblings else siblings[name]
        for name in types.SIBLINGS[tag]
    }
    schema: Json = {
        "description": _TAGS[tag],
        "required": [tag, *types.REQUIRED.get(tag, ())],
        "additionalProperties": False,
        "properties": {
            tag: {
                **_ref("key"),
                "description": f"{_TAGS[tag]} The value is the key in the document.",
                "examples": [_EXAMPLE_KEYS.get(tag, "name")],
            },
            **properties,
        },
    }
    if tag in types.AGGREGATES:
        schema["oneOf"] = [{"required": ["foreign_key"]}, {"required": ["through"]}]
    if tag == "geo":
        schema["dependencies"] = {"lat": ["lon"], "lon": ["lat"]}
        schema["not"] = {"required": ["column", "lat"]}
    return schema


def _siblings() -> dict[str | tuple[str, str], Json]:
    """Key -> its schema; (tag, key) where it depends on the tag."""
    element = {"enum": list(types.SCALARS)}
    composite = "a list for a key of several columns"
    common: dict[str | tuple[str, str], Json] = {
        "description": {
            "type": "string",
            "description": "What the field is; the docstring of the field in generated models.",
            "examples": ["The time of the last order."],
        },
        "array": {
            "type": "boolean",
            "description": "Whether the column is an array; generated models then have a list.",
            "default": False,
            "examples": [True],
        },
        "required": {
            "type": "boolean",
            "description": "Whether every document has a value.",
            "default": False,
            "examples": [True],
        },
        "column": {
            **_ref("name"),
            "description": "The column; the document key in lower case when left out.",
            "examples": ["created_at"],
        },
        "options": {
            "type": "object",
            "description": "Merged over the OpenSearch mapping.",
            "examples": [{"index": False}],
        },
        "path": {
            "description": "Where the value stands in a json or jsonb column: keys and positions.",
            "type": "array",
            "minItems": 1,
            "items": {"type": ["string", "integer"]},
            "examples": [["address", "lines", 0]],
        },
        "transforms": {
            "description": "Changes to a text, in order: `lowercase`, `trim`.",
            "type": "array",
            "items": {"enum": ["lowercase", "trim"]},
            "examples": [["lowercase", "trim"]],
        },
        "default": {
            "type": ["string", "number", "boolean", "null"],
            "description": "In place of NULL.",
            "examples": ["unknown"],
        },
        "variants": {
            "description": "The labels in their order; gives the subfield `.sort`.",
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string", "pattern": "\\S"},
            "examples": [["pending", "paid", "shipped"]],
        },
        "postgres": {
            "description": "The column's types in Postgres that `flusso check` accepts.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "string"},
            "examples": [["inet"]],
        },
        "opensearch": {
            "description": "The type of the field in OpenSearch.",
            "type": "string",
            "pattern": "\\S",
            "examples": ["ip"],
        },
        "lat": {**_ref("name"), "description": "The column of the latitude.", "examples": ["lat"]},
        "lon": {**_ref("name"), "description": "The column of the longitude.", "examples": ["lon"]},
        "fields": {
            **_ref("fields"),
            "description": "The fields of the object, in order.",
            "examples": [[{"keyword": "city"}]],
        },
        "table": {**_ref("name"), "description": "The related table.", "examples": ["orders"]},
        "schema": {
            **_ref("name"),
            "description": "The related table's database schema; that of the row it is related to when left out.",
            "examples": ["sales"],
        },
        "primary_key": {
            **_ref("columns"),
            "description": f"The related table's key; {composite}.",
            "examples": ["id"],
        },
        "foreign_key": {
            **_ref("columns"),
            "description": f"The related table's column that names this row; {composite}.",
            "examples": ["user_id"],
        },
        "references": {
            **_ref("columns"),
            "description": "The unique column of this row that related rows name, in place of its key.",
            "examples": ["code"],
        },
        "through": {
            **_ref("through"),
            "description": "The junction table, in place of `foreign_key`.",
            "examples": [
                {"table": "product_tags", "left_key": "product_id", "right_key": "tag_id"}
            ],
        },
        "filters": {
            **_ref("filters"),
            "description": "Related rows outside are left out.",
            "examples": [[{"column": "status", "op": "neq", "value": "cancelled"}]],
        },
        "order_by": {
            "description": "The order of the related rows; their key comes last of itself.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["column"],
                "additionalProperties": False,
                "properties": {
                    "column": {
                        **_ref("name"),
                        "description": "The related table's column.",
                        "examples": ["placed_at"],
                    },
                    "direction": {
                        "enum": ["asc", "desc"],
                        "description": "`asc` or `desc`.",
                        "default": "asc",
                        "examples": ["desc"],
                    },
                },
            },
            "examples": [[{"column": "placed_at", "direction": "desc"}]],
        },
        "limit": {
            "type": "integer",
            "minimum": 1,
            "description": "The first so many related rows; all when left out.",
            "examples": [10],
        },
        "value_type": {
            **element,
            "description": "The type of the result.",
            "examples": ["decimal"],
        },
        "element_type": {
            **element,
            "description": "The type of the list's elements.",
            "examples": ["keyword"],
        },
        "distinct": {
            "type": "boolean",
            "description": "Each value once.",
            "default": False,
            "examples": [True],
        },
        "value": {"description": "Any JSON value.", "examples": ["product"]},
    }
    aggregated = {
        **_ref("name"),
        "description": "The related table's column.",
        "examples": ["total"],
    }
    special: dict[str | tuple[str, str], Json] = {
        ("map", "values"): {
            "enum": list(types.MAP_VALUES),
            "description": "The type of the values.",
            "examples": ["keyword"],
        },
        ("belongs_to", "column"): {
            **_ref("columns"),
            "description": f"This row's column that names the related row; {composite}.",
            "examples": ["customer_id"],
        },
        ("belongs_to", "required"): {
            "type": "boolean",
            "description": "Whether every row has the related row.",
            "default": False,
            "examples": [True],
        },
        **{(tag, "column"): aggregated for tag in types.AGGREGATES},
    }
    return common | special


def _filter() -> Json:
    scalar = {"type": ["string", "number", "boolean"]}
    items = {"type": "array", "items": scalar, "minItems": 1}

    def form(operators: tuple[str, ...], value: Json | None, example: Any = None) -> Json:
        properties: Json = {
            "column": {
                **_ref("name"),
                "description": "The column of that table.",
                "examples": ["status"],
            },
            "op": {
                "enum": list(operators),
                "description": "The comparison.",
                "examples": [operators[0]],
            },
        }
        if value is not None:
            properties["value"] = {
                **value,
                "description": "Compared in the column's type; a list for `in` and `not_in`, two for `between`.",
                "examples": [example],
            }
        return {
            "type": "object",
            "required": list(properties),
            "additionalProperties": False,
            "properties": properties,
        }

    return {
        "oneOf": [
            {
                "type": "object",
                "required": ["raw"],
                "additionalProperties": False,
                "properties": {
                    "raw": {
                        "type": "string",
                        "pattern": "\\S",
                        "description": "A condition in SQL over the columns of that table, without qualification.",
                        "examples": ["quantity > reserved"],
                    },
                    "volatile": {
                        "type": "boolean",
                        "description": "Whether its answer may change without a change of the row: it reads other tables,"
                        " or the clock. Needs `verify_every`.",
                        "default": False,
                        "examples": [True],
                    },
                },
            },
            form(_NULL, None),
            form(tuple(op for op in _COMPARE if op not in _LISTS), scalar, "paid"),
            form(("in", "not_in"), items, ["paid", "shipped"]),
            form(("between",), {**items, "minItems": 2, "maxItems": 2}, [10, 20]),
        ]
    }


def _ref(name: str) -> Json:
    # Beside a `$ref`, draft-07 reads nothing else.
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}
