"""A column -> the field that holds all of its values.  Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flusso_cli.check.probe.facts import ValueType
from flusso_cli.check.rules.types import ACCEPTED, TEXTS, normalized
from flusso_cli.init import names
from flusso_cli.init.survey import Survey
from flusso_shared.names import TableName
from flusso_shared.schema.types import SCALARS

_SCALARS = ("uuid", "boolean", "short", "integer", "long", "float", "double", "decimal", "date")
_TAGS = {
    **{name: tag for tag in (*_SCALARS, "binary", "json") for name in ACCEPTED[tag]},
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
}
"""`pg_type.typname` -> type of a field that takes every value of it, or nearly."""
_EXACT = frozenset({"bpchar", "char", "name"})
"""Types of codes rather than of prose."""
_SHORT = frozenset(
    {"time", "timetz", "interval", "macaddr", "macaddr8", "oid", "xid", "xid8", "pg_lsn"}
)
"""Types whose texts always fit into a keyword."""
_LONGEST_TERM = 8191
"""Characters that are never more than the 32766 bytes that a keyword may have."""
_GEOMETRIES = frozenset({"geometry", "geography"})
_POINT = re.compile(r"\(Point(Z|M|ZM)?[,)]", re.IGNORECASE)
_SYSTEM = re.compile(r",(\d+)\)")
_DEGREES = 4326
_LABEL = re.compile(r"\w+([ .-]\w+)*", re.ASCII)
_SUBFIELDS = {"text": 2, "keyword": 2}
"""Which the mapping adds by itself; the order of an enum's labels takes one more."""

Sibling = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A field as it is written: the type, the document key, and the lines under it."""

    tag: str
    key: str
    siblings: tuple[Sibling, ...]
    properties: int
    """How many properties the mapping has for it, subfields included."""


def column_fields(
    survey: Survey, table: TableName, left_out: Collection[str] = ()
) -> list[ColumnField]:
    """A field per column of a table, in its order."""
    found: dict[str, ColumnField] = {}
    for column in survey.tables[table].columns:
        if column not in left_out:
            key = names.free([names.document_key(column)], found)
            found[key] = _field(survey, table, column, key)
    return list(found.values())


def _field(survey: Survey, table: TableName, column: str, key: str) -> ColumnField:
    type_ = survey.type(table, column)
    tag, more, mapped = _typed(survey, table, column, type_)
    siblings: list[Sibling] = []
    if key.lower() != column:
        siblings.append(("column", names.identifier(column)))
    siblings += more
    if type_.array and tag != "json":
        siblings.append(("array", "true"))
    if survey.not_null(table, [column]):
        siblings.append(("required", "true"))
    ordered = any(name == "variants" for name, _ in more)
    return ColumnField(tag, key, tuple(siblings), 1 + _SUBFIELDS.get(mapped, 0) + ordered)


def _typed(
    survey: Survey, table: TableName, column: str, type_: ValueType
) -> tuple[str, list[Sibling], str]:
    """The field's type, what that needs beside it, and what it is in the index."""
    if type_.kind == "e":
        return "enum", _variants(survey.labels.get((table, column), ())), "keyword"
    if type_.kind == "b" and type_.name in TEXTS:
        tag = "keyword" if type_.name in _EXACT or _is_name(survey, table, column) else "text"
        return tag, [], tag
    if type_.kind == "b" and type_.name in _TAGS:
        return _TAGS[type_.name], [], SCALARS[_TAGS[type_.name]]
    mapped, options = _custom(type_)
    place = geometry_mapping(survey.tables[table].columns[column].base_type)
    if place and type_.name in _GEOMETRIES and survey.has_geo_json(table, column):
        mapped = place
        # OpenSearch keeps one shape per document in its columns, but any number in its index.
        many = "doc_values: false, " if type_.array and mapped == "geo_shape" else ""
        options = f"{{ {many}ignore_malformed: true }} # one that OpenSearch refuses is kept, but not found"
    siblings = [
        ("postgres", f"[{names.scalar(normalized(type_.shown))}]"),
        ("opensearch", mapped),
    ]
    if options:
        siblings.append(("options", options))
    return "custom", siblings, mapped


def _is_name(survey: Survey, table: TableName, column: str) -> bool:
    """Whether a text names something: part of a key, or unique by itself."""
    known = survey.tables[table]
    keys = [key.columns for key in survey.keys_of(table)]
    keys += [key.target_columns for key in survey.keys_to(table)]
    keys.append(known.primary_key)
    return any(column in key for key in keys) or survey.unique(table, (column,))


def _variants(labels: Sequence[str]) -> list[Sibling]:
    """The order of labels, unless the index could not be told one of them."""
    if labels and all(_LABEL.fullmatch(label) for label in labels):
        return [("variants", f"[{', '.join(names.scalar(label) for label in labels)}]")]
    return []


def geometry_mapping(shown: str) -> str:
    """What holds geometries of a type as Postgres shows it: `geometry(Point,4326)`.

    Empty where the coordinates are no degrees: OpenSearch would find them at another place.
    """
    system = _SYSTEM.search(shown)
    if system is not None and int(system[1]) not in (0, _DEGREES):
        return ""
    return "geo_point" if _POINT.search(shown) else "geo_shape"


def _custom(type_: ValueType) -> tuple[str, str]:
    """What holds the values of other types, so that OpenSearch refuses none of them."""
    if type_.kind == "c":
        return "object", ""
    if type_.name == "hstore":
        return ("object" if type_.array else "flat_object"), ""
    if type_.name == "inet":
        return "ip", "{ ignore_malformed: true } # one with a mask is kept, but not found"
    if type_.name == "cidr":
        return "ip_range", ""
    if type_.kind == "b" and type_.name in _SHORT:
        return "keyword", ""
    return "keyword", f"{{ ignore_above: {_LONGEST_TERM} }}"
