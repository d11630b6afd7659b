"""A link is the `=` of the database between two columns of any types: every pair, both ways, compared with SQL."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import Literal

from flusso_capture.snapshot.table_reader import Reader
from flusso_capture.source.connection import connect
from flusso_shared.change import Change, Op, Position, Record
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError
from flusso_shared.metrics import Metrics
from flusso_shared.names import TableName
from flusso_shared.plan.link_columns import Place
from flusso_shared.plan.model import Hop, IndexPlan
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.documents.build import Builder
from flusso_worker.documents.change_batch import gather
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.documents.resolve import Resolver
from flusso_worker.maintenance import key_walk_sql
from flusso_worker.postgres.database import Database
from flusso_worker.sql.hops import hop_sql
from flusso_worker.sql.parameters import array_literal
from support.documents import plan_of, run
from support.kits.check_kit import checked, role
from support.kits.own_database import OwnDatabase
from support.stores.small import change

pytestmark = pytest.mark.services

_TYPES = (
    "CREATE SCHEMA extensions",
    "CREATE EXTENSION citext SCHEMA extensions",
    "CREATE EXTENSION hstore SCHEMA extensions",
    "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
    "CREATE DOMAIN code AS varchar(9)",
    "CREATE DOMAIN few AS int CHECK (VALUE < 100)",
    "CREATE TYPE part AS (a int, b text)",
    "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
)

PAIRS: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("varchar(8)", "char(8)"): (("AB", "AB  ", "C", "", "abcdefgh"), ("AB", "C", "", "x", "abcdefgh")),
    ("char(8)", "varchar(8)"): (("AB", "C"), ("AB", "AB  ", " AB", "x")),
    ("varchar", "char(5)"): (("AB", "AB ", "C"), ("AB", "x")),
    ("text", "char(5)"): (("AB", "AB ", "C"), ("AB", "x")),
    ("char(5)", "text"): (("AB", "C"), ("AB", "AB ", "AB   ")),
    ("char(3)", "char(8)"): (("AB",), ("AB", "ABC", "ABCD")),
    ("text", "varchar(9)"): (("AB", ""), ("AB", "", "ab")),
    ("varchar(2)", "text"): (("AB",), ("AB", "ABC")),
    ("name", "text"): (("AB",), ("AB", "ab")),
    ("code", "varchar(30)"): (("AB",), ("AB", "ABABABABABAB")),
    ("text", '"char"'): (("A",), ("A", "B")),
    ("int", "bigint"): (("4", "-7"), ("4", "-7", "9007199254740994")),
    ("bigint", "int"): (("4", "9007199254740994"), ("4", "5")),
    ("smallint", "bigint"): (("4",), ("4", "70000")),
    ("few", "bigint"): (("4",), ("4", "100", "9007199254740994")),
    ("int", "numeric"): (("4", "-1"), ("4", "4.00", "4.5", "1e30", "NaN", "Infinity", "-1.0")),
    ("bigint", "numeric"): (("9223372036854775807",), ("9223372036854775807", "9223372036854775807.5")),
    ("numeric", "bigint"): (("4.00", "4.5"), ("4", "9007199254740994")),
    ("numeric", "numeric"): (("1.0", "NaN"), ("1.00", "1", "1.01", "NaN")),
    ("numeric(10,2)", "numeric(12,4)"): (("1.5",), ("1.5", "1.5001")),
    ("double precision", "int"): (("4", "0.1"), ("4", "5")),
    ("real", "double precision"): (("0.1", "0.5", "-0"), ("0.1", "0.5", "0")),
    ("numeric", "double precision"): (("0.1", "0.5"), ("0.1", "1e300")),
    ("oid", "int"): (("4",), ("4", "5")),
    ("money", "money"): (("1.5",), ("1.50", "2")),
    ("boolean", "boolean"): (("true", "false"), ("true",)),
    ("date", "timestamp"): (("2024-02-03", "infinity"), ("2024-02-03", "2024-02-03 01:00", "infinity")),
    ("timestamp", "date"): (("2024-02-03", "2024-02-03 01:00"), ("2024-02-03",)),
    ("timestamptz", "date"): (("2024-02-03 00:00+00", "2024-02-03 00:00+02"), ("2024-02-03",)),
    ("timestamptz", "timestamp"): (("2024-02-03 00:00+00",), ("2024-02-03", "2024-02-03 02:00")),
    ("interval", "interval"): (("1 day",), ("24 hours", "1 day", "2 days")),
    ("timetz", "timetz"): (("04:00+02",), ("04:00+02", "02:00+00")),
    ("uuid", "uuid"): (("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",), ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",)),
    ("mood", "mood"): (("it's",), ("it's", "sad")),
    ("bytea", "bytea"): (("\\x00ff",), ("\\x00ff", "\\x00")),
    ("inet", "inet"): (("10.0.0.1", "10.0.0.1/24"), ("10.0.0.1/32", "10.0.0.1/24", "::1")),
    ("inet", "cidr"): (("10.0.0.0/24", "10.0.0.1"), ("10.0.0.0/24", "10.0.0.1/32")),
    ("jsonb", "jsonb"): (('{"a": 1}', "1.0"), ('{"a":1.0}', "1", "2")),
    ("int[]", "int[]"): (("{1,2}", "{{1},{2}}", "{}"), ("{1,2}", "[0:1]={1,2}", "{}")),
    ("part", "part"): (('(1,"a b")', "(,)"), ('(1,"a b")', "(2,)")),
    ("extensions.citext", "extensions.citext"): (("aBc", "d"), ("ABC", "abc", "x")),
    ("extensions.citext", "text"): (("aBc",), ("ABC", "aBc")),
    ("text", "extensions.citext"): (("aBc", "abc"), ("ABC", "aBc")),
    ("extensions.citext[]", "extensions.citext[]"): (("{aBc}",), ("{ABC}", "{x}")),
    ("extensions.hstore", "extensions.hstore"): (("a=>1, b=>2",), ("b=>2, a=>1", "a=>2")),
    ("text COLLATE folded", "text"): (("aBc",), ("ABC", "aBc", "x")),
    ("text", "text COLLATE folded"): (("aBc", "abc"), ("ABC", "x")),
    ("text COLLATE folded", "text COLLATE folded"): (("aBc",), ("ABC", "x")),
    ("char(4) COLLATE folded", "varchar(8)"): (("aB",), ("AB", "ab ")),
    ("varchar(8)", "char(4) COLLATE folded"): (("aB", "AB "), ("ab",)),
    ("text", 'text COLLATE "C"'): (("aBc",), ("aBc", "ABC")),
}  # fmt: skip
"""Types of (parent's key, child's column) -> values of each."""

_DOWN = """
table: a{at}
primary_key: key
fields:
  - ids: children
    table: b{at}
    foreign_key: ref
    element_type: integer
  - many_to_many: others
    table: a{at}
    primary_key: key
    through: {{ table: j{at}, left_key: l, right_key: r }}
    fields: []
"""
_UP = """
table: b{at}
primary_key: id
fields:
  - belongs_to: parent
    column: ref
    table: a{at}
    primary_key: key
    fields:
      - ids: siblings
        table: b{at}
        foreign_key: ref
        element_type: integer
"""


@dataclass
class Index:
    """Resolves and builds one index."""

    database: Database
    plan: IndexPlan

    def __post_init__(self) -> None:
        catalog, sql = prepare_sql(self.plan, self.database)
        self.resolver = Resolver(self.plan, catalog, sql.all_keys)
        self.builder = Builder(sql, Metrics())

    def applied(self, *changes: Change) -> tuple[set[str], set[str]]:
        """The ids of documents that the changes write, and of those that they delete."""
        records = [Record(Position("t", 0, at), each) for at, each in enumerate(changes)]
        snapshot = self.database.begin()
        keys = list(self.resolver.resolve(self.database, gather(records)).keys)
        operations = self.builder.build(self.database, snapshot, keys)[0].operations if keys else ()
        self.database.finish()
        written = {item.id for item in operations if item.document is not None}
        return written, {item.id for item in operations if item.document is None}


@pytest.fixture
def connection(database: str) -> Iterator[Database]:
    run(database, *_TYPES)
    made = OwnDatabase(database, "test", SystemClock(threading.Event()))
    yield made
    made.close()


def _fill(writer: psycopg.Connection, at: int, types: tuple[str, str]) -> None:
    parent, child = types
    keys, refs = PAIRS[types]
    writer.execute(f"CREATE TABLE a{at} (key {parent} PRIMARY KEY)".encode())
    writer.execute(f"CREATE TABLE b{at} (id int PRIMARY KEY, ref {child})".encode())
    writer.execute(f"CREATE TABLE j{at} (id int PRIMARY KEY, l {child}, r {child})".encode())
    for number, (table, value) in enumerate(
        [*((f"a{at} (key)", key) for key in keys), *((f"b{at} (ref, id)", ref) for ref in refs)]
    ):
        literal = Literal(value).as_string(writer)
        more = "" if table.startswith("a") else f", {number - len(keys)}"
        cast = (parent if table.startswith("a") else child).partition(" COLLATE")[0]
        writer.execute(f"INSERT INTO {table} VALUES ({literal}::text::{cast}{more})".encode())
    writer.execute(
        f"INSERT INTO j{at} SELECT row_number() OVER (), x.ref, y.ref FROM b{at} x, b{at} y".encode()
    )


def _rows(writer: psycopg.Connection, statement: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in writer.execute(statement.encode())]


def _union(rows: Iterable[tuple[str, ...]], *of: object) -> set[str]:
    return {row[1] for row in rows if row[0] in of}


def test_every_pair_of_types_links_as_the_database_compares(
    connection: Database, database: str, tmp_path: Path
) -> None:
    wrong: list[str] = []
    with psycopg.connect(database, autocommit=True) as writer:
        writer.execute("SET search_path = public, extensions; SET TimeZone = 'UTC'")
        for at, types in enumerate(PAIRS):
            _fill(writer, at, types)
            wrong += [f"{types}: {each}" for each in _differences(connection, writer, tmp_path, at)]
    assert not wrong, "\n".join(wrong)


def _differences(
    connection: Database, writer: psycopg.Connection, folder: Path, at: int
) -> Iterator[str]:
    a, b, j = (TableName("public", f"{table}{at}") for table in "abj")
    down = Index(connection, plan_of(folder, _DOWN.format(at=at), f"a{at}"))
    up = Index(connection, plan_of(folder, _UP.format(at=at), f"b{at}"))
    # As the log prints values.
    keys = [key for (key,) in _rows(writer, f"SELECT format('%s', key) FROM a{at}")]
    by_id = {down.builder.sql.id_of((key,)): key for key in keys}
    refs = _rows(writer, f"SELECT id::text, format('%s', ref) FROM b{at} ORDER BY id")
    pairs = _rows(
        writer,
        f"SELECT b.id::text, format('%s', a.key), format('%s', b.ref) FROM a{at} a, b{at} b WHERE b.ref = a.key",
    )
    parents = [(child, down.builder.sql.id_of((key,))) for child, key, _ in pairs]
    for child, ref in refs:
        for moved, other in (*refs, (child, ref)):
            given = change(b, [child], {"ref": ref}, {"ref": other})
            wanted = _union(parents, child, moved)
            written, deleted = down.applied(given)
            if written != wanted or deleted & by_id.keys():
                yield f"{ref!r} moved to {other!r}: {written} written, {deleted} deleted, not {wanted}"
        gone = change(b, [child], {"ref": ref}, op=Op.DELETE)
        written, deleted = down.applied(gone)
        if written != _union(parents, child) or deleted & by_id.keys():
            yield f"{ref!r} deleted: {written} written, {deleted} deleted"
    yield from _of_junction(writer, down, j, at, set(by_id))
    for key in keys:
        own = {child for child, mine, _ in pairs if mine == key}
        # Every child of an equal key, and the siblings of these.
        alike = {ref for child, mine, ref in pairs if mine == key}
        wanted = own | {child for child, _, ref in pairs if ref in alike}
        written, _ = up.applied(change(a, [key], {"key": key}, {"key": key}))
        if not own <= written or not written <= wanted:
            yield f"parent {key!r}: {written} written, not {wanted}"


def _of_junction(
    writer: psycopg.Connection, down: Index, junction: TableName, at: int, existing: set[str]
) -> Iterator[str]:
    id_of = down.builder.sql.id_of
    linked = _rows(
        writer,
        f"SELECT j.id::text, format('%s', a.key) FROM j{at} j JOIN a{at} a ON j.l = a.key",
    )
    rows = _rows(writer, f"SELECT id::text, format('%s', l), format('%s', r) FROM j{at}")
    for number, left, right in rows:
        ids = {id_of((key,)) for row, key in linked if row == number}
        written, deleted = down.applied(change(junction, [number], None, {"l": left, "r": right}))
        if written != ids or deleted & existing:
            yield f"junction {left!r}, {right!r}: {written} written, {deleted} deleted, not {ids}"
    far = _rows(
        writer,
        f"SELECT DISTINCT format('%s', y.key), format('%s', x.key) FROM a{at} x, j{at} j, a{at} y"
        " WHERE j.l = x.key AND j.r = y.key",
    )
    for (key,) in _rows(writer, f"SELECT format('%s', key) FROM a{at}"):
        ids = {id_of((key,)), *(id_of((near,)) for other, near in far if other == key)}
        written, deleted = down.applied(change(down.plan.root, [key]))
        if written != ids or deleted & existing:
            yield f"far row {key!r}: {written} written, {deleted} deleted, not {ids}"


REFUSED = {
    ("uuid", "text"): "operator does not exist: text = uuid",
    ("int", "varchar(9)"): "operator does not exist: character varying = integer",
    ("mood", "text"): "operator does not exist: text = mood",
    ("int", "few[]"): "operator does not exist: few[] = integer",
    ('text COLLATE "C"', "text COLLATE folded"): "could not determine which collation to use",
}
"""Types of (parent's key, child's column) -> why they are refused."""


def test_columns_that_cannot_be_compared_are_named_by_check_and_start(
    connection: Database, database: str, tmp_path: Path
) -> None:
    for at, (parent, child) in enumerate(REFUSED):
        run(
            database,
            f"CREATE TABLE a{at} (key {parent} PRIMARY KEY)",
            f"CREATE TABLE b{at} (id int PRIMARY KEY, ref {child})",
            f"CREATE TABLE j{at} (id int PRIMARY KEY, l {parent}, r {child})",
        )
    report = checked(tmp_path, database, *(_DOWN.format(at=at) for at in range(len(REFUSED))))
    found = [item for item in report.diagnostics if item.rule == "link-type"]
    for at, reason in enumerate(REFUSED.values()):
        index = "things" if at == 0 else f"things{at + 1}"
        told = {item.field: item.message for item in found if item.index == index}
        assert set(told) == {"children", "others"}
        plan = plan_of(tmp_path, _DOWN.format(at=at), index)
        with pytest.raises(FatalError) as refused:
            prepare_sql(plan, connection)
        for field, column in (("children", f"`ref` of table `public.b{at}`"), ("others", "`r` of")):
            assert column in told[field]
            assert f"column `key` of table `public.a{at}`" in told[field]
            assert reason in told[field]
            assert f"field `{field}`: {told[field]}" in str(refused.value)
    assert {item.rule for item in report.diagnostics if item.severity == "error"} == {"link-type"}


def test_a_type_whose_operators_the_role_may_not_use_is_refused(
    database: str, slot_name: str, tmp_path: Path
) -> None:
    """Otherwise `=` would silently compare text."""
    run(
        database,
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION citext SCHEMA extensions",
        "CREATE TABLE a (key extensions.citext PRIMARY KEY)",
    )
    plan = plan_of(tmp_path, "table: a\nprimary_key: key\nfields: []", "a")
    with role(database, slot_name) as url:
        run(database, f"GRANT SELECT ON a TO {slot_name}")
        connection = OwnDatabase(url, "test", SystemClock(threading.Event()))
        with pytest.raises(FatalError, match="permission denied for schema extensions"):
            prepare_sql(plan, connection)
        run(database, f"GRANT USAGE ON SCHEMA extensions TO {slot_name}")
        connection.close()
        prepare_sql(plan, connection)
        connection.close()


def test_links_of_several_columns(connection: Database, database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE a (x varchar(8), y int, z extensions.citext, PRIMARY KEY (x, y, z))",
        "CREATE TABLE b (id int PRIMARY KEY, x char(5), y numeric, z extensions.citext)",
        "INSERT INTO a VALUES ('AB', 1, 'q'), ('CD', 2, 'r')",
    )
    schema = """
        table: a
        primary_key: [x, y, z]
        fields:
          - count: parts
            table: b
            foreign_key: [x, y, z]
    """
    index = Index(connection, plan_of(tmp_path, schema, "a"))
    b = TableName("public", "b")
    values = [("AB   ", "1.0", "Q"), ("CD", "2", "R"), ("CD", "2.5", "r"), ("CD", "1e30", "r")]
    images = [dict(zip("xyz", each, strict=True)) for each in values]
    assert index.applied(*(change(b, [1], None, each) for each in images)) == (
        {"AB:1:q", "CD:2:r"},
        set(),
    )
    assert index.applied(change(b, [1], images[0], images[2])) == ({"AB:1:q"}, set())


def test_pages_of_keys_are_in_the_order_of_the_type(database: str, tmp_path: Path) -> None:
    """Of a type in a schema off the search path: nothing is skipped or read twice."""
    words = ["a", "B", "c", "D", "e", "F"]
    run(
        database,
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION citext SCHEMA extensions",
        "CREATE TABLE a (key extensions.citext PRIMARY KEY)",
        *(f"INSERT INTO a VALUES ('{word}')" for word in words),
    )
    plan = plan_of(tmp_path, "table: a\nprimary_key: key\nfields: []", "a")
    with connect(database) as connection:
        (table,) = read_catalog(connection, plan.tables).tables.values()
        reader = Reader(connection, table, frozenset(), 1)
        found, last = list[str](), tuple[str, ...]()
        while rows := reader.after(last):
            last = tuple(map(str, rows[0]))
            found += last
    assert found == words
    walker = OwnDatabase(database, "test", SystemClock(threading.Event()))
    catalog, documents = prepare_sql(plan, walker)
    pages = key_walk_sql.compose(plan, catalog, documents, page=1)
    keys = walker.rows(pages.first)
    while page := walker.rows(pages.after, [keys[-1][0].encode()]):
        keys += page
    walker.close()
    assert [key for (key,) in keys] == words


def test_links_use_the_index_of_the_table_they_lead_to(
    connection: Database, database: str, tmp_path: Path
) -> None:
    """In a large table: the lookups of a batch must not scan it."""
    served = [
        ("int", "bigint"),
        ("bigint", "int"),
        ("int", "numeric"),
        ("numeric", "bigint"),
        ("varchar(8)", "char(8)"),
        ("char(8)", "varchar(8)"),
        ("text", "varchar(8)"),
        ("varchar(8)", "text"),
        ("extensions.citext", "extensions.citext"),
        ("text COLLATE folded", "text"),
        ("date", "timestamp"),
    ]
    for at, (parent, child) in enumerate(served):
        cast = "date '2000-01-01' + n" if parent == "date" else f"n::text::{parent}"
        run(
            database,
            "SET search_path = public, extensions;"
            f"CREATE TABLE a{at} (key {parent} PRIMARY KEY);"
            f"INSERT INTO a{at} SELECT {cast.replace(' COLLATE folded', '')} FROM generate_series(1, 5000) n;"
            f"CREATE TABLE b{at} (id int PRIMARY KEY, ref {child});"
            f"CREATE TABLE j{at} (id int PRIMARY KEY, l {child}, r {child}); ANALYZE a{at}",
        )
        plan = plan_of(tmp_path, _DOWN.format(at=at), f"a{at}")
        catalog, sql = prepare_sql(plan, connection)
        a, b = TableName("public", f"a{at}"), TableName("public", f"b{at}")
        statement = hop_sql(Hop(a, ("key",), ("key",)), catalog, Place(b, ("ref",)))
        value = "2001-01-01" if parent == "date" else "17"
        explained = connection.rows(b"EXPLAIN " + statement, [array_literal([value, value])])
        text = "\n".join(row[0] for row in explained)
        assert f"Seq Scan on a{at}" not in text, f"{parent}, {child}:\n{text}"
        assert len(connection.rows(statement, [array_literal([value])])) == 1
        run(
            database,
            f"INSERT INTO b{at} SELECT row_number() OVER (), key FROM a{at}; CREATE INDEX ON b{at} (ref);"
            f"INSERT INTO j{at} SELECT id, ref, ref FROM b{at}; CREATE INDEX ON j{at} (l); CREATE INDEX ON j{at} (r);"
            f"ANALYZE b{at}, j{at}",
        )
        explained = connection.rows(b"EXPLAIN " + sql.build, [array_literal([value, value])])
        text = "\n".join(row[0] for row in explained)
        # No index of another collation finds what a nondeterministic one takes for equal.
        assert ("Seq Scan" in text) == ("COLLATE" in parent), f"{parent}, {child}:\n{text}"


CASTS = {
    ("varchar(8)", "char(8)"): None,
    ("int", "bigint"): None,
    ("bigint", "numeric"): None,
    ("char(8)", "varchar(8)"): None,
    ("numeric", "bigint"): None,
    ("char(8)", "varchar(200)"): "column `ref` of table `public.b",
    ("char(8)", "text"): "column `key` of table `public.a",
    ("text COLLATE folded", "text"): "column `ref` of table `public.b",
    ("int", "double precision"): "column `key` of table `public.a",
}
"""Types of (parent's key, child's column) -> the column whose index does not serve."""


def test_check_reports_an_index_that_a_cast_makes_unusable(database: str, tmp_path: Path) -> None:
    schema = (
        "table: a{at}\nprimary_key: key\nfields: [{{ count: n, table: b{at}, foreign_key: ref }}]"
    )
    run(database, *_TYPES)
    for at, (parent, child) in enumerate(CASTS):
        run(
            database,
            f"CREATE TABLE a{at} (key {parent} PRIMARY KEY)",
            f"CREATE TABLE b{at} (id int PRIMARY KEY, ref {child})",
            f"CREATE INDEX ON b{at} (ref)",
        )
    report = checked(tmp_path, database, *(schema.format(at=at) for at in range(len(CASTS))))
    for at, column in enumerate(CASTS.values()):
        index = "things" if at == 0 else f"things{at + 1}"
        found = [item for item in report.diagnostics if item.index == index]
        if column is None:
            assert found == []
            continue
        (warning,) = found
        assert (warning.severity, warning.rule, warning.field) == ("warning", "link-cast", "n")
        assert f"an index of {column}{at}`" in warning.message
