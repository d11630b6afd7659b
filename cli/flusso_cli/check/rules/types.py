"""The column types that each field type accepts.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from flusso_cli.check.probe.facts import ValueType

TEXTS = frozenset({"text", "varchar", "bpchar", "char", "citext", "name"})
NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "money"})
DOCUMENTS = frozenset({"json", "jsonb"})
_TIMES = frozenset({"timestamp", "timestamptz", "time", "timetz"})

ACCEPTED: dict[str, frozenset[str]] = {
    "text": TEXTS,
    "identifier": TEXTS,
    "keyword": TEXTS,
    "enum": TEXTS,
    "uuid": frozenset({"uuid"}),
    "boolean": frozenset({"bool"}),
    "short": frozenset({"int2"}),
    "integer": frozenset({"int4"}),
    "long": frozenset({"int8"}),
    "float": frozenset({"float4"}),
    "double": frozenset({"float8"}),
    "decimal": frozenset({"numeric", "money"}),
    "date": frozenset({"date"}),
    "timestamp": _TIMES,
    "binary": frozenset({"bytea"}),
    "json": DOCUMENTS,
    "map": DOCUMENTS,
    "geo": DOCUMENTS | TEXTS,
}
"""Tag -> `pg_type.typname`."""

_ALIASES = {
    "bool": "boolean",
    "int2": "smallint",
    "smallserial": "smallint",
    "int": "integer",
    "int4": "integer",
    "serial": "integer",
    "int8": "bigint",
    "bigserial": "bigint",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "varchar": "character varying",
    "bpchar": "character",
    "char": "character",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
}


def accepts(tag: str, type_: ValueType) -> bool:
    """Whether a field of type `tag` takes a column of that type; of an array, its elements count."""
    if tag == "enum" and type_.kind == "e":
        return True
    if tag == "geo" and type_.array:
        return type_.name in NUMBERS  # [lon, lat]
    return type_.name in ACCEPTED[tag]


def listed_by(names: Iterable[str], type_: ValueType, declared: Iterable[str]) -> bool:
    """Whether `postgres: [names]` of a custom field has the column's type, under any of its spellings."""
    own = {normalized(name) for name in (type_.name, type_.shown, *declared)}
    return any(normalized(name) in own for name in names)


def normalized(name: str) -> str:
    """A type's name without length, array marks and aliases: `VARCHAR(20)[]` -> `character varying`."""
    text = " ".join(name.lower().replace("[]", " ").split())
    before, _, rest = text.partition("(")
    # `timestamp(3) with time zone`: the length stands inside the name.
    text = " ".join(f"{before} {rest.partition(')')[2]}".split())
    text = text.removeprefix("pg_catalog.")
    return _ALIASES.get(text, text)


def fitting(type_: ValueType) -> str:
    """The tag to write for a column of that type."""
    if type_.kind == "e":
        return "`enum`"
    if type_.name in TEXTS:
        return "`text` or `keyword`"
    for tag, names in ACCEPTED.items():
        if type_.name in names:
            return f"`{tag}`"
    return f"`custom` with `postgres: [{type_.shown}]`"


# --- aggregates ---------------------------------------------------------------------------------

_SUMS = {"int2": "int8", "int4": "int8", "int8": "numeric", "money": "money"}
_SHOWN = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real"}
_WHOLE = ("short", "integer", "long")
_OF_WHOLE = {"int2": 0, "int4": 1, "int8": 2}
_FRACTIONS = frozenset({"float", "double", "half_float", "scaled_float"})
_HOLDS: dict[str, frozenset[str]] = {
    "keyword": TEXTS | {"uuid"},
    "text": TEXTS,
    "boolean": frozenset({"bool"}),
    "date": _TIMES | {"date"},
    "binary": frozenset({"bytea"}),
    "object": DOCUMENTS,
}
_TAGS = {"int2": "short", "int4": "integer", "int8": "long", "float4": "float", "float8": "double"}


def result(op: str, type_: ValueType) -> str:
    """The type (`typname`) that `sum`, `min` or `max` of a column of that type has."""
    if op == "sum":
        return _SUMS.get(type_.name, type_.name)
    return type_.name


def shown(name: str) -> str:
    """A `typname` as Postgres shows the type."""
    return _SHOWN.get(name, normalized(name))


def tag_for(name: str) -> str:
    """The `value_type` that fits a result exactly."""
    if name in ("numeric", "money"):
        return "decimal"
    return _TAGS.get(name) or next(
        (tag for tag, names in ACCEPTED.items() if name in names), "keyword"
    )


def holds(mapping: str, name: str, kind: str = "b") -> bool | None:
    """Whether a field mapped as `mapping` holds values of that type; None: only those that are small enough."""
    if mapping in _FRACTIONS and name in NUMBERS:
        return True
    if mapping in _WHOLE and name in NUMBERS:
        least = _OF_WHOLE.get(name)
        return True if least is not None and least <= _WHOLE.index(mapping) else None
    if mapping == "keyword" and kind == "e":
        return True
    # A mapping that this table does not know was chosen by the user, in `options`.
    return name in _HOLDS[mapping] if mapping in _HOLDS else mapping not in _WHOLE
