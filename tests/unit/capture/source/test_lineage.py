"""When reading can go on where it ended, and when a new history begins (I6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_capture.source.coverage import (
    CoverageRecord,
    PublishedTable,
    advance,
    gap,
    replaced,
    returned,
)
from flusso_capture.source.lineage import Server, lost
from flusso_capture.source.slot import Slot
from flusso_capture.stream.replication import timeline_end
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import Checkpoint, Lineage, checkpoint_of
from flusso_shared.names import TableName

LINEAGE = Lineage("42", "flusso", "0/10")
CHECKPOINT = Checkpoint(LINEAGE, timeline=1, lsn=1000)
SLOT = Slot("flusso", created=False, confirmed_text="0/3E8", confirmed=1000)
SERVER = Server(Origin("42", 1), flushed=5000, left_at=lambda _: None)
USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")


def promoted(end: int | None) -> Server:
    return Server(Origin("42", 2), flushed=5000, left_at=lambda timeline: {1: end}[timeline])


@pytest.mark.parametrize(
    ("slot", "server"),
    [
        (SLOT, SERVER),
        (replace(SLOT, confirmed=10), SERVER),
        (SLOT, replace(SERVER, flushed=1000)),
        (SLOT, promoted(1000)),
        (replace(SLOT, confirmed=900), promoted(2000)),
    ],
)
def test_the_stream_resumes(slot: Slot, server: Server) -> None:
    assert lost(LINEAGE, CHECKPOINT, slot, server, "flusso") is None


@pytest.mark.parametrize(
    ("slot", "server", "reason"),
    [
        (None, SERVER, "was dropped"),
        (replace(SLOT, invalidated=True), SERVER, "max_slot_wal_keep_size"),
        (replace(SLOT, confirmed=1001), SERVER, "another program recreated it or moved it"),
        (SLOT, replace(SERVER, origin=Origin("43", 1)), "another system"),
        (SLOT, replace(SERVER, flushed=999), "restored to an earlier state"),
        (SLOT, promoted(999), "promoted from a standby"),
        (SLOT, promoted(None), "promoted from a standby"),
    ],
)
def test_a_lost_position_is_noticed(slot: Slot | None, server: Server, reason: str) -> None:
    found = lost(LINEAGE, CHECKPOINT, slot, server, "flusso")
    assert found is not None
    assert reason in found


def test_another_slot_is_another_history() -> None:
    assert lost(LINEAGE, CHECKPOINT, replace(SLOT, name="other"), SERVER, "other") is not None


def test_a_record_of_another_lineage_says_nothing() -> None:
    older = replace(CHECKPOINT, lineage=replace(LINEAGE, created_lsn="0/1"), lsn=7)
    records = {item.key: item.to_json() for item in (CHECKPOINT, older)}
    assert checkpoint_of(records, LINEAGE) == CHECKPOINT
    assert checkpoint_of(records, replace(LINEAGE, created_lsn="0/2")) is None


def test_a_timeline_ends_at_its_switch_point() -> None:
    history = "1\t0/3000060\tno recovery target specified\n\n2\t1/A0\tbefore 2020\n"
    assert timeline_end(history, 1) == 0x3000060
    assert timeline_end(history, 2) == 0x1000000A0
    assert timeline_end(history, 3) is None


def covered(table: str, *entries: str) -> PublishedTable:
    return PublishedTable(table, frozenset(entries))


@pytest.mark.parametrize(
    ("now", "whole"),
    [
        (covered("1", "7"), True),
        (covered("1", "7", "schema9"), True),
        (covered("1", "8"), False),
        (covered("1"), False),
    ],
)
def test_a_table_is_covered_as_long_as_an_entry_stays(now: PublishedTable, whole: bool) -> None:
    before = {USERS: covered("1", "7")}
    assert (gap(before, {USERS: now}) is None) is whole


def test_a_table_that_is_gone_or_new_is_no_gap() -> None:
    assert gap({USERS: covered("1", "7")}, {ORDERS: covered("2", "8")}) is None


def test_another_table_of_the_same_name_is_no_gap() -> None:
    before, now = {USERS: covered("1", "7")}, {USERS: covered("2")}
    assert gap(before, now) is None
    assert replaced(before, now) == {USERS}
    assert replaced(before, before) == set()


def test_a_table_that_was_left_out_for_a_while_is_reported() -> None:
    both = {USERS: covered("1", "7"), ORDERS: covered("2", "8")}
    first = advance(None, LINEAGE, both, {})
    assert returned(None, LINEAGE, both) == set()
    second = advance(first, LINEAGE, {USERS: both[USERS]}, {})
    assert second == CoverageRecord(LINEAGE, {USERS: both[USERS]}, {ORDERS: both[ORDERS]}, {})
    assert returned(second, LINEAGE, both) == {ORDERS}
    assert advance(second, LINEAGE, both, {}).left == {}
    # In another lineage everything is read anyway.
    assert returned(second, replace(LINEAGE, created_lsn="0/99"), both) == set()
