"""Every column type against every field type, on a real catalog: what the schema reference says is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.documents import run
from support.kits.check_kit import checked, told

pytestmark = pytest.mark.services

_TEXT = "text identifier keyword enum"
# Column type -> the tags that take it (and `geo`, which takes a column in one of its forms).
_TAKEN = {
    "text": f"{_TEXT} geo",
    "varchar(20)": f"{_TEXT} geo",
    "char(3)": f"{_TEXT} geo",
    '"char"': f"{_TEXT} geo",
    "name": f"{_TEXT} geo",
    "text[]": _TEXT,
    "short_code": f"{_TEXT} geo",  # a domain over a domain over varchar
    "short_code[]": _TEXT,
    "mood": "enum",
    "mood[]": "enum",
    "glad_mood": "enum",  # a domain over an enum
    "uuid": "uuid",
    "boolean": "boolean",
    "smallint": "short",
    "integer": "integer",
    "bigint": "long",
    "integer[]": "integer geo",
    "int[][]": "integer geo",
    "counts": "integer geo",  # a domain over integer[]
    "real": "float",
    "double precision": "double",
    "float8[]": "double geo",
    "numeric": "decimal",
    "numeric(10,2)": "decimal",
    "money": "decimal",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp(3) with time zone": "timestamp",
    "time": "timestamp",
    "timetz": "timestamp",
    "timestamptz[]": "timestamp",
    "bytea": "binary",
    "json": "json map geo",
    "jsonb": "json map geo",
    "inet": "",
    "interval": "",
    "point": "",
    "int4range": "",
    "tsvector": "",
    "xml": "",
    "bit(3)": "",
    "pair": "",
}
_TAGS = (
    f"{_TEXT} uuid boolean short integer long float double decimal date timestamp binary json map geo"
).split()


def test_every_type_against_every_tag(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN glad_mood AS mood",
        "CREATE DOMAIN code AS varchar(7)",
        "CREATE DOMAIN short_code AS code",
        "CREATE DOMAIN counts AS integer[]",
        "CREATE TYPE pair AS (a int, b int)",
    )
    types = list(_TAKEN)
    columns = ", ".join(f"c{at} {type_}" for at, type_ in enumerate(types))
    run(database, f"CREATE TABLE things (id int PRIMARY KEY, {columns})")
    lines = ["table: things", "primary_key: id", "fields:"]
    for at in range(len(types)):
        for tag in _TAGS:
            values = ", values: text" if tag == "map" else ""
            lines.append(f"  - {{ {tag}: {tag}_{at}, column: c{at}{values} }}")
    report = checked(tmp_path, database, "\n".join(lines))
    refused = {item.field for item in report.diagnostics if item.rule == "column-type"}
    taken = {
        type_: " ".join(tag for tag in _TAGS if f"{tag}_{at}" not in refused)
        for at, type_ in enumerate(types)
    }
    assert taken == {
        type_: " ".join(tag for tag in _TAGS if tag in tags.split())
        for type_, tags in _TAKEN.items()
    }
    assert told(report, "column-type", "array-column") == []


@pytest.mark.parametrize(
    ("field", "warned"),
    [
        ("{ keyword: tags }", ["models would have one value of column `tags`"]),
        ("{ keyword: tags, array: true }", []),
        ("{ custom: tags, postgres: [text], opensearch: keyword, array: true }", []),
        ("{ keyword: name, array: true }", ["`array: true`, but column `name`"]),
        ("{ keyword: name }", []),
        ("{ json: extra }", []),
        ("{ keyword: first, column: extra, path: [0], array: true }", []),
    ],
)
def test_arrays_are_declared(database: str, tmp_path: Path, field: str, warned: list[str]) -> None:
    run(database, "CREATE TABLE things (id int PRIMARY KEY, name text, tags text[], extra jsonb)")
    schema = f"table: things\nprimary_key: id\nfields:\n  - {field}"
    report = checked(tmp_path, database, schema)
    found = [item.message for item in report.diagnostics if item.rule == "array-column"]
    assert len(found) == len(warned)
    assert all(wanted in text for wanted, text in zip(warned, found, strict=True))


_CUSTOM = [
    ("inet", "inet", True),
    ("numeric(10,2)", "numeric", True),
    ("numeric(10,2)", "DECIMAL", True),
    ("varchar(9)[]", "character varying", True),
    ("varchar(9)", "varchar(20)", True),
    ("timestamp(3) with time zone", "timestamptz", True),
    ("timestamptz", "timestamp with time zone", True),
    ("timestamptz", "timestamp", False),
    ("code", "code", True),
    ("code", "varchar", True),
    ("code[]", "varchar", True),
    ("mood", "mood", True),
    ("int8range", "int4range, int8range", True),
    ("bit varying(4)", "varbit", True),
    ("inet", "cidr", False),
    ("integer", "bigint", False),
]
"""Column type, what `postgres` names, whether that is right."""


def test_custom_takes_the_types_it_names(database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"c{at} {type_}" for at, (type_, *_) in enumerate(_CUSTOM))
    run(
        database,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN code AS varchar(7)",
        f"CREATE TABLE things (id int PRIMARY KEY, {columns})",
    )
    fields = [
        f"  - {{ custom: c{at}, postgres: [{names}], opensearch: keyword }}"
        for at, (_, names, _) in enumerate(_CUSTOM)
    ]
    report = checked(tmp_path, database, "\n".join(["table: things", "fields:", *fields]))
    assert told(report, "array-column") == [
        ("error", "column-type", f"things.c{at}")
        for at, (*_, taken) in enumerate(_CUSTOM)
        if not taken
    ]


_AGGREGATES = [
    ("sum", "smallint", "long", ""),
    ("sum", "smallint", "short", "warning"),
    ("sum", "integer", "long", ""),
    ("sum", "integer", "integer", "warning"),
    ("sum", "integer", "short", "error"),
    ("sum", "integer", "decimal", ""),
    ("sum", "bigint", "long", ""),
    ("sum", "bigint", "decimal", ""),
    ("sum", "numeric(9,2)", "decimal", ""),
    ("sum", "numeric", "long", "error"),
    ("sum", "money", "decimal", ""),
    ("sum", "real", "float", ""),
    ("sum", "double precision", "double", ""),
    ("sum", "amount", "decimal", ""),
    ("sum", "integer", "keyword", "error"),
    ("sum", "text", "long", "error"),
    ("sum", "integer[]", "long", "error"),
    ("sum", "interval", "double", "error"),
    ("avg", "integer", "", ""),
    ("avg", "text", "", "error"),
    ("avg", "interval", "", "error"),
    ("min", "smallint", "short", ""),
    ("min", "integer", "long", ""),
    ("min", "bigint", "integer", "error"),
    ("max", "timestamptz", "timestamp", ""),
    ("max", "date", "timestamp", ""),
    ("max", "date", "keyword", "error"),
    ("max", "text", "keyword", ""),
    ("max", "mood", "enum", ""),
    ("min", "varchar(3)", "text", ""),
    ("min", "text", "integer", "error"),
    ("min", "boolean", "boolean", "error"),  # there is no min(boolean)
    ("values", "integer", "integer", ""),
    ("values", "integer", "long", ""),
    ("values", "bigint", "integer", "error"),
    ("values", "mood", "keyword", ""),
    ("values", "varchar(9)", "text", ""),
    ("values", "date", "date", ""),
    ("values", "date", "integer", "error"),
    ("values", "text", "boolean", "error"),
]
"""Operation, column type, `value_type`, what is said."""


def test_aggregates_have_the_type_of_their_result(database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"c{at} {type_}" for at, (_, type_, *_) in enumerate(_AGGREGATES))
    run(
        database,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN amount AS numeric(9,2)",
        "CREATE TABLE things (id int PRIMARY KEY)",
        f"CREATE TABLE parts (id int PRIMARY KEY, thing_id int, {columns})",
        "CREATE INDEX ON parts (thing_id)",
    )
    lines = ["table: things", "primary_key: id", "fields:"]
    for at, (op, _, declared, _) in enumerate(_AGGREGATES):
        name = "element_type" if op == "values" else "value_type"
        value_type = f", {name}: {declared}" if declared else ""
        lines.append(
            f"  - {{ {op}: f{at}, table: parts, column: c{at}{value_type}, foreign_key: thing_id }}"
        )
    report = checked(tmp_path, database, "\n".join(lines))
    said = {item.field: item.severity for item in report.diagnostics}
    got = [(*case[:3], said.get(f"f{at}", "")) for at, case in enumerate(_AGGREGATES)]
    assert got == _AGGREGATES


_IDS = [
    ("id int PRIMARY KEY", "integer", True),
    ("id int PRIMARY KEY", "long", True),
    ("id bigint PRIMARY KEY", "integer", False),
    ("id uuid PRIMARY KEY", "uuid", True),
    ("id uuid PRIMARY KEY", "long", False),
    ("id int, b int, PRIMARY KEY (id, b)", "keyword", True),
    ("id int, b int, PRIMARY KEY (id, b)", "integer", False),
]
"""Primary key, `element_type`, whether that holds it."""


def test_ids_hold_the_primary_key(database: str, tmp_path: Path) -> None:
    run(database, "CREATE TABLE things (id int PRIMARY KEY)")
    lines = ["table: things", "primary_key: id", "fields:"]
    for at, (key, declared, _) in enumerate(_IDS):
        run(
            database,
            f"CREATE TABLE parts{at} (thing_id int, {key})",
            f"CREATE INDEX ON parts{at} (thing_id)",
        )
        lines.append(
            f"  - {{ ids: f{at}, table: parts{at}, element_type: {declared}, foreign_key: thing_id }}"
        )
    assert told(checked(tmp_path, database, "\n".join(lines))) == [
        ("error", "column-type", f"things.f{at}") for at, (*_, fits) in enumerate(_IDS) if not fits
    ]


@pytest.mark.parametrize(
    ("column", "refused"),
    [("data jsonb", False), ("data json", False), ("data text", True), ("data jsonb[]", True)],
)
def test_a_path_looks_inside_json(
    column: str, refused: bool, database: str, tmp_path: Path
) -> None:
    run(database, f"CREATE TABLE things (id int PRIMARY KEY, {column})")
    field = "{ integer: size, column: data, path: [size], required: true }"
    schema = f"table: things\nprimary_key: id\nfields:\n  - {field}\n"
    found = [item for item in told(checked(tmp_path, database, schema)) if item[1] == "column-type"]
    assert len(found) == refused
