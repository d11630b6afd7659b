"""What one value of a field is in Python: by the type of the schema, the columns it reads, and its mapping.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Value = Literal[
    "str",
    "UUID",
    "bool",
    "int",
    "float",
    "Decimal",
    "date",
    "datetime",
    "time",
    "bytes",
    "Point",
    "Any",
]

_TAGS: dict[str, Value] = {
    "text": "str",
    "identifier": "str",
    "keyword": "str",
    "enum": "str",
    "uuid": "UUID",
    "boolean": "bool",
    "short": "int",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "decimal": "Decimal",
    "date": "date",
    "timestamp": "datetime",
    "binary": "bytes",
    "geo": "Point",
}
"""Type of the schema -> type of the value; any other is not known."""
_OF_COLUMNS: tuple[tuple[Value, tuple[str, ...]], ...] = (
    ("int", ("smallint", "integer", "bigint", "int2", "int4", "int8", "int")),
    ("int", ("serial", "bigserial", "smallserial")),
    ("Decimal", ("numeric", "decimal", "money")),
    ("float", ("real", "double precision", "float4", "float8")),
    ("bool", ("boolean", "bool")),
    ("datetime", ("timestamp", "timestamptz")),
    ("datetime", ("timestamp without time zone", "timestamp with time zone")),
    ("str", ("text", "varchar", "character varying", "char", "citext", "name")),
    ("str", ("bpchar", "character", "time", "timetz", "interval", "inet", "cidr")),
    ("UUID", ("uuid",)),
    ("date", ("date",)),
    ("bytes", ("bytea",)),
)
_COLUMNS: dict[str, Value] = {name: value for value, names in _OF_COLUMNS for name in names}
"""Type of a column of a `custom` field -> type of the value."""
_TEXTS = ("text", "keyword", "match_only_text", "search_as_you_type", "wildcard", "ip", "version")


def of_tag(tag: str, options: Mapping[str, Any] | None = None) -> Value:
    """A value of a type of the schema."""
    if tag == "timestamp" and _only_times(str((options or {}).get("format", ""))):
        return "time"
    return _TAGS.get(tag, "Any")


def of_custom(postgres: Sequence[str], mapping: str) -> Value:
    """A value of a `custom` field, by the types of columns that it accepts."""
    # Every type that is not in the table is the text that Postgres prints, unless it is made of others.
    other: Value = "str" if mapping in _TEXTS else "Any"
    found: list[Value] = [_COLUMNS.get(_plain(name), other) for name in postgres]
    return found[0] if len(set(found)) == 1 else "Any"


def of_constant(value: Any) -> Value:
    """A fixed value."""
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case _:
            return "Any"


def _plain(name: str) -> str:
    """Without length and array marks: `VARCHAR(20)[]` -> `varchar`."""
    before, _, rest = name.lower().replace("[]", "").partition("(")
    return " ".join(f"{before} {rest.partition(')')[2]}".split()).removeprefix("pg_catalog.")


def _only_times(format: str) -> bool:
    """Whether a format of OpenSearch has the time of day only."""
    names = [name.removeprefix("strict_") for name in format.split("||")]
    return bool(format) and all(name.startswith(("hour", "time", "t_time", "HH")) for name in names)
