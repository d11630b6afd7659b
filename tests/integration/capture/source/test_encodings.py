"""Bytes that are no text in the database's encoding: one value is one value, whatever it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from flusso_capture.source import encodings
from flusso_shared.change import Change, Op
from services import Services
from support import names, web
from support.expected import compare
from support.idle import Progress
from support.kits.capture_kit import ORDERS, USERS, Kit
from support.processes import cleaned_up, embedded_pipeline
from support.waiting import until_none

pytestmark = pytest.mark.services

# 0x81 is no text in any encoding of this module.
BAD = r"'\x6181'::bytea::text"
SPELLED = r"a\x81"
_CAST = "CREATE CAST (bytea AS text) WITHOUT FUNCTION"
_TABLES = (
    _CAST,
    "CREATE TABLE users (id text PRIMARY KEY, name text, note text)",
    "CREATE TABLE orders (id text PRIMARY KEY, user_id text, note text)",
)


@pytest.fixture(params=["UTF8", "SQL_ASCII", "WIN1252"])
def kit(request: pytest.FixtureRequest, services: Services, slot_name: str) -> Iterator[Kit]:
    with names.database(services, request.param) as url:
        kit = Kit(f"{url}?client_encoding=UTF8", slot_name)
        kit.sql(*_TABLES)
        yield kit


def brief(found: list[Change]) -> list[tuple[Op, tuple[str, ...], tuple[str, ...]]]:
    return [(change.op, change.key, change.omitted) for change in found]


def test_the_rest_of_the_row_and_of_the_stream_goes_on(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    with kit.running():
        kit.sql(
            "INSERT INTO users VALUES ('é', 'é')",
            f"INSERT INTO users VALUES ('1', {BAD}, 'fine')",
            "UPDATE users SET id = '2', name = 'good' WHERE id = '1'",
            f"INSERT INTO users VALUES ({BAD})",
            f"UPDATE users SET id = '3' WHERE id = {BAD}",
        )
        found = kit.expect(7)
        assert brief(found) == [
            (Op.CREATE, ("é",), ()),
            (Op.CREATE, ("1",), ("name",)),
            (Op.DELETE, ("1",), ()),
            (Op.CREATE, ("2",), ()),
            (Op.CREATE, (SPELLED,), ()),
            (Op.DELETE, (SPELLED,), ()),
            (Op.CREATE, ("3",), ()),
        ]
        assert found[1].after == {"id": "1", "note": "fine"}
        assert "table public.users: a row changed at" in caplog.text
        kit.sql(f"INSERT INTO orders VALUES ('1', {BAD})")
        order, sweep = kit.expect(2)
        assert (order.table, order.after) == (
            ORDERS,
            {"id": "1", "user_id": SPELLED, "note": None},
        )
        assert (sweep.op, sweep.table) == (Op.TRUNCATE, ORDERS)


def test_a_snapshot_reads_past_such_a_key(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    kit.sql(f"INSERT INTO users VALUES ('0'), ('a'), ({BAD}), ('b'), ('é')")
    # A server in UTF8 does not take such a key as the one to go on after.
    chunk = 10 if kit.one("SHOW server_encoding") == "UTF8" else 1
    with replace(kit, wanted=lambda: [USERS]).running(snapshot_chunk=chunk):
        keys = [change.key[0] for change in kit.expect(5)]
    assert sorted(keys) == sorted(["0", "a", SPELLED, "b", "é"])
    assert "no document can be found or named by them" in caplog.text


def test_what_is_decoded_here_reads_as_postgres_reads_it(services: Services) -> None:
    """A key that came out otherwise would be the key of no row."""
    single = [bytes([byte]) for byte in range(1, 256)]
    double = [bytes([one, two]) for one in range(0xA1, 0xFF) for two in range(0xA1, 0xFF)]
    with psycopg.connect(services.postgres_url, autocommit=True) as connection:
        connection.execute("SET client_encoding TO 'UTF8'")
        connection.execute(
            "CREATE FUNCTION pg_temp.read(value bytea, encoding text) RETURNS text LANGUAGE plpgsql AS $$"
            " BEGIN RETURN convert_from(value, encoding); EXCEPTION WHEN data_exception THEN RETURN NULL; END $$"
        )
        for name, codec in encodings.CODECS.items():
            pool = single + double if name == "EUC_CN" else single
            rows = connection.execute(
                "SELECT b, pg_temp.read(b, %s) FROM unnest(%s::bytea[]) b", (name, pool)
            ).fetchall()
            read = {value: text for value, text in rows if text is not None}
            assert len(read) > 128, name
            assert {value: value.decode(codec, "replace") for value in read} == read, name


_USERS = """
table: users
primary_key: id
fields:
  - keyword: name
  - count: orders
    table: orders
    foreign_key: user_id
"""
_OTHERS = "table: others\nprimary_key: id\nfields:\n  - keyword: name\n"


def test_documents_without_such_values_are_right(services: Services, tmp_path: Path) -> None:
    with (
        names.site(services, "SQL_ASCII") as found,
        web.client(found.opensearch_url) as client,
        psycopg.connect(found.database_url, autocommit=True) as connection,
    ):
        schemas = {"users": _USERS, "others": _OTHERS}
        site = found.with_schemas(tmp_path, schemas, 'on_error = "skip"\n')
        for statement in (
            *_TABLES,
            "CREATE TABLE others (id int PRIMARY KEY, name text)",
            f"INSERT INTO users VALUES ('1', 'a'), ('2', {BAD}), ({BAD}, 'c')",
            "INSERT INTO others VALUES (1, 'x')",
        ):
            connection.execute(statement.encode())
        touch = "INSERT INTO others VALUES (0) ON CONFLICT (id) DO UPDATE SET name = NULL"
        url = f"{site.database_url}?client_encoding=UTF8"
        progress = Progress(url, site.slot, site.kafka, None, last_change=touch)

        def documents() -> dict[str, dict[str, object]]:
            progress.wait_until_idle(60.0)
            return {
                name: dict(compare.read_index(client, site.index_prefix + name) or {})
                for name in ("users", "others")
            }

        with cleaned_up(embedded_pipeline(site, tmp_path)) as pipeline:
            pipeline.start()
            aliases = [site.index_prefix + name for name in ("users", "others")]

            def missing() -> str | None:
                pipeline.check()
                return None if compare.generations(client, aliases) else "an alias is missing"

            until_none("live", missing, 60.0)
            assert documents()["users"] == {"1": {"name": "a", "orders": 0}}
            for statement in (
                f"UPDATE users SET name = {BAD} WHERE id = '1'",
                f"INSERT INTO orders VALUES ({BAD}, '2'), ('2', {BAD})",
                "UPDATE users SET name = 'b' WHERE id = '2'",
                "UPDATE others SET name = 'y'",
            ):
                connection.execute(statement.encode())
            after = documents()
            assert after["users"]["2"] == {"name": "b", "orders": 1}
            assert after["others"]["1"] == {"name": "y"}
            pipeline.stop()
            pipeline.start()
            connection.execute("UPDATE others SET name = 'z' WHERE id = 1")
            assert documents()["others"]["1"] == {"name": "z"}
            pipeline.stop()
