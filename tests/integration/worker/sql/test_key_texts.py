"""A key is one text, wherever it comes from: snapshot, log, related rows, the SQL that builds (fault-case 48).

The database is set to print every value in another way than the sessions of the product ask for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import Literal

from flusso_capture.snapshot.table_reader import Reader
from flusso_capture.source.connection import connect
from flusso_shared.change import Change, Op
from flusso_shared.clock import SystemClock
from flusso_shared.names import TableName
from flusso_shared.plan.model import Hop, Plan
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.postgres.database import Database
from flusso_worker.sql.document import DocumentSql, compose
from flusso_worker.sql.hops import hop_sql
from flusso_worker.sql.parameters import array_literal
from support.documents import plan_of
from support.expected.matrix import set_traps
from support.kits.capture_kit import Kit
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services

_TYPES = """
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE DOMAIN code AS char(4);
CREATE DOMAIN host AS inet;
CREATE TYPE part AS (a int, b text);
CREATE TABLE blob (id int);
"""

KEYS: dict[str, tuple[str, ...]] = {
    "smallint": ("-1",),
    "bigint": ("9223372036854775807",),
    "numeric": ("1.10", "NaN", "-Infinity", "1e40"),
    "numeric(10,2)": ("1.1",),
    "real": ("1.1", "NaN"),
    "double precision": ("0.1", "1e300", "-Infinity"),
    "money": ("-1234.5",),
    "boolean": ("true", "false"),
    "text": (
        "",
        " ",
        "a/b",
        "_x",
        "a:b",
        "q\"u\\o't,e{}",
        "n\nl",
        "\U0001f600 ß",
        "NULL",
        "x" * 600,
    ),
    "varchar(9)": ("NULL", "a b"),
    "char(5)": ("ab", "", "  a"),
    "code": ("ab",),
    '"char"': ("a",),
    "citext": ("aBc",),
    "name": ("a name",),
    "uuid": ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",),
    "bytea": ("\\x", "\\x00ff5c22"),
    "date": ("2024-02-03", "infinity", "0044-03-15 BC", "10000-01-01"),
    "timestamp": ("2024-02-03 04:05:06.789", "-infinity"),
    "timestamptz": ("2024-02-03 04:05:06.789+02", "0044-03-15 00:00:00+00 BC"),
    "time": ("24:00", "04:05:06.5"),
    "timetz": ("04:05:06+02",),
    "interval": ("1 year -2 days 03:04:05.6",),
    "inet": ("10.0.0.1", "10.0.0.1/24", "::1", "::1/64"),
    "host": ("10.0.0.2",),
    "cidr": ("10.0.0.0/24", "::1/128"),
    "macaddr": ("08:00:2b:01:02:03",),
    "bit(3)": ("101",),
    "bit varying": ("", "1"),
    "mood": ("it's",),
    "int4range": ("[1,5)", "empty"),
    "tstzrange": ('["2024-01-01 00:00:00+00",)',),
    "int4multirange": ("{[1,3),[5,9)}",),
    "tsvector": ("'a':1A 'b'",),
    "jsonb": ('{"a": [1.10, "x"]}', "null"),
    "oid": ("4294967295",),
    "pg_lsn": ("16/B374D848",),
    "int[]": ("{{1,NULL},{3,4}}", "{}"),
    "text[]": ('{"a,b",NULL,"NULL","","q\\"\\\\"}',),
    "boolean[]": ("{t,f}",),
    "part": ('(1,"a ""b""")', "(,)"),
}
"""Type -> values that a key of it may have."""

_SCHEMA = """
table: k{at}
primary_key: key
fields:
  - ids: children
    table: c{at}
    foreign_key: ref
    element_type: keyword
"""


@dataclass(frozen=True)
class Keyed:
    """One type with its two tables."""

    type: str
    sql: DocumentSql
    root: TableName
    child: TableName

    def built(self, database: Database, key: tuple[str, ...]) -> list[str]:
        """The ids of the documents that are built for a key."""
        return [row[0] for row in database.rows(self.sql.build, [array_literal([key[0]])])]


@dataclass(frozen=True)
class World:
    """All tables, and every text of their keys."""

    kit: Kit
    catalog: Catalog
    keyed: tuple[Keyed, ...]
    database: Database
    changes: dict[TableName, list[Change]]


@pytest.fixture
def world(database: str, slot_name: str, tmp_path: Path) -> Iterator[World]:
    """Rows with every key, read from the log; they still exist."""
    # Opened before the traps are set: what is written means what it says.
    with psycopg.connect(database, autocommit=True) as writer:
        writer.execute("SET TimeZone = 'UTC'")
        set_traps(database)
        writer.execute(_TYPES)
        plans = []
        for at, type_ in enumerate(KEYS):
            writer.execute(f"CREATE TABLE k{at} (key {type_} PRIMARY KEY)".encode())
            writer.execute(
                f"CREATE TABLE c{at} (id int PRIMARY KEY, ref {type_} NOT NULL)".encode()
            )
            plans.append(plan_of(tmp_path, _SCHEMA.format(at=at), f"k{at}"))
        kit = Kit(database, slot_name, Plan(tuple(plans)))
        with connect(database) as connection:
            catalog = read_catalog(connection, kit.plan.tables)
        keyed = tuple(
            Keyed(type_, compose(plan, catalog), plan.root, TableName("public", f"c{at}"))
            for at, (type_, plan) in enumerate(zip(KEYS, plans, strict=True))
        )
        values = [
            (at, number, type_, value)
            for at, (type_, given) in enumerate(KEYS.items())
            for number, value in enumerate(given)
        ]
        builder = OwnDatabase(database, "test", SystemClock(threading.Event()))
        with kit.running():
            for at, number, type_, value in values:
                literal = Literal(value).as_string(writer)
                cast = f"{literal}::text::{type_}"
                writer.execute(f"INSERT INTO k{at} VALUES ({cast})".encode())
                writer.execute(f"INSERT INTO c{at} VALUES ({number}, {cast})".encode())
                writer.execute(f"UPDATE c{at} SET ref = ref WHERE id = {number}".encode())
                writer.execute(f"DELETE FROM c{at} WHERE id = {number}".encode())
                writer.execute(f"INSERT INTO c{at} VALUES ({number}, {cast})".encode())
            found = kit.expect(5 * len(values))
            changes: dict[TableName, list[Change]] = {}
            for change in found:
                changes.setdefault(change.table, []).append(change)
            yield World(kit, catalog, keyed, builder, changes)
        builder.close()


def test_every_key_is_one_text(world: World) -> None:
    wrong: list[str] = []
    with connect(world.kit.url) as connection:
        for keyed in world.keyed:
            id_of = keyed.sql.id_of
            for at, change in enumerate(world.changes[keyed.root]):
                built = keyed.built(world.database, change.key)
                if built != [id_of(change.key)]:
                    wrong.append(f"{keyed.type}: log {change.key}, built {built}")
                links = _links(world, keyed, at)
                ids = {id_of(link) for link in links}
                for link in links:
                    ids.update(keyed.built(world.database, link))
                if ids != set(built):
                    wrong.append(f"{keyed.type}: built {built}, of related rows {ids}")
            logged = sorted(change.key for change in world.changes[keyed.root])
            table = world.catalog.tables[keyed.root]
            reader = Reader(connection, table, frozenset(), 1)
            snapshot = _walk(reader)
            if sorted(snapshot) != logged:
                wrong.append(f"{keyed.type}: log {logged}, snapshot {snapshot}")
            walked = sorted(id_of(key) for key in world.database.rows(keyed.sql.all_keys))
            if walked != sorted(map(id_of, logged)):
                wrong.append(f"{keyed.type}: log {logged}, walk {walked}")
    assert not wrong, "\n".join(wrong)


def test_ids_are_in_the_form_of_the_document(world: World) -> None:
    ids = {
        keyed.type: [keyed.sql.id_of(change.key) for change in world.changes[keyed.root]]
        for keyed in world.keyed
    }
    assert ids["boolean"] == ["true", "false"]
    assert ids["char(5)"] == ["ab", "", "  a"]
    assert ids["code"] == ["ab"]
    assert ids["inet"] == ["10.0.0.1", "10.0.0.1/24", "::1", "::1/64"]
    assert ids["host"] == ["10.0.0.2"]
    assert ids["cidr"] == ["10.0.0.0/24", "::1/128"]
    assert ids["timestamptz"][0] == "2024-02-03 02:05:06.789+00"
    assert ids["bytea"] == ["\\x", "\\x00ff5c22"]
    assert ids["real"] == ["1.1", "NaN"]
    assert ids["text"] == list(KEYS["text"])


def test_a_key_of_several_such_columns(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as writer:
        writer.execute("SET TimeZone = 'UTC'")
        set_traps(database)
        writer.execute(
            "CREATE TABLE things (a inet, b boolean, c char(3), d text[], e timestamptz,"
            " PRIMARY KEY (a, b, c, d, e));"
            "CREATE TABLE parts (id int PRIMARY KEY, a inet, b boolean, c char(3), d text[], e timestamptz);"
            "INSERT INTO things VALUES ('10.0.0.1', true, 'x', '{{a},{b}}', '2024-01-01 00:00+00');"
            "INSERT INTO parts SELECT 1, * FROM things"
        )
    schema = """
        table: things
        primary_key: [a, b, c, d, e]
        fields:
          - ids: parts
            table: parts
            foreign_key: [a, b, c, d, e]
            element_type: keyword
          - ids: own
            table: things
            foreign_key: [a, b, c, d, e]
            element_type: keyword
    """
    plan = plan_of(tmp_path, schema)
    with connect(database) as connection:
        catalog = read_catalog(connection, plan.tables)
    sql = compose(plan, catalog)
    builder = OwnDatabase(database, "test", SystemClock(threading.Event()))
    way = next(way for way in plan.ways if way.table.name == "parts")
    lookup = hop_sql(Hop(way.table, ("id",), way.columns), catalog)
    (linked,) = builder.rows(lookup, [array_literal(["1"])])
    for key in (linked, ("10.0.0.1", "t", "x  ", "{{a},{b}}", "2024-01-01 00:00:00+00")):
        (row,) = builder.rows(sql.build, [array_literal([value]) for value in key])
        wanted = "10.0.0.1:true:x:{{a},{b}}:2024-01-01 00:00:00+00"
        assert row[0] == sql.id_of(key) == wanted
        assert row[1] == f'{{"parts":[1],"own":["{wanted}"]}}'
    builder.close()


def _links(world: World, keyed: Keyed, row: int) -> list[tuple[str, ...]]:
    """The key of the parent of child `row`, from every image that the log has and from the database."""
    created, updated, deleted, again = world.changes[keyed.child][4 * row : 4 * row + 4]
    assert [item.op for item in (created, updated, deleted, again)] == [
        Op.CREATE,
        Op.UPDATE,
        Op.DELETE,
        Op.CREATE,
    ]
    images = [created.after, updated.before, updated.after, deleted.before]
    texts = {image["ref"] for image in images if image is not None and "ref" in image}
    assert len(images) == 4
    assert None not in texts
    lookup = hop_sql(Hop(keyed.child, ("id",), ("ref",)), world.catalog)
    looked_up = world.database.rows(lookup, [array_literal([str(row)])])
    return [*((text,) for text in texts if text is not None), *looked_up]


def _walk(reader: Reader) -> list[tuple[str, ...]]:
    """All keys, page by page."""
    found: list[tuple[str, ...]] = []
    last: tuple[str, ...] = ()
    while rows := reader.after(last):
        found += [tuple(str(value) for value in row) for row in rows]
        last = found[-1]
    return found
