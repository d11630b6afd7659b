"""What differs from one random database to the next: types, generated columns, settings of the server.

The tables and their columns keep their names.  What a document must be does not depend on any of it, but for the
values that two types compare by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from random import Random
from typing import Any
from urllib.parse import quote

Place = tuple[str, str]
"""A table and a column of it."""

_REFERENCES: tuple[Place, ...] = (
    ("targets", "kind_id"),
    ("roots", "parent_id"),
    ("roots", "target_id"),
    ("children", "root_id"),
    ("children", "target_id"),
    ("leaves", "child_id"),
    ("parts", "root_id"),
)
_WIDE = ("bigint", "numeric", "wide_ref")
"""Types that hold what no key can be."""
_REFERENCE_TYPES = ("int", "int", "ref", *_WIDE)

_CODES = (
    ("int", "int"),
    ("int", "bigint"),
    ("bigint", "numeric"),
    ("numeric(8,2)", "int"),
    ("varchar(8)", "char(8)"),
    ("char(8)", "varchar(8)"),
    ("char(8)", "char(6)"),
    ("citext", "citext"),
    ("text COLLATE either_case", "text COLLATE either_case"),
    ("code", "varchar"),
    ("uuid", "uuid"),
    ("mark", "mark"),
    ("date", "timestamp"),
    ("timestamp", "date"),
)
"""Types of `targets.code`, and of `children.target_code` that refers to it."""

_ENCODINGS = ("UTF8", "UTF8", "LATIN1", "SQL_ASCII")
_LATIN = ("naïve café, ÿ", "ß", "½ ¡ó!")
_BEYOND = ("日本語", "€ 😀", "e\u0301")
"""Text that LATIN1 does not have.  No upper case: in the databases' locale, C, only ASCII has one."""

_SETTINGS = (
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "extra_float_digits = -5",
    "TimeZone = 'Asia/Kathmandu'",
    "statement_timeout = '1s'",
    "lock_timeout = '100ms'",
    "idle_in_transaction_session_timeout = '1s'",
    "idle_session_timeout = '3s'",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "standard_conforming_strings = off",
)
_OWN_SETTINGS = {
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read\\ committed",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "lock_timeout": "2s",
}

_COLLATION = """
CREATE COLLATION either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"""
_TYPES = """
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE TYPE spot AS (x int, note text);
CREATE DOMAIN ref AS int;
CREATE DOMAIN wide_ref AS bigint CHECK (VALUE <> -7);
CREATE DOMAIN code AS varchar(8);
CREATE DOMAIN grade AS int;
CREATE TYPE mood AS ENUM ('new', 'busy', 'done');
CREATE TYPE mark AS ENUM ({});
""".format(", ".join(f"'k{number}'" for number in range(21)))
_TABLES = """
CREATE TABLE kinds (id int PRIMARY KEY, name text, rank {rank});
CREATE TABLE targets (id {key} PRIMARY KEY, name text, rank {rank}, kind_id {targets_kind_id}, code {code} UNIQUE);
CREATE TABLE roots (
    id {key} PRIMARY KEY, name text, rank {rank}, flag boolean, gone boolean, data jsonb,
    parent_id {roots_parent_id}, target_id {roots_target_id}, status mood DEFAULT 'new',
    spot spot, tags hstore
);
CREATE TABLE children (
    id int PRIMARY KEY, root_id {children_root_id}, target_id {children_target_id}, name text, rank {rank},
    amount numeric(10, 2), target_code {code_reference}
);
CREATE TABLE leaves (id int PRIMARY KEY, {leaf_columns});
CREATE TABLE links (root_id {key}, target_id {key}, PRIMARY KEY (root_id, target_id));
CREATE TABLE parts ({part_columns}, PRIMARY KEY (region, no));
CREATE TABLE screws (id int PRIMARY KEY, region text, no int, rank {rank}) PARTITION BY RANGE (id);
CREATE TABLE screws_0 PARTITION OF screws FOR VALUES FROM (0) TO (500);
CREATE TABLE screws_1 PARTITION OF screws FOR VALUES FROM (500) TO (1000000);
CREATE INDEX ON targets (kind_id);
CREATE INDEX ON roots (parent_id);
CREATE INDEX ON roots (target_id);
CREATE INDEX ON children (root_id);
CREATE INDEX ON children (target_id);
CREATE INDEX ON children (target_code);
CREATE INDEX ON leaves (child_id);
CREATE INDEX ON links (target_id);
CREATE INDEX ON parts (root_id);
CREATE INDEX ON screws (region, no);
"""


@dataclass(frozen=True)
class World:
    """One kind of database.  Equal seeds give equal ones."""

    ddl: str
    """Makes the types and the tables."""
    encoding: str
    texts: tuple[str, ...]
    """Values that are not ASCII.  What is written in SQL_ASCII is UTF-8."""
    letter: str
    """What a code that is a text starts with."""
    regions: tuple[str, str]
    """The texts in the key of `parts`."""
    settings: tuple[str, ...]
    """`name = value`, for every session in the database that does not say otherwise."""
    writable: Mapping[Place, str]
    """Generated columns, and the columns that they are made of."""
    wide: frozenset[Place]
    """References that may hold what no key can be."""
    code_types: tuple[str, str]
    all_tables: bool
    """The publication is there beforehand, for all tables."""
    restricted: bool
    """The processes have a role that owns nothing and is subject to row-level security."""

    @property
    def references(self) -> list[Place]:
        """Columns that hold keys and are not generated."""
        return [place for place in _REFERENCES if place not in self.writable]

    def column(self, table: str, name: str) -> str:
        """The column to write for the value of that one."""
        return self.writable.get((table, name), name)

    def code(self, random: Random, number: int) -> str:
        """SQL of a code, spelled in one of the ways that are equal."""
        upper = self._ignores_case and random.random() < 0.5
        return self.code_of(str(number), self.letter.replace("k", "K") if upper else self.letter)

    def code_of(self, number: str, letter: str | None = None) -> str:
        """SQL of the code for a number from 0 to 20, which is SQL as well; `letter` spells the text otherwise."""
        if self.code_numbers:
            return number
        if self.code_types[0] in ("date", "timestamp"):
            return f"(date '2024-01-01' + ({number}))"
        if self.code_types[0] == "uuid":
            return f"md5('k' || ({number}))::uuid"
        if self.code_types[0] == "mark":
            return f"('k' || ({number}))::mark"
        return f"('{letter or self.letter}' || ({number}))"

    @property
    def code_numbers(self) -> bool:
        """Whether codes are numbers, as the keys are."""
        return self.code_types[0].startswith(("int", "bigint", "numeric"))

    @property
    def _ignores_case(self) -> bool:
        return "either_case" in self.code_types[0] or self.code_types[0] == "citext"

    def comparable(self) -> Callable[[Any], Any]:
        """What makes values equal in Python that are equal codes in the database."""

        def same(value: Any) -> Any:
            if isinstance(value, date) and not isinstance(value, datetime):
                return datetime.combine(value, time())
            if not isinstance(value, str):
                return value
            padded = any("char(" in each and "var" not in each for each in self.code_types)
            value = value.rstrip(" ") if padded else value
            return value.lower() if self._ignores_case else value

        return same


def worlds(random: Random) -> World:
    """A random one."""
    types = {place: random.choice(_REFERENCE_TYPES) for place in _REFERENCES}
    encoding = random.choice(_ENCODINGS)
    code, code_reference = random.choice(
        [pair for pair in _CODES if encoding != "SQL_ASCII" or "either_case" not in pair[0]]
    )
    writable: dict[Place, str] = {}
    rank = random.choice(["int", "int", "grade"])
    leaf_columns = f"child_id {types['leaves', 'child_id']}, name text, rank {rank}"
    part_columns = (
        f"region text, no int, root_id {types['parts', 'root_id']}, name text, rank {rank}"
    )
    if random.random() < 0.3:
        writable["leaves", "child_id"] = "child"
        types["leaves", "child_id"] = "bigint"
        leaf_columns = (
            f"child bigint, name text, rank {rank},"
            " child_id bigint GENERATED ALWAYS AS (child + 0) STORED"
        )
    if random.random() < 0.3:
        writable["parts", "no"] = "number"
        part_columns = (
            f"region text, number int, root_id {types['parts', 'root_id']}, name text, rank {rank},"
            " no int GENERATED ALWAYS AS (number) STORED"
        )
    # ICU knows no SQL_ASCII.
    types_ddl = _TYPES if encoding == "SQL_ASCII" else _COLLATION + _TYPES
    ddl = types_ddl + _TABLES.format(
        key=random.choice(["int", "int", "bigint"]),
        rank=rank,
        code=code,
        code_reference=code_reference,
        leaf_columns=leaf_columns,
        part_columns=part_columns,
        **{f"{table}_{column}": type_ for (table, column), type_ in types.items()},
    )
    return World(
        ddl=ddl,
        encoding=encoding,
        texts=_LATIN if encoding == "LATIN1" else _LATIN + _BEYOND,
        letter=random.choice(["k", "ök"]),
        regions=random.choice([("n", "s"), ("ñ", "ß")]),
        settings=tuple(random.sample(_SETTINGS, random.choice([0, 0, 3]))),
        writable=writable,
        wide=frozenset(place for place, type_ in types.items() if type_ in _WIDE),
        code_types=(code, code_reference),
        all_tables=random.random() < 0.3,
        restricted=random.random() < 0.3,
    )


def own_url(database_url: str) -> str:
    """The URL for sessions of the test, which the settings do not concern."""
    options = " ".join(f"-c {name}={value}" for name, value in _OWN_SETTINGS.items())
    # Statements are written in UTF-8, whatever the encoding of the database.
    return f"{database_url}?client_encoding=UTF8&options={quote(options)}"
