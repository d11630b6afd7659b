"""What the catalog reader says about tables on a real server, and what is found missing."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.plan.requirements import missing_things
from flusso_shared.postgres.catalog import (
    Catalog,
    Column,
    Equality,
    Table,
    TypeShape,
)
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.sql.hops import hop_sql
from support.documents import plan_of, run

pytestmark = pytest.mark.services


def read(url: str, *names: str) -> Catalog:
    with psycopg.connect(url) as connection:
        return read_catalog(connection, [TableName("public", name) for name in names])


def table(url: str, name: str) -> Table:
    return read(url, name).tables[TableName("public", name)]


def test_columns_have_types_and_domains_their_base(database: str) -> None:
    run(
        database,
        "CREATE DOMAIN code AS varchar(7)",
        "CREATE DOMAIN short_code AS code NOT NULL",
        'CREATE TABLE things (id int PRIMARY KEY, gone int, price numeric(10,2), "Code" short_code)',
        "ALTER TABLE things DROP COLUMN gone",
    )
    assert dict(table(database, "things").columns) == {
        "id": Column(
            "id", "integer", True, "", TypeShape("int4"), Equality("integer", one_text="int4")
        ),
        "price": Column(
            "price", "numeric(10,2)", False, "", TypeShape("numeric"), Equality("numeric")
        ),
        "Code": Column(
            "Code",
            "short_code",
            False,
            "character varying(7)",
            TypeShape("varchar"),
            Equality("character varying", one_text="text"),
        ),
    }


def test_shapes_look_through_domains_arrays_and_composites(database: str) -> None:
    run(
        database,
        "CREATE DOMAIN price AS money",
        "CREATE DOMAIN prices AS price[]",
        "CREATE TYPE mood AS ENUM ('fine')",
        "CREATE TYPE part AS (raw bytea, costs prices, gone int)",
        "ALTER TYPE part DROP ATTRIBUTE gone",
        "CREATE TYPE \"money\" AS ENUM ('mine')",
        "CREATE TABLE things (id int PRIMARY KEY, a prices, b part[], c mood, d public.money)",
    )
    shapes = {name: column.shape for name, column in table(database, "things").columns.items()}
    prices = TypeShape(element=TypeShape("money"))
    part = TypeShape(members=(("raw", TypeShape("bytea")), ("costs", prices)))
    assert shapes == {
        "id": TypeShape("int4"),
        "a": prices,
        "b": TypeShape(element=part),
        "c": TypeShape(),
        "d": TypeShape(),
    }


def test_the_primary_key_has_its_own_order_and_no_included_columns(database: str) -> None:
    run(database, "CREATE TABLE t (a int, b int, c int, PRIMARY KEY (c, a) INCLUDE (b))")
    found = table(database, "t")
    assert found.primary_key == ("c", "a")
    assert found.identity_columns == {"a", "c"}


@pytest.mark.parametrize(
    ("statement", "identity", "columns"),
    [
        ("ALTER TABLE t REPLICA IDENTITY DEFAULT", "d", {"id"}),
        ("ALTER TABLE t REPLICA IDENTITY FULL", "f", {"id", "user_id", "note"}),
        ("ALTER TABLE t REPLICA IDENTITY NOTHING", "n", set()),
        ("ALTER TABLE t REPLICA IDENTITY USING INDEX t_both", "i", {"id", "user_id"}),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", "d", set()),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE", "d", set()),
    ],
)
def test_identity_columns_are_those_whose_old_values_the_log_holds(
    database: str, statement: str, identity: str, columns: set[str]
) -> None:
    run(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, user_id int NOT NULL, note text)",
        "CREATE UNIQUE INDEX t_both ON t (user_id, id) INCLUDE (note)",
        statement,
    )
    found = table(database, "t")
    assert found.replica_identity == identity
    assert found.identity_columns == columns


def test_an_identity_index_that_is_gone_leaves_nothing(database: str) -> None:
    run(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, user_id int NOT NULL)",
        "CREATE UNIQUE INDEX t_both ON t (user_id, id)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_both",
        "DROP INDEX t_both",
    )
    assert table(database, "t").identity_columns == set()


def test_only_tables_are_found_with_their_owners(database: str) -> None:
    run(
        database,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE VIEW v AS SELECT * FROM t",
    )
    catalog = read(database, "t", "parts", "v", "nothing")
    found = {str(name): item.partitioned for name, item in catalog.tables.items()}
    assert found == {"public.t": False, "public.parts": True}
    with psycopg.connect(database) as connection:
        connection.execute("CREATE ROLE flusso_test_nobody")
        connection.execute("SET ROLE flusso_test_nobody")
        name = TableName("public", "t")
        assert not read_catalog(connection, [name]).tables[name].owned
        connection.rollback()
    assert table(database, "t").owned


def test_what_cannot_be_followed_is_refused_until_its_cure_has_run(database: str) -> None:
    run(
        database,
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE TABLE plain (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (plain)",
        "CREATE UNLOGGED TABLE quick (id int PRIMARY KEY)",
        "CREATE UNLOGGED TABLE quick_parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id)",
        "CREATE UNLOGGED TABLE lower PARTITION OF low FOR VALUES FROM (0) TO (5)",
        "CREATE FOREIGN TABLE upper PARTITION OF low FOR VALUES FROM (5) TO (9)"
        " SERVER files OPTIONS (filename '/dev/null')",
        "CREATE TABLE high PARTITION OF parts FOR VALUES FROM (9) TO (99)",
        "CREATE FOREIGN TABLE far (id int) SERVER files OPTIONS (filename '/dev/null')",
        "CREATE VIEW v AS SELECT * FROM plain",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM plain",
        "CREATE SEQUENCE s",
    )
    names = ("plain", "child", "quick", "quick_parts", "parts", "high", "far", "v", "m", "s")
    catalog = read(database, *names, "plain_pkey")
    found = {str(name).removeprefix("public."): item for name, item in catalog.refused.items()}
    assert {name: item.rule for name, item in found.items()} == {
        "plain": "inheritance",
        "quick": "not-logged",
        "quick_parts": "not-logged",
        "parts": "not-logged",
        "far": "not-a-table",
        "v": "not-a-table",
        "m": "not-a-table",
        "s": "not-a-table",
        "plain_pkey": "not-a-table",
    }
    assert "`public.lower` is unlogged, `public.upper` is a foreign table" in found["parts"].reason
    assert {str(name) for name in catalog.followed} == {"public.child", "public.high"}
    cures = [item.sql for item in found.values() if item.sql]
    assert len(cures) == 3
    run(database, *cures)
    assert {str(name) for name in read(database, "plain", "quick", "parts").refused} == set()
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (id int PRIMARY KEY)")
        row = connection.execute(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 't'"
        )
        (schema,) = row.fetchone() or ("",)
        wanted = [TableName(schema, "t"), TableName("pg_catalog", "pg_class")]
        refused = read_catalog(connection, wanted).refused
    assert [refused[name].rule for name in wanted] == ["not-logged", "not-a-table"]


def test_everything_missing_is_reported_at_once_with_near_misses(
    database: str, tmp_path: Path
) -> None:
    run(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, full_name text, owner_id int)",
        "CREATE TABLE owner (id int PRIMARY KEY)",
        "CREATE TABLE keyless (owner_id int)",
        "CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b))",
        "CREATE TABLE link (left_id int PRIMARY KEY, right_id int)",
    )
    schema = """
        table: things
        primary_key: id
        soft_delete: { column: deleted }
        filters: [{ column: state, op: is_null }]
        fields:
          - { text: fullName }
          - { has_many: a, table: thing, primary_key: id, foreign_key: x, fields: [] }
          - { has_many: b, table: keyless, primary_key: id, foreign_key: owner_id, fields: [] }
          - has_many: c
            table: owner
            primary_key: id
            foreign_key: id
            order_by: [{ column: nam }]
            filters: [{ column: kind, op: eq, value: 1 }]
            fields: [{ object: d, fields: [{ text: city }] }]
          - count: e
            table: pair
            through: { table: link, left_key: left_id, right_key: right_id }
        """
    plan = plan_of(tmp_path, schema)
    found = missing_things(
        Plan((plan,)), read(database, *(name.name for name in plan.tables)), [plan.root]
    )
    where = "index `things` (things.schema.yml), field "
    assert found == [
        f"{where}`soft_delete`: table `public.things` has no column `deleted`",
        f"{where}`filters`: table `public.things` has no column `state`",
        f"{where}`fullName`: table `public.things` has no column `fullName` (did you mean `full_name`?)",
        f"{where}`a`: there is no table `public.thing` in the database (did you mean `public.things`?),"
        " or the role may not see it",
        f"{where}`b`: table `public.keyless` has no primary key; add one:"
        " it names its rows in the change log",
        f"{where}`c`: table `public.owner` has no column `kind`",
        f"{where}`c`: table `public.owner` has no column `nam`",
        f"{where}`c.d.city`: table `public.owner` has no column `city`",
        f"{where}`e`: `right_key` `right_id` and the primary key of table `public.pair`, `a`, `b`,"
        " differ in number",
    ]


def test_hops_take_keys_of_any_width(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE a (x int, y text, id int PRIMARY KEY)",
        "INSERT INTO a VALUES (1, 'q', 10), (1, 'q', 11), (2, 'r', 12), (NULL, 's', 13)",
    )
    schema = """
        table: b
        primary_key: [x, y]
        fields:
          - has_many: as
            table: a
            primary_key: id
            foreign_key: [x, y]
            fields:
              - { has_many: cs, table: c, primary_key: id, foreign_key: a_id, fields: [] }
        """
    way = next(way for way in plan_of(tmp_path, schema).ways if way.table.name == "c")
    (hop,) = way.hops
    with psycopg.connect(database, autocommit=True) as connection:
        catalog = read_catalog(connection, [hop.table])
        result = connection.pgconn.exec_params(hop_sql(hop, catalog), [b"{10,11,12,99}"])
        rows = {(result.get_value(n, 0), result.get_value(n, 1)) for n in range(result.ntuples)}
        assert rows == {(b"1", b"q"), (b"2", b"r")}
        back = hop_sql(type(hop)(hop.table, hop.give, hop.match), catalog)
        result = connection.pgconn.exec_params(back, [b"{1,2}", b"{q,q}"])
        assert {result.get_value(n, 0) for n in range(result.ntuples)} == {b"10", b"11"}
