"""One batch of changes from its records."""

from __future__ import annotations

from flusso_shared.change import (
    Change,
    Op,
    Origin,
    Position,
    Record,
)
from flusso_shared.names import TableName
from flusso_shared.seams import TopicPartition
from flusso_worker.documents.change_batch import gather

USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")
ORIGIN = Origin("7", 1)


def record(
    partition: int,
    offset: int,
    table: TableName = USERS,
    op: Op = Op.UPDATE,
    xid: int = 0,
    commit_time: int = 0,
) -> Record:
    origin = ORIGIN if xid else Origin("", 0)
    change = Change(op, table, ("1",), None, None, commit_time=commit_time, xid=xid, origin=origin)
    return Record(Position(f"t.{table.name}", partition, offset), change)


def test_offsets_are_the_next_to_read_per_partition() -> None:
    intake = gather([record(0, 4), record(1, 9), record(0, 7), record(0, 3, ORDERS)])
    assert intake.offsets == {
        TopicPartition("t.users", 0): 8,
        TopicPartition("t.users", 1): 10,
        TopicPartition("t.orders", 0): 4,
    }
    assert intake.count == 4
    assert {table: len(changes) for table, changes in intake.changes.items()} == {
        USERS: 3,
        ORDERS: 1,
    }


def test_the_gate_waits_once_per_transaction_and_never_for_snapshot_rows() -> None:
    intake = gather(
        [record(0, 1, xid=50), record(0, 2, xid=50), record(0, 3, op=Op.READ), record(1, 1, xid=60)]
    )
    assert intake.xids == {ORIGIN: frozenset({50, 60})}


def test_a_truncate_is_no_row_but_the_gate_waits_for_it() -> None:
    intake = gather([record(0, 1, ORDERS, Op.TRUNCATE, xid=70)])
    assert intake.truncated == {ORDERS: {TopicPartition("t.orders", 0)}}
    assert not intake.changes
    assert intake.xids == {ORIGIN: frozenset({70})}
    assert intake.offsets == {TopicPartition("t.orders", 0): 2}


def test_the_oldest_commit_is_that_of_a_transaction_and_no_row_that_was_read_has_one() -> None:
    read = record(0, 1, op=Op.SNAPSHOT, commit_time=1_000_000)
    commits = [
        record(0, 2, xid=50, commit_time=9_500_000),
        record(1, 1, xid=60, commit_time=9_000_000),
    ]
    assert gather([read]).committed_at is None
    assert gather([read, *commits]).committed_at == 9.0


def test_the_cause_of_a_batch() -> None:
    snapshot, resync = record(0, 1, op=Op.SNAPSHOT), record(0, 2, op=Op.READ)
    assert gather([snapshot]).cause == "snapshot"
    assert gather([resync]).cause == "rebuild"
    assert gather([snapshot, record(0, 3, xid=50)]).cause == "change"
