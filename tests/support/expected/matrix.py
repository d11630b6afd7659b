"""One table with a column of every type of Postgres, one row per awkward value, and what must become of each.

The oracle reads the rows through psycopg and makes the JSON of them in Python (docs/types.md says the same in words).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.adapt import Loader
from psycopg.rows import dict_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.hstore import register_hstore
from psycopg.types.json import set_json_loads

from support.expected.matrix_oracle import Convert, same

Row = Mapping[str, Any]

TRAPS = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kolkata",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-9",
    "bytea_output": "escape",
    "quote_all_identifiers": "on",
}


def set_traps(url: str) -> None:
    """Let the database's own settings print every value differently, in all sessions that begin later."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
        assert row is not None
        for name, value in TRAPS.items():
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(row[0]), sql.Identifier(name), sql.Literal(value)
            )
            connection.execute(statement)


@dataclass(frozen=True)
class Field:
    """One field of the document."""

    column: str
    convert: Convert
    yaml: Mapping[str, Any]
    missing: Any = None
    """What a NULL becomes."""


@dataclass(frozen=True)
class Case:
    """One row: this value in this column, every other NULL."""

    column: str
    value: str
    refused: str = ""
    """What the reason in the quarantine says; empty: the document is in the index."""


@dataclass
class Matrix:
    """Columns, fields and cases, as they are declared below."""

    columns: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)

    def add(
        self,
        name: str,
        type_: str,
        tag: str,
        convert: Convert = same,
        *,
        fine: Iterable[str] = (),
        bad: Mapping[str, str] | None = None,
        **siblings: Any,
    ) -> None:
        """A column with its field; the values it takes and those that are refused."""
        self.columns[name] = type_
        self.field(name, name, tag, convert, **siblings)
        self.more(name, *fine, **(bad or {}))

    def field(
        self,
        key: str,
        column: str,
        tag: str,
        convert: Convert,
        missing: Any = None,
        **siblings: Any,
    ) -> None:
        """One more field of a column."""
        given = {tag: key, "column": column, **siblings}
        if tag == "custom":
            given["postgres"] = [self.columns[column]]
        self.fields[key] = Field(column, convert, given, missing)

    def more(self, column: str, *fine: str, **bad: str) -> None:
        self.cases += [Case(column, value) for value in fine]
        self.cases += [Case(column, value, reason) for value, reason in bad.items()]

    def schema(self) -> str:
        """The schema file."""
        listed = "\n".join(f"  - {json.dumps(item.yaml)}" for item in self.fields.values())
        return f"table: matrix\nprimary_key: id\nfields:\n  - integer: id\n{listed}\n"

    def table(self) -> str:
        listed = "".join(f", {name} {type_}" for name, type_ in self.columns.items())
        return f"CREATE TABLE matrix (id int PRIMARY KEY{listed})"

    def insert(self, connection: psycopg.Connection[Any], ids: Iterable[int]) -> None:
        """The rows of these cases; a row's id is the number of its case."""
        for number_ in ids:
            case = self.cases[number_]
            type_ = self.columns[case.column]
            # As if it stood in quotes in SQL: Postgres alone says what it means.
            statement = f"INSERT INTO matrix (id, {case.column}) VALUES (%s, %s::text::{type_})"
            connection.execute(statement.encode(), (number_, case.value))

    def expected(self, url: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The documents of these rows."""
        wanted = [int(item) for item in ids]
        with psycopg.connect(url) as connection:
            _understand(connection)
            cursor = connection.cursor(row_factory=dict_row)
            rows = cursor.execute("SELECT * FROM matrix WHERE id = ANY(%s)", (wanted,)).fetchall()
        return {str(row["id"]): self._document(row) for row in rows}

    def _document(self, row: Row) -> dict[str, Any]:
        document: dict[str, Any] = {"id": row["id"]}
        for key, item in self.fields.items():
            value = row[item.column.lower()]
            document[key] = item.missing if value is None else item.convert(value)
        return document


def parsed(text: str | bytes) -> Any:
    """JSON with exact numbers; None for what is too deep to be read."""
    try:
        return json.loads(text, parse_float=Decimal)
    except RecursionError:
        return None


class _Text(Loader):
    """What Postgres prints, for types that Python's own cannot hold (year 10000, BC, infinity, 24:00)."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


def _understand(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET quote_all_identifiers = off")
    connection.execute(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres"
    )
    connection.execute("SET extra_float_digits = 1; SET bytea_output = hex")
    set_json_loads(parsed, connection)
    texts = "date timestamp timestamptz time timetz interval int4range int8range numrange daterange"
    texts += " tsrange tstzrange int4multirange datemultirange"
    for name in texts.split():
        connection.adapters.register_loader(name, _Text)
    hstore = TypeInfo.fetch(connection, "hstore")
    assert hstore is not None
    register_hstore(hstore, connection)
    composite = CompositeInfo.fetch(connection, "part")
    assert composite is not None
    register_composite(composite, connection)
    # Their arrays come as text unless psycopg has heard of the element.
    for name in ("mood", "citext", "money", "price", "padded", "blob", "day"):
        found = TypeInfo.fetch(connection, name)
        assert found is not None
        found.register(connection)
    for name, like in (("blob", "bytea"), ("day", "date")):
        loader = connection.adapters.get_loader(
            connection.adapters.types[like].oid, psycopg.pq.Format.TEXT
        )
        assert loader is not None
        connection.adapters.register_loader(connection.adapters.types[name].oid, loader)
