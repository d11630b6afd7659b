"""Links between columns of unlike types through the whole pipeline, against SQL: rows that come, go, move and are respelled."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services import Services
from support import names, web
from support.expected import compare
from support.kits.schema_pipeline import QUEUES, SchemaPipeline, schema_pipeline
from support.processes import cleaned_up, embedded_pipeline
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

DEADLINE = 90.0


@dataclass(frozen=True)
class Link:
    """A root table with key and children of two types."""

    key: str
    ref: str
    keys: tuple[str, ...]
    refs: tuple[str, ...]


LINKS = {
    "padded": Link("varchar(8)", "char(8)", ("AB", "CD", "E"), ("AB", "CD", "E", "none")),
    "unpadded": Link("char(6)", "varchar(6)", ("AB", "CD"), ("AB", "AB ", "CD", "none")),
    "folded": Link("extensions.citext", "extensions.citext", ("aB", "Cd"), ("AB", "ab", "CD", "x")),
    "level2": Link("text COLLATE folded", "text", ("aB", "Cd"), ("AB", "ab", "CD", "x")),
    "numbers": Link("numeric", "numeric", ("1.0", "2"), ("1", "1.00", "2.000", "3")),
    "narrow": Link("int", "bigint", ("1", "2"), ("1", "2", "9007199254740994", "-1")),
    "wide": Link("bigint", "numeric", ("1", "9007199254740994"), ("1.0", "9007199254740994", "1.5", "1e30")),
    "days": Link("date", "timestamp", ("2024-02-03", "2024-02-04"), ("2024-02-03", "2024-02-03 01:00", "2024-02-04")),
}  # fmt: skip

_SCHEMA = """
table: {name}
primary_key: key
fields:
  - integer: note
  - ids: parts
    table: {name}_parts
    foreign_key: ref
    element_type: integer
  - has_many: middles
    table: {name}_middles
    foreign_key: ref
    primary_key: id
    fields:
      - count: inner
        table: {name}_inners
        foreign_key: middle_id
"""
_TABLES = """
CREATE TABLE {name} (key {key} PRIMARY KEY, note int NOT NULL);
CREATE TABLE {name}_parts (id int PRIMARY KEY, ref {ref});
CREATE TABLE {name}_middles (id int PRIMARY KEY, ref {ref});
CREATE TABLE {name}_inners (id int PRIMARY KEY, middle_id bigint);
INSERT INTO {name}_middles SELECT n, refs[n] FROM (SELECT %s::{ref_type}[] AS refs) AS given, generate_series(1, 2) n;
"""
_ORACLE = """
SELECT r.key::text, json_build_object('note', r.note, 'parts',
    (SELECT coalesce(json_agg(p.id ORDER BY p.id), '[]') FROM {name}_parts p WHERE p.ref = r.key),
    'middles', (SELECT coalesce(json_agg(json_build_object('inner',
        (SELECT count(*) FROM {name}_inners i WHERE i.middle_id = m.id)) ORDER BY m.id), '[]')
        FROM {name}_middles m WHERE m.ref = r.key))
FROM {name} r
"""


def expected(connection: psycopg.Connection) -> dict[str, dict[str, Any]]:
    return {
        name: dict(connection.execute(_ORACLE.format(name=name).encode()).fetchall())
        for name in LINKS
    }


def create(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions;"
            "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
        for name, link in LINKS.items():
            plain = link.ref.partition(" COLLATE")[0]
            for statement in _TABLES.format(
                name=name, key=link.key, ref=link.ref, ref_type=plain
            ).split(";\n"):
                given = (list(link.refs),) if "%s" in statement else None
                connection.execute(statement.encode(), given)


@pytest.fixture(params=QUEUES)
def running(
    request: pytest.FixtureRequest, services: Services, tmp_path: Path
) -> Iterator[SchemaPipeline]:
    schemas = {name: _SCHEMA.format(name=name) for name in LINKS}
    touch = "INSERT INTO padded_inners VALUES (0) ON CONFLICT (id) DO UPDATE SET middle_id = NULL"
    with schema_pipeline(services, tmp_path, request.param, schemas, create, touch) as made:
        yield made


def test_documents_follow_links_as_the_database_compares(running: SchemaPipeline) -> None:
    chance = random.Random(12)
    with psycopg.connect(running.site.database_url, autocommit=True) as connection:
        connection.execute("SET search_path = public, extensions; SET TimeZone = 'UTC'")
        for _ in range(4):
            for name, link in LINKS.items():
                for _ in range(8):
                    edit(connection, chance, name, link)
            assert running.read_all() == expected(connection)


def edit(connection: psycopg.Connection, chance: random.Random, name: str, link: Link) -> None:
    """One change of a row, of any of the tables."""
    key, ref = chance.choice(link.keys), chance.choice(link.refs)
    number, other = chance.randrange(1, 6), chance.choice(link.refs)
    put = "ON CONFLICT (id) DO UPDATE SET"
    edits: list[tuple[str, tuple[object, ...]]] = [
        (f"INSERT INTO {name} VALUES (%s, 0) ON CONFLICT DO NOTHING", (key,)),
        (f"INSERT INTO {name} VALUES (%s, 0) ON CONFLICT DO NOTHING", (key,)),
        (f"UPDATE {name} SET note = note + 1 WHERE key = %s", (key,)),
        (f"DELETE FROM {name} WHERE key = %s", (key,)),
        # The same value, maybe in another spelling.
        (f"UPDATE {name} SET key = p.ref FROM {name}_parts p WHERE {name}.key = p.ref AND p.id = %s", (number,)),
        (f"INSERT INTO {name}_parts VALUES (%s, %s) {put} ref = excluded.ref", (number, ref)),
        (f"INSERT INTO {name}_parts VALUES (%s, %s) {put} ref = excluded.ref", (number, ref)),
        (f"UPDATE {name}_middles SET ref = %s WHERE ref = %s", (other, ref)),
        (f"DELETE FROM {name}_parts WHERE id = %s", (number,)),
        (f"INSERT INTO {name}_inners VALUES (%s, %s) {put} middle_id = excluded.middle_id",
         (number, chance.choice([1, 2, 3, 9007199254740994]))),
        (f"DELETE FROM {name}_inners WHERE id = %s", (number,)),
    ]  # fmt: skip
    statement, params = chance.choice(edits)
    connection.execute(statement.encode(), params)


def test_an_index_whose_link_has_no_operator_leaves_the_others_alone(
    services: Services, tmp_path: Path
) -> None:
    """`flusso run`, where all share one queue; altered, the index goes on by itself."""
    schemas = {
        "good": "table: customers\nprimary_key: id\nfields: [{ keyword: name }]\n",
        "refused": "table: customers\nprimary_key: id\nfields:\n"
        "  - { count: phones, table: phones, foreign_key: customer }\n",
    }
    customer = "00000000-0000-0000-0000-000000000001"
    with names.site(services) as found, web.client(found.opensearch_url) as client:
        site = found.with_schemas(tmp_path, schemas)
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE customers (id uuid PRIMARY KEY, name text);"
                "CREATE TABLE phones (id int PRIMARY KEY, customer text);"
                f"INSERT INTO customers VALUES ('{customer}', 'a'); INSERT INTO phones VALUES (1, '{customer}')".encode()
            )
            with cleaned_up(embedded_pipeline(site, tmp_path)) as pipeline:
                pipeline.start()

                def await_document(index: str, wanted: object) -> None:
                    def missing() -> str | None:
                        pipeline.check()
                        held = compare.read_index(client, site.index_prefix + index) or {}
                        return None if held.get(customer) == wanted else str(held)

                    until_none(f"a document of {index}", missing, DEADLINE)

                await_document("good", {"name": "a"})
                pipeline.daemons[0].await_log("operator does not exist: text = uuid", DEADLINE)
                connection.execute("UPDATE customers SET name = 'b'")
                await_document("good", {"name": "b"})
                connection.execute(
                    "ALTER TABLE phones ALTER customer TYPE uuid USING customer::uuid"
                )
                await_document("refused", {"phones": 1})
                pipeline.stop()
