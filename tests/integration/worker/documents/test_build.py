"""Chunks of documents from a real database; a row that makes the statement fail is found and left out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import psycopg
import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import MAX_CHUNK_BYTES, MAX_CHUNK_KEYS, BuildQueue, Key
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.sql.document import compose
from support.kits.own_database import OwnDatabase
from support.stores import small as small_store
from support.stores.small import PLAN

pytestmark = pytest.mark.services


@pytest.fixture
def connection(database: str) -> Iterator[Database]:
    small_store.create(database)
    small_store.fill(database, 20)
    made = OwnDatabase(database, "test", SystemClock(threading.Event()))
    yield made
    made.close()


@pytest.fixture
def builder(connection: Database) -> Builder:
    catalog = read_catalog(connection.connection(), PLAN.tables)
    return Builder(compose(PLAN, catalog), Metrics())


def keys(*users: int) -> list[Key]:
    return [(str(user),) for user in users]


def test_documents_carry_the_snapshots_version_and_absent_rows_are_deletes(
    connection: Database, builder: Builder
) -> None:
    snapshot = connection.begin()
    built, _ = builder.build(connection, snapshot, keys(1, 2, 99))
    connection.finish()
    found = {item.id: item for item in built.operations}
    assert set(found) == {"1", "2", "99"}
    assert {item.version for item in built.operations} == {snapshot.version}
    assert found["99"].document is None
    document = json.loads(found["1"].document or b"")
    assert document["name"] == "name 1"
    assert [order["id"] for order in document["orders"]] == [2, 3]
    assert [item["id"] for item in document["orders"][0]["items"]] == [4, 5]
    assert [tag["label"] for tag in document["tags"]] == ["green"]


def test_all_documents_of_a_snapshot_are_one_cut(
    connection: Database, builder: Builder, database: str
) -> None:
    snapshot = connection.begin()
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("UPDATE users SET name = 'changed'")
    built, _ = builder.build(connection, snapshot, keys(1))
    assert json.loads(built.operations[0].document or b"")["name"] == "name 1"
    later = connection.begin()
    assert later.version > snapshot.version
    built, _ = builder.build(connection, later, keys(1))
    assert json.loads(built.operations[0].document or b"")["name"] == "changed"
    connection.finish()


def test_a_row_that_fails_is_isolated(
    connection: Database, builder: Builder, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("UPDATE users SET parts = 0 WHERE id IN (7, 13)")
    everyone = keys(*range(1, 21))
    with pytest.raises(RowError, match="division by zero"):
        builder.build(connection, connection.begin(), everyone)
    built = list(builder.isolate(connection, everyone))
    written = [int(item.id) for chunk in built for item in chunk.operations]
    assert sorted(written) == [n for n in range(1, 21) if n not in (7, 13)]
    failed = [failure for chunk in built for failure in chunk.failed]
    assert [(failure.id, failure.key) for failure in failed] == [("7", ("7",)), ("13", ("13",))]
    assert all("division by zero" in failure.reason for failure in failed)
    assert all(failure.version > 0 for failure in failed)


def test_chunks_shrink_for_large_documents_and_grow_back(
    connection: Database, builder: Builder, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("UPDATE users SET name = repeat('x', 1000000) WHERE id <= 10")
    builder.build(connection, connection.begin(), keys(*range(1, 9)))
    assert builder.chunk.keys == 4
    for _ in range(10):
        builder.build(connection, connection.begin(), keys(*range(11, 21)))
    assert builder.chunk.keys == MAX_CHUNK_KEYS
    connection.finish()


def test_a_statement_is_cut_before_its_documents_are_too_large(
    connection: Database, builder: Builder, database: str
) -> None:
    """Small documents come first: no earlier statement has shown the large ones."""
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("UPDATE users SET name = repeat('x', 3000000) WHERE id > 5")
    asked, parts = [*keys(*range(1, 21)), ("99",)], []
    builder.chunk.keys = MAX_CHUNK_KEYS
    queue = BuildQueue(asked)
    while chunk := queue.next_chunk(builder.chunk.keys):
        built, left = builder.build(connection, connection.begin(), chunk)
        queue.put_back(left)
        parts.append(built)
        assert built.size <= MAX_CHUNK_BYTES + 3_100_000
    assert len(parts) > 4
    operations = [item for part in parts for item in part.operations]
    assert sorted(int(item.id) for item in operations) == [*range(1, 21), 99]
    assert [item.id for item in operations if item.document is None] == ["99"]
    assert builder.chunk.keys <= 2
    builder.chunk.keys = MAX_CHUNK_KEYS
    isolated = list(builder.isolate(connection, asked))
    assert sorted(item.id for part in isolated for item in part.operations) == sorted(
        item.id for item in operations
    )
    assert max(part.size for part in isolated) <= MAX_CHUNK_BYTES + 3_100_000
