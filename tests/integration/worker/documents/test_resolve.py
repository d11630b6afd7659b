"""From changed rows to the documents that contain them, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from flusso_shared.change import Change, Op, Position, Record
from flusso_shared.clock import SystemClock
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.documents import resolve
from flusso_worker.documents.built import Key
from flusso_worker.documents.change_batch import gather
from flusso_worker.documents.resolve import Resolver
from flusso_worker.postgres.database import Database
from flusso_worker.sql.document import compose
from support.kits.own_database import OwnDatabase
from support.stores import small as small_store
from support.stores.small import (
    ITEMS,
    ORDERS,
    PLAN,
    TAGS,
    USER_TAGS,
    USERS,
    change,
)

pytestmark = pytest.mark.services


@pytest.fixture
def connection(database: str) -> Iterator[Database]:
    small_store.create(database)
    small_store.fill(database, 30)
    made = OwnDatabase(database, "test", SystemClock(threading.Event()))
    yield made
    made.close()


@pytest.fixture
def resolver(connection: Database) -> Resolver:
    catalog = read_catalog(connection.connection(), PLAN.tables)
    return Resolver(PLAN, catalog, compose(PLAN, catalog).all_keys)


def keys(connection: Database, resolver: Resolver, changes: Sequence[Change]) -> list[Key]:
    """Every root key that the changes lead to, streamed ones included, as often as they come."""
    records = [Record(Position("t", 0, at), change) for at, change in enumerate(changes)]
    connection.begin()
    found = resolver.resolve(connection, gather(records))
    all_keys = list(found.keys)
    if found.fanouts:
        for more in resolver.stream(connection, found.fanouts, found.unresolved):
            all_keys.extend(more)
    connection.finish()
    return all_keys


def users(connection: Database, resolver: Resolver, *changes: Change) -> list[int]:
    return sorted(int(key[0]) for key in keys(connection, resolver, changes))


def test_a_root_row_is_its_own_document(connection: Database, resolver: Resolver) -> None:
    assert users(connection, resolver, change(USERS, [5]), change(USERS, [5]), change(USERS, [99])) == [5, 99]  # fmt: skip


def test_a_row_of_a_snapshot_is_only_its_own_document(
    connection: Database, resolver: Resolver
) -> None:
    """What contains it is built for the rows of its own table.  A row that is read again may have changed."""
    order = change(ORDERS, [10], None, {"user_id": "5"}, op=Op.SNAPSHOT)
    assert users(connection, resolver, order, change(USERS, [6], op=Op.SNAPSHOT)) == [6]
    again = change(ORDERS, [10], None, {"user_id": "5"}, op=Op.READ)
    assert users(connection, resolver, order, again) == [5]


def test_a_child_that_moves_names_both_parents(connection: Database, resolver: Resolver) -> None:
    moved = change(ORDERS, [10], {"id": "10", "user_id": "5"}, {"id": "10", "user_id": "6"})
    assert users(connection, resolver, moved) == [5, 6]


def test_a_deleted_child_names_its_old_parent(connection: Database, resolver: Resolver) -> None:
    gone = change(ORDERS, [10], {"id": "10", "user_id": "5"}, op=Op.DELETE)
    assert users(connection, resolver, gone) == [5]


def test_a_child_without_parent_names_none(connection: Database, resolver: Resolver) -> None:
    moved = change(ORDERS, [10], {"id": "10", "user_id": None}, {"id": "10", "user_id": "7"})
    assert users(connection, resolver, moved) == [7]
    assert users(connection, resolver, change(ORDERS, [10], None, {"user_id": None})) == []


def test_grandchildren_lead_to_their_root(connection: Database, resolver: Resolver) -> None:
    # Order 10 is user 5's, order 15 is user 7's.
    moved = change(ITEMS, [20], {"order_id": "10"}, {"order_id": "15"})
    assert users(connection, resolver, moved) == [5, 7]


def test_junction_rows_and_far_rows(connection: Database, resolver: Resolver) -> None:
    assert users(connection, resolver, change(USER_TAGS, [8, 1], op=Op.DELETE)) == [8]
    assert users(connection, resolver, change(TAGS, [0])) == list(range(3, 31, 3))


def test_a_key_comes_once_for_a_whole_batch(connection: Database, resolver: Resolver) -> None:
    many = [change(ITEMS, [item], None, {"order_id": "10"}) for item in range(50)]
    many += [change(USERS, [5]), change(ORDERS, [10], None, {"user_id": "5"})]
    assert users(connection, resolver, *many) == [5]


def test_a_link_value_that_the_record_lacks_is_looked_up(
    connection: Database, resolver: Resolver
) -> None:
    assert users(connection, resolver, change(ORDERS, [10], None, {"id": "10"})) == [5]


def test_a_table_of_other_indexes_leads_to_no_document(
    connection: Database, resolver: Resolver
) -> None:
    other = change(USERS._replace(name="elsewhere"), [1])
    assert users(connection, resolver, other) == []


def test_a_truncated_child_touches_every_document(connection: Database, resolver: Resolver) -> None:
    assert users(connection, resolver, change(ITEMS, [], op=Op.TRUNCATE)) == list(range(1, 31))
    assert users(connection, resolver, change(USERS, [], op=Op.TRUNCATE)) == []


def test_a_large_fanout_is_streamed(
    connection: Database,
    resolver: Resolver,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolve, "MAX_ROWS_IN_MEMORY", 5)
    monkeypatch.setattr(resolve, "_FETCH_ROWS", 4)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("UPDATE user_tags SET tag_id = 9")
    assert users(connection, resolver, change(TAGS, [9])) == list(range(1, 31))


def test_many_links_are_queried_in_chunks(
    connection: Database, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "MAX_PARAMETERS", 3)
    orders = [change(ITEMS, [n], None, {"order_id": str(n)}) for n in range(2, 62)]
    assert users(connection, resolver, *orders) == list(range(1, 31))
