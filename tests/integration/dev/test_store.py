"""The example store loads, its changes run and its load generator works, on the real server."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest

from support.expected.oracle import TABLES
from support.stores import dev as store

pytestmark = pytest.mark.services


@pytest.fixture
def seeded(database: str) -> str:
    """A database with the seeded store."""
    store.load_store(database)
    return database


def _value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _digest(database: str) -> str:
    with psycopg.connect(database) as connection:
        rows = [
            connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall()
            for table in TABLES
        ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_the_seed_has_the_rows_that_are_documented(seeded: str) -> None:
    with psycopg.connect(seeded) as connection:
        counts = {
            table: (
                _value(connection, f"SELECT count(*) FILTER (WHERE {few}) FROM {table}"),
                _value(connection, f"SELECT count(*) FILTER (WHERE NOT ({few})) FROM {table}"),
            )
            for table, few in {
                "users": "id < 100",
                "products": "id < 100",
                "orders": "id < 1000",
                "order_items": "order_id < 1000",
                "tags": "id < 4",
                "categories": "id < 4",
                "reviews": "id < 2000",
                "addresses": "true",
                "profiles": "true",
            }.items()
        }
        gone = _value(connection, "SELECT count(*) FROM users WHERE deleted")
        items = connection.execute(
            "SELECT DISTINCT count(*) FROM order_items GROUP BY order_id ORDER BY 1"
        ).fetchall()
    assert counts.pop("order_items")[0] == 6
    assert counts == {
        "users": (4, 60),
        "products": (5, 50),
        "orders": (5, 400),
        "tags": (3, 4),
        "categories": (3, 3),
        "reviews": (5, 150),
        "addresses": (4, 0),
        "profiles": (3, 0),
    }
    assert gone == 4
    assert items == [(1,), (2,), (3,)]


def test_seeding_twice_gives_the_same_rows(seeded: str) -> None:
    first = _digest(seeded)
    with psycopg.connect(seeded, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    store.load_store(seeded)
    assert _digest(seeded) == first


def test_the_publication_covers_all_tables(seeded: str) -> None:
    script = store.ROOT / "dev" / "sql" / "03_publication.sql"
    with psycopg.connect(seeded, autocommit=True) as connection:
        connection.execute(script.read_bytes())
        published = connection.execute(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = 'flusso'"
        ).fetchall()
    assert {row[0] for row in published} == set(TABLES)


def test_the_ten_changes_run_as_ten_transactions(seeded: str) -> None:
    store.run_changes(seeded)
    with psycopg.connect(seeded) as connection:
        assert _value(connection, "SELECT full_name FROM users WHERE id = 5") == "Noor Haddad"
        assert _value(connection, "SELECT quantity FROM order_items WHERE id = 106") == 3
        assert _value(connection, "SELECT status FROM orders WHERE id = 11") == "cancelled"
        assert _value(connection, "SELECT deleted FROM users WHERE id = 3") is True
        transactions = _value(
            connection,
            "SELECT count(DISTINCT x) FROM ("
            " SELECT xmin::text x FROM users WHERE id IN (2, 3, 5)"
            " UNION ALL SELECT xmin::text FROM profiles WHERE user_id = 4"
            " UNION ALL SELECT xmin::text FROM orders WHERE id IN (11, 15)"
            " UNION ALL SELECT xmin::text FROM reviews WHERE id = 1005"
            " UNION ALL SELECT xmin::text FROM products WHERE id = 3"
            " UNION ALL SELECT xmin::text FROM product_tags WHERE (product_id, tag_id) = (1, 1)"
            ") changed",
        )
    # Step 4 overwrites both rows of step 3.
    assert transactions == 9


def test_production_is_simulated(seeded: str) -> None:
    before = _digest(seeded)
    notices: list[str] = []
    with psycopg.connect(seeded, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute((store.ROOT / "dev" / "load.sql").read_bytes())
        connection.execute("CALL simulate_production(1, 5, 10)")
        connection.execute("CALL simulate_production(60, 5, 0, 12)")
    timed, counted = (
        int(notice.removeprefix("simulate_production: ").removesuffix(" operations"))
        for notice in notices
    )
    assert timed >= 10
    assert counted == 15, "it ends with the transaction that reaches the number"
    assert _digest(seeded) != before
