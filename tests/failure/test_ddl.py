"""DDL that changes what rows read as, without an event per row: the documents equal the tables soon after it (I6).

One pipeline per queue lives through all of it, and through stops in between; the log has none of these changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal

import psycopg
import pytest

from services import Services
from support import names
from support.expected.oracle import Documents
from support.processes import Site
from support.scenario import Scenario
from support.waiting import until, until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 60.0
TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE home AS (street text, mood mood);
CREATE DOMAIN title AS varchar(40);
CREATE FUNCTION is_open(value mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT value = 'glad' $$;
CREATE TABLE shops (id int PRIMARY KEY, title title, kind mood, home home);
CREATE TABLE goods (
    code text PRIMARY KEY, shop_id int, price numeric(10,2), label text DEFAULT 'x', moods mood[],
    double numeric GENERATED ALWAYS AS (price * 2) STORED, unused text
);
CREATE INDEX ON goods (shop_id);
CREATE PUBLICATION {publication} FOR ALL TABLES;
INSERT INTO shops SELECT n, 'shop ' || n, (ARRAY['sad', 'glad'])[1 + n % 2]::mood,
                         ROW('street ' || n, 'glad')::home FROM generate_series(1, 6) n;
INSERT INTO goods (code, shop_id, price, moods)
SELECT '00' || n, 1 + n % 6, n + 0.25, ARRAY['sad', 'glad']::mood[] FROM generate_series(1, 40) n;
"""
SCHEMAS = {
    "goods": """
table: goods
primary_key: code
fields:
  - keyword: code
  - double: price
  - double: double
  - keyword: label
  - keyword: moods
  - belongs_to: shop
    column: shop_id
    table: shops
    primary_key: id
    fields:
      - keyword: title
""",
    "shops": """
table: shops
primary_key: id
fields:
  - keyword: kind
  - custom: home
    postgres: [home]
    opensearch: object
  - has_many: goods
    table: goods
    primary_key: code
    foreign_key: shop_id
    order_by: [{ column: code, direction: asc }]
    fields:
      - keyword: code
      - double: price
""",
    "open": """
table: shops
primary_key: id
filters: [{ raw: "is_open(kind)" }]
fields:
  - keyword: title
""",
}
DOCUMENTS = {
    "goods": """
SELECT g.code::text, jsonb_build_object(
    'code', g.code, 'price', g.price, 'double', g.double, 'label', g.label,
    'moods', to_jsonb(g.moods),
    'shop', (SELECT jsonb_build_object('title', s.title) FROM shops s WHERE s.id = g.shop_id))::text
FROM goods g""",
    "shops": """
SELECT s.id::text, jsonb_build_object(
    'kind', s.kind, 'home', to_jsonb(s.home),
    'goods', (SELECT coalesce(jsonb_agg(jsonb_build_object('code', g.code, 'price', g.price)
                                        ORDER BY g.code), '[]') FROM goods g WHERE g.shop_id = s.id))::text
FROM shops s""",
    "open": "SELECT id::text, jsonb_build_object('title', title)::text FROM shops WHERE is_open(kind)",
}


class Altered(Scenario):
    """Two tables whose definition the tests change."""

    def _expected(self) -> dict[str, Documents]:
        with psycopg.connect(self.site.database_url) as connection:
            return {
                index: {
                    key: json.loads(text, parse_float=Decimal)
                    for key, text in connection.execute(query.encode())
                }
                for index, query in DOCUMENTS.items()
            }


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("kafka, 2 workers", marks=pytest.mark.xdist_group("test_ddl over Kafka")),
        pytest.param("flusso run", marks=pytest.mark.xdist_group("test_ddl in one process")),
    ],
)
def scenario(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scenario]:
    """A pipeline that runs and is seeded."""
    folder = tmp_path_factory.mktemp("ddl")
    for name, text in SCHEMAS.items():
        (folder / f"{name}.schema.yml").write_text(text.lstrip())
    with names.site(services) as found:
        site = Site(
            **{**vars(found), "schemas": folder, "indexes": tuple(SCHEMAS), "partitions": 2}
        )
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute(TABLES.replace("{publication}", site.slot).encode())
        scenario = Altered.over(request.param, site, folder)
        with scenario.running():
            scenario.wait_until_live(DEADLINE)
            scenario.await_equal(DEADLINE)
            yield scenario


def run(scenario: Scenario, *statements: str) -> None:
    """All statements in one transaction."""
    with psycopg.connect(scenario.site.database_url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def stopped(scenario: Scenario, *statements: str) -> None:
    """The statements, while no process runs."""
    scenario.pipeline.stop()
    for statement in statements:
        run(scenario, statement)
    scenario.pipeline.start()


def await_stopped(scenario: Scenario, reason: str) -> None:
    """Wait until the indexes that read `goods` have stopped for `reason`, and the other goes on."""
    await_states(scenario, {"goods": "stopped", "shops": "stopped", "open": "seeded"}, reason)


def await_states(scenario: Scenario, wanted: Mapping[str, str], reason: str) -> None:
    """Wait until the indexes have these states, some of them for `reason`."""

    def missing() -> str | None:
        status = scenario.pipeline.daemons[-1].status()
        told = reason in str(status["last_error"])
        return None if status["indexes"] == wanted and told else str(status)

    until_none("they stop", missing, DEADLINE)


def test_altered_columns_are_read_again(scenario: Scenario) -> None:
    """Rewritten to another type or by the same one, dropped and added, generated by another expression."""
    run(scenario, "ALTER TABLE goods DROP COLUMN double")
    run(
        scenario,
        "ALTER TABLE goods ALTER COLUMN price TYPE numeric(12,0) USING price * 100",
        "ALTER TABLE goods ADD COLUMN double numeric GENERATED ALWAYS AS (price * 3) STORED",
        "ALTER TABLE goods DROP COLUMN label",
        "ALTER TABLE goods ADD COLUMN label text DEFAULT 'fresh'",
    )
    scenario.await_equal(DEADLINE)
    stopped(scenario, "ALTER TABLE goods ALTER COLUMN label TYPE text USING label || '!'")
    scenario.await_equal(DEADLINE)


def test_altered_types_are_read_again(scenario: Scenario) -> None:
    """Labels in a column, an array and a composite value; its attributes; what a filter calls."""
    run(scenario, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
    scenario.await_equal(DEADLINE)
    assert scenario.read("goods")["001"]["moods"] == ["blue", "glad"]
    run(
        scenario,
        "ALTER TYPE home ADD ATTRIBUTE floor int",
        "ALTER TYPE home RENAME ATTRIBUTE street TO road",
    )
    scenario.await_equal(DEADLINE)
    assert scenario.read("shops")["1"]["home"]["floor"] is None
    stopped(
        scenario,
        "CREATE OR REPLACE FUNCTION is_open(value mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS"
        " $$ SELECT value = 'blue' $$",
    )
    scenario.await_equal(DEADLINE)
    assert "2" in scenario.read("open")


def test_a_key_of_another_type_gives_other_ids(scenario: Scenario) -> None:
    """No worker builds with what it was bound to before: rows that change meanwhile are right as well."""
    run(scenario, "ALTER TABLE goods ALTER COLUMN code TYPE int USING code::int")
    run(scenario, "UPDATE goods SET price = price + 5 WHERE code % 3 = 0")
    scenario.await_equal(DEADLINE)
    assert {"1", "40"} <= scenario.read("goods").keys()
    stopped(scenario, "ALTER TABLE goods ALTER COLUMN code TYPE text USING 'n' || code")
    run(scenario, "UPDATE goods SET price = price + 5 WHERE code < 'n2'")
    scenario.await_equal(DEADLINE)


def test_what_is_loaded_while_a_table_is_unlogged_is_found(scenario: Scenario) -> None:
    """Under a publication of all tables, which lets a table be unlogged: between two looks, and for longer, which
    stops its indexes."""
    run(
        scenario,
        "ALTER TABLE goods SET UNLOGGED",
        "DELETE FROM goods WHERE shop_id = 1",
        "INSERT INTO goods (code, shop_id, price) SELECT 'bulk' || n, 2, n FROM generate_series(1, 9) n",
        "ALTER TABLE goods SET LOGGED",
    )
    scenario.await_equal(DEADLINE)
    run(scenario, "ALTER TABLE goods SET UNLOGGED")
    await_stopped(scenario, "table `public.goods` is unlogged")
    run(scenario, "UPDATE goods SET price = 1, shop_id = 3 WHERE shop_id = 2")
    run(scenario, "ALTER TABLE goods SET LOGGED")
    scenario.await_equal(DEADLINE)


def test_a_table_that_replaces_another_is_followed(scenario: Scenario) -> None:
    """Two renames in one transaction, while running and while stopped; afterwards changes flow."""
    generations = scenario.generations()
    swap = (
        "CREATE TABLE goods_new (LIKE goods INCLUDING ALL)",
        "INSERT INTO goods_new (code, shop_id, price) SELECT 'new' || n, n, n FROM generate_series(4, 7) n",
        "ALTER TABLE goods RENAME TO goods_old",
        "ALTER TABLE goods_new RENAME TO goods",
    )
    run(scenario, *swap)
    scenario.await_equal(DEADLINE)
    run(
        scenario,
        "DROP TABLE goods_old",
        "UPDATE goods SET price = 7, shop_id = 1 WHERE shop_id < 6",
    )
    scenario.await_equal(DEADLINE)
    stopped(scenario, ";".join(swap))
    run(scenario, "UPDATE goods SET price = 8 WHERE shop_id = 5")
    scenario.await_equal(DEADLINE)
    assert scenario.generations() == generations


def test_an_index_that_has_stopped_holds_up_no_resync_of_others(scenario: Scenario) -> None:
    """In one process its changes are not applied before it goes on, those of the first resync either."""
    run(
        scenario,
        "ALTER TABLE goods DROP COLUMN label, DROP COLUMN double",
        "UPDATE goods SET price = 9",
    )
    await_states(scenario, {"goods": "stopped", "shops": "seeded", "open": "seeded"}, "label")
    run(scenario, "ALTER TABLE goods ALTER COLUMN price TYPE numeric(12,1) USING price + 1")
    until("the shops have the new prices", lambda: prices_of_shops(scenario) == {10}, DEADLINE)
    run(scenario, "ALTER TABLE shops ALTER COLUMN kind TYPE mood USING 'glad'")
    until(
        "the shops have the new kind",
        lambda: {shop["kind"] for shop in scenario.read("shops").values()} == {"glad"},
        DEADLINE,
    )
    run(
        scenario,
        "ALTER TABLE goods ADD COLUMN label text DEFAULT 'y'",
        "ALTER TABLE goods ADD COLUMN double numeric GENERATED ALWAYS AS (price * 2) STORED",
    )
    scenario.await_equal(DEADLINE)


def prices_of_shops(scenario: Scenario) -> set[object]:
    return {item["price"] for shop in scenario.read("shops").values() for item in shop["goods"]}


def test_child_tables_stop_the_indexes_that_need_their_parent(scenario: Scenario) -> None:
    """A read of the parent gives their rows as well, and their changes come under other names."""
    run(
        scenario,
        "CREATE TABLE used_goods (grade int) INHERITS (goods)",
        "INSERT INTO used_goods (code, shop_id, price) VALUES ('used', 3, 1)",
    )
    scenario.pipeline.daemons[0].await_log("child tables that inherit from it", DEADLINE)
    await_stopped(scenario, "child tables that inherit from it")
    assert "used" not in scenario.read("goods")
    run(
        scenario,
        "ALTER TABLE used_goods NO INHERIT goods",
        "UPDATE goods SET price = 7 WHERE shop_id = 3",
    )
    scenario.await_equal(DEADLINE)
