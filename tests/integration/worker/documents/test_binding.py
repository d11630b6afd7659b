"""SQL that was composed for tables which are altered then: noticed in the first snapshot that shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError, SchemaChangedError
from flusso_shared.plan.model import IndexPlan
from flusso_worker.documents.binding import bind_to
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.postgres.database import Database
from support.documents import plan_of, run
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services

TABLES = (
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE TYPE home AS (street text, mood mood)",
    "CREATE DOMAIN code AS varchar(9)",
    "CREATE TABLE shops (id int PRIMARY KEY, name code, kind mood, homes home[], unused text)",
    "CREATE TABLE goods (id int, shop_id int, price numeric(10,2), PRIMARY KEY (id))",
)
SCHEMA = """
table: shops
primary_key: id
filters: [{ column: kind, op: eq, value: glad }]
fields:
  - keyword: name
  - custom: homes
    postgres: ["home[]"]
    opensearch: object
  - has_many: goods
    table: goods
    primary_key: id
    foreign_key: shop_id
    fields:
      - double: price
"""
ALTERED = (
    "ALTER TABLE goods ALTER COLUMN price TYPE numeric(12,0)",
    "ALTER TABLE goods ALTER COLUMN id TYPE bigint",
    "ALTER TABLE goods DROP CONSTRAINT goods_pkey, ADD PRIMARY KEY (shop_id)",
    "ALTER TABLE shops ALTER COLUMN name TYPE text",
    "ALTER TABLE shops DROP COLUMN name; ALTER TABLE shops ADD COLUMN name code",
    "ALTER TYPE home ADD ATTRIBUTE floor int",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    "ALTER TYPE code RENAME TO other_code",
    "ALTER TABLE shops RENAME TO old; CREATE TABLE shops (LIKE old INCLUDING ALL)",
    "ALTER TABLE goods SET UNLOGGED; ALTER TABLE shops SET UNLOGGED",
)
PARTITIONED = (
    "DROP TABLE goods",
    "CREATE TABLE goods (id int, shop_id int, price numeric(10,2), PRIMARY KEY (id)) PARTITION BY RANGE (id)",
    "CREATE TABLE low PARTITION OF goods FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id)",
)
UNRELATED = (
    "ALTER TABLE shops ADD COLUMN more int; ALTER TABLE shops ALTER COLUMN unused TYPE varchar(9)",
    "ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad'",
    "ALTER TABLE goods ALTER COLUMN price SET STATISTICS 7; CREATE INDEX ON goods (shop_id)",
    "TRUNCATE goods; ANALYZE goods",
)


@pytest.fixture
def plan(tmp_path: Path) -> IndexPlan:
    return plan_of(tmp_path, SCHEMA)


@pytest.fixture
def connection(database: str) -> Iterator[Database]:
    run(database, *TABLES)
    made = OwnDatabase(database, "test", SystemClock(threading.Event()))
    yield made
    made.close()


def bind(connection: Database, plan: IndexPlan) -> None:
    """As a pipeline does at its start."""
    catalog, _ = prepare_sql(plan, connection)
    connection.hold(catalog.tables, bind_to(connection, plan, catalog))
    connection.begin()
    connection.finish()


def test_what_the_sql_depends_on_is_noticed_and_nothing_else(
    connection: Database, database: str, plan: IndexPlan
) -> None:
    for statement in UNRELATED:
        bind(connection, plan)
        run(database, statement)
        connection.begin()
        connection.finish()
    for statement in ALTERED:
        bind(connection, plan)
        run(database, statement)
        with pytest.raises(SchemaChangedError):
            connection.begin()
        assert not connection.in_transaction, statement


def test_partitions_are_noticed_unless_their_changes_are_in_the_log(
    connection: Database, database: str, plan: IndexPlan
) -> None:
    """On any level: such that come as they are, and such that become so."""
    run(database, *PARTITIONED)
    bind(connection, plan)
    run(database, "CREATE TABLE lower PARTITION OF low FOR VALUES FROM (0) TO (5)")
    connection.begin()
    connection.finish()
    for statement, cure in (
        (
            "CREATE UNLOGGED TABLE upper PARTITION OF low FOR VALUES FROM (5) TO (9)",
            'ALTER TABLE "public"."upper" SET LOGGED;',
        ),
        ("ALTER TABLE lower SET UNLOGGED", 'ALTER TABLE "public"."lower" SET LOGGED;'),
    ):
        run(database, statement)
        with pytest.raises(SchemaChangedError):
            connection.begin()
        with pytest.raises(FatalError, match=cure):
            bind(connection, plan)
        run(database, cure)
        bind(connection, plan)


def test_an_open_transaction_keeps_what_it_saw(
    connection: Database, database: str, plan: IndexPlan
) -> None:
    """It holds off DDL of its tables; labels may be renamed meanwhile, and the next one knows."""
    bind(connection, plan)
    connection.begin()
    with (
        psycopg.connect(database, options="-c lock_timeout=100ms") as other,
        pytest.raises(psycopg.errors.LockNotAvailable),
    ):
        other.execute("ALTER TABLE goods ALTER COLUMN price TYPE int")
    run(database, ALTERED[6])
    assert connection.in_transaction
    with pytest.raises(SchemaChangedError):
        connection.begin()


def test_a_condition_that_no_longer_fits_its_column_is_reported(
    connection: Database, database: str, plan: IndexPlan
) -> None:
    bind(connection, plan)
    run(database, "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'")
    with pytest.raises(SchemaChangedError):
        connection.begin()
    with pytest.raises(FatalError, match="does not fit the type that its column has"):
        bind(connection, plan)
