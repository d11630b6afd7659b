"""From a batch of changes to documents: large fan-outs, truncates, failing rows, one snapshot otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
import pytest

from flusso_shared.change import Op
from flusso_shared.errors import RetryableError
from flusso_worker.documents import resolve
from flusso_worker.documents.built import Built
from flusso_worker.pipeline import build_batch
from support.kits.build_kit import BuildKit
from support.stores import small as small_store
from support.stores.small import (
    ITEMS,
    TAGS,
    USERS,
    change,
)

pytestmark = pytest.mark.services


@pytest.fixture
def kit(database: str) -> Iterator[BuildKit]:
    small_store.create(database)
    small_store.fill(database, 40)
    made = BuildKit(database)
    yield made
    made.close()


def written(chunks: Iterable[Built]) -> list[int]:
    return sorted(
        int(item.id) for chunk in chunks for item in chunk.operations if item.document is not None
    )


def deleted(chunks: Iterable[Built]) -> list[int]:
    return sorted(
        int(item.id) for chunk in chunks for item in chunk.operations if item.document is None
    )


def test_a_batch_is_built_in_one_snapshot(kit: BuildKit) -> None:
    kit.builder.chunk.keys = 10
    chunks = kit.build(*[change(USERS, [n]) for n in range(1, 42)])
    assert written(chunks) == list(range(1, 41))
    assert deleted(chunks) == [41]
    assert len({item.version for chunk in chunks for item in chunk.operations}) == 1


def test_a_batch_that_touches_nothing_builds_nothing(kit: BuildKit) -> None:
    assert kit.build(change(ITEMS, [1], None, {"order_id": None})) == []


def test_a_large_fanout_is_built_once_per_document(
    kit: BuildKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "MAX_ROWS_IN_MEMORY", 5)
    monkeypatch.setattr(resolve, "_FETCH_ROWS", 4)
    chunks = kit.build(change(TAGS, [0]), change(USERS, [3]), change(USERS, [4]))
    assert written(chunks) == sorted({*range(3, 41, 3), 4})


def test_a_migration_need_not_wait_for_a_large_fanout(
    kit: BuildKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the fan-out for the migration: the cursor's transaction waited for a later one, that for it, and both for ever.

    (Shown to fail when `Resolver.stream` leaves the transaction open.)
    """
    monkeypatch.setattr(resolve, "MAX_ROWS_IN_MEMORY", 5)
    monkeypatch.setattr(resolve, "_FETCH_ROWS", 4)
    kit.builder.chunk.keys = 3
    chunks_left = kit.built(change(TAGS, [0]))
    chunks = [next(chunks_left)]
    kit.end_transactions()
    kit.sql("ALTER TABLE users ADD COLUMN another int; TRUNCATE items CASCADE")
    chunks.extend(chunks_left)
    assert written(chunks) == list(range(3, 41, 3))


def test_a_lock_is_awaited_in_short_attempts(kit: BuildKit) -> None:
    """So that a migration that takes its locks in another order is never the victim of a deadlock."""
    with psycopg.connect(kit.url) as migration:
        migration.execute("LOCK TABLE users")
        with pytest.raises(RetryableError, match="exclusive lock on one of the tables"):
            kit.build(change(USERS, [1]))
    assert written(kit.build(change(USERS, [1]))) == [1]


def test_a_failing_row_in_a_fanout_leaves_the_others_built(
    kit: BuildKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.sql("UPDATE users SET parts = 0 WHERE id = 9")
    monkeypatch.setattr(resolve, "MAX_ROWS_IN_MEMORY", 5)
    monkeypatch.setattr(resolve, "_FETCH_ROWS", 4)
    chunks = kit.build(change(TAGS, [0]))
    assert written(chunks) == [n for n in range(3, 41, 3) if n != 9]
    assert [failure.id for chunk in chunks for failure in chunk.failed] == ["9"]


def test_a_failing_row_in_a_batch_leaves_the_others_built(kit: BuildKit) -> None:
    kit.sql("UPDATE users SET parts = 0 WHERE id = 9")
    kit.builder.chunk.keys = 10
    chunks = kit.build(*[change(USERS, [n]) for n in range(1, 31)])
    assert written(chunks) == [n for n in range(1, 31) if n != 9]


def test_an_old_snapshot_is_replaced(kit: BuildKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_batch, "_SNAPSHOT_AGE_SECONDS", 0.0)
    kit.builder.chunk.keys = 10
    made = kit.built(*[change(USERS, [n]) for n in range(1, 21)])
    first = next(iter(made))
    kit.sql("UPDATE users SET name = 'changed'")
    second = next(iter(made))
    assert second.operations[0].version > first.operations[0].version
    assert b"changed" in (second.operations[0].document or b"")
    assert list(made) == []


def test_after_a_truncate_everything_in_the_index_is_built_again(kit: BuildKit) -> None:
    kit.sql("TRUNCATE users")
    kit.sql("INSERT INTO users VALUES (7, 'new')")
    kit.indexed = [["1", "2", "7"], ["8"]]
    chunks = kit.build(change(USERS, [], op=Op.TRUNCATE))
    assert written(chunks) == [7]
    assert deleted(chunks) == [1, 2, 8]


def test_after_a_childs_truncate_every_document_is_built_again(kit: BuildKit) -> None:
    kit.sql("TRUNCATE items")
    chunks = kit.build(change(ITEMS, [], op=Op.TRUNCATE))
    assert written(chunks) == list(range(1, 41))


def test_a_batch_is_built_again_after_a_cut_connection(kit: BuildKit) -> None:
    kit.build(change(USERS, [1]))
    kit.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(RetryableError):
        kit.build(change(USERS, [1]))
    assert written(kit.build(change(USERS, [1]))) == [1]
