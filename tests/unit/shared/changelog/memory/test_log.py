"""What only the log in memory does: its bounds, and acknowledging what every group has applied."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.change import Change
from flusso_shared.changelog.memory import log as memory_log
from flusso_shared.changelog.memory.log import MemoryControl, MemoryLog
from flusso_shared.changelog.memory.reader import MemoryReader
from flusso_shared.errors import FatalError
from flusso_shared.seams import TopicPartition
from support.kits.change_logs import (
    ORDERS,
    USERS,
    after,
    change,
    publish,
    read,
    start,
)


def nothing() -> None:
    """An acknowledgement that is not waited for."""


def test_without_a_group_a_change_is_acknowledged_at_once() -> None:
    log = MemoryLog()
    writer = log.writer()
    acknowledged = publish(writer, [change(1)])
    assert acknowledged == []
    writer.poll(0)
    assert acknowledged == [change(1)]
    assert list(log.groups.ends([USERS]).values()) == [1]


def test_a_change_of_a_table_that_no_group_reads_is_acknowledged_at_once() -> None:
    log = MemoryLog()
    start(log, "g", [USERS])
    writer = log.writer()
    acknowledged = publish(writer, [change(1, table=ORDERS), change(1)])
    writer.poll(0)
    assert acknowledged == [change(1, table=ORDERS)]


def test_a_change_is_acknowledged_when_the_last_group_has_applied_it() -> None:
    log = MemoryLog()
    for name in "ab":
        start(log, name)
    writer = log.writer()
    acknowledged = publish(writer, [change(1), change(2)])
    first, second = (log.reader(name, [USERS], lambda _: None) for name in "ab")
    first.commit(after(read(first, 2)))
    writer.poll(0)
    assert acknowledged == []
    second.commit(after(read(second, 2)[:1]))
    writer.poll(0)
    assert acknowledged == [change(1)]


def test_a_deleted_group_releases_its_changes() -> None:
    log = MemoryLog()
    start(log, "slow")
    writer = log.writer()
    acknowledged = publish(writer, [change(1)])
    log.groups.forget("slow")
    writer.poll(0)
    assert acknowledged == [change(1)]


def test_a_group_of_an_earlier_process_is_not_retained_and_starts_at_the_end() -> None:
    log = MemoryLog()
    publish(log.writer(), [change(1), change(2)])
    ends = log.groups.ends([USERS])
    assert not log.groups.retains("earlier")
    assert log.groups.resumed_starts(dict.fromkeys(ends, 17), [USERS]) == ends
    log.groups.reset("earlier", ends)
    assert log.groups.retains("earlier")
    log.groups.forget("earlier")
    assert not log.groups.retains("earlier")


def test_a_group_holds_its_changes_while_it_has_no_member() -> None:
    log = MemoryLog()
    reader = log.reader("g", [USERS], lambda _: None)
    reader.close()
    acknowledged = publish(log.writer(), [change(1)])
    assert acknowledged == []
    again = log.reader("g", [USERS], lambda _: None)
    assert [record.change for record in read(again, 1)] == [change(1)]


def test_a_group_without_a_position_starts_at_the_end() -> None:
    log = MemoryLog()
    publish(log.writer(), [change(1)])
    reader = log.reader("g", [USERS], lambda _: None)
    assert reader.poll(10, 0) == []


def test_a_full_buffer_refuses_and_takes_again_after_a_commit() -> None:
    log = MemoryLog(capacity=3)
    start(log, "g")
    writer = log.writer()
    assert [writer.publish(change(n), nothing) for n in range(4)] == [True, True, True, False]
    reader = log.reader("g", [USERS], lambda _: None)
    records = read(reader, 3)
    assert [record.change.key for record in records] == [("0",), ("1",), ("2",)]
    reader.commit(after(records[:1]))
    assert [writer.publish(change(n), nothing) for n in (4, 5)] == [True, False]


def test_bytes_are_bounded_but_one_large_change_passes() -> None:
    log = MemoryLog(max_bytes=5000)
    start(log, "g")
    writer = log.writer()
    large = Change(change(1).op, USERS, ("1",), None, {"text": "x" * 100_000})
    assert writer.publish(large, nothing)
    assert not writer.publish(change(2), nothing)
    reader = log.reader("g", [USERS], lambda _: None)
    reader.commit(after(read(reader, 1)))
    assert writer.publish(change(2), nothing)


def test_the_writer_wakes_as_soon_as_something_is_applied() -> None:
    log = MemoryLog()
    start(log, "g")
    writer = log.writer()
    acknowledged = publish(writer, [change(1)])

    def apply() -> None:
        reader = log.reader("g", [USERS], lambda _: None)
        reader.commit(after(read(reader, 1)))

    thread = threading.Thread(target=apply)
    began = time.monotonic()
    thread.start()
    writer.poll(60)
    thread.join()
    assert acknowledged == [change(1)]
    assert time.monotonic() - began < 30


def test_the_reader_wakes_as_soon_as_something_is_published() -> None:
    log = MemoryLog()
    reader = log.reader("g", [USERS], lambda _: None)
    thread = threading.Thread(target=lambda: publish(log.writer(), [change(1)]))
    began = time.monotonic()
    thread.start()
    assert len(reader.poll(10, 60)) == 1
    thread.join()
    assert time.monotonic() - began < 30


def test_a_closed_writer_waits_for_its_acknowledgements_so_long_and_no_longer() -> None:
    log = MemoryLog()
    start(log, "g")
    writer = log.writer()
    acknowledged = publish(writer, [change(1)])
    writer.close(0.01)
    assert acknowledged == []


def test_a_position_that_is_not_held_any_more_is_fatal() -> None:
    log = MemoryLog()
    start(log, "g")
    publish(log.writer(), [change(n) for n in range(5)])
    reader = log.reader("g", [USERS], lambda _: None)
    reader.commit(after(read(reader, 5)))
    log.groups.reset("late", {TopicPartition("public.users", 0): 2})
    with pytest.raises(FatalError, match="start the process again"):
        log.reader("late", [USERS], lambda _: None).poll(1, 0)


def test_only_the_lineage_is_kept_elsewhere() -> None:
    kept = MemoryControl(None)
    first = MemoryLog(lasting=kept).control
    first.put("lineage", {"slot": "a"})
    first.put("snapshot/public.users", {"rows": 1})
    assert kept.load() == {"lineage": {"slot": "a"}}
    assert MemoryLog(lasting=kept).control.load() == {"lineage": {"slot": "a"}}


@given(st.lists(st.tuples(st.sampled_from("pcrab"), st.integers(1, 6)), max_size=60))
def test_acknowledged_is_what_all_groups_have_applied(steps: list[tuple[str, int]]) -> None:
    """Whatever the order of publishing, reading, committing and rejoining."""
    log = MemoryLog(capacity=20)
    names: tuple[str, ...] = ("a", "b")
    readers: dict[str, MemoryReader] = {
        name: log.reader(name, [USERS], lambda _: None) for name in names
    }
    read_to: dict[str, int] = dict.fromkeys(names, 0)
    applied: dict[str, int] = dict.fromkeys(names, 0)
    writer = log.writer()
    acknowledged: list[int] = []
    published = 0
    for what, count in steps:
        if what == "p":
            for _ in range(count):
                number = published
                taken = writer.publish(change(number), lambda n=number: acknowledged.append(n))  # type: ignore[misc]
                assert taken == (published - min(applied.values()) < 20)
                published += taken
        elif what == "c":
            for name in names[: 1 + count % 2]:
                applied[name] = read_to[name]
                readers[name].commit({TopicPartition("public.users", 0): applied[name]})
        elif what == "r":
            name = names[count % 2]
            readers[name].close()
            readers[name] = log.reader(name, [USERS], lambda _: None)
            read_to[name] = applied[name]
        else:
            for record in readers[what].poll(count, 0):
                assert record.position.offset == read_to[what]
                assert record.change.key == (str(read_to[what]),)
                read_to[what] += 1
        writer.poll(0)
        assert acknowledged == list(range(min(applied.values())))


def test_a_group_that_holds_back_a_full_log_is_named_and_can_be_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_log, "_HOLDS_BACK_AFTER_SECONDS", 0.0)
    log = MemoryLog(capacity=2)
    for name in ("quick", "stopped"):
        start(log, name)
    writer = log.writer()
    publish(writer, [change(1), change(2)])
    quick = log.reader("quick", [USERS], lambda _: None)
    quick.commit(after(read(quick, 2)))
    assert not log.holds_back("stopped")
    # A snapshot is not complete before all have it.
    assert log.holds_back("stopped", seeding=True)
    assert not log.holds_back("quick", seeding=True)
    assert not log.holds_back("unknown", seeding=True)
    # The slot waits for all, too.
    assert log.holds_back("stopped", overdue=True)
    assert not log.holds_back("quick", overdue=True)
    assert not log.holds_back("unknown", overdue=True)
    assert not writer.publish(change(3), nothing)
    assert log.holds_back("stopped")
    assert not log.holds_back("quick")
    assert not log.holds_back("unknown")
    log.groups.forget("stopped")
    assert writer.publish(change(3), nothing)
    assert not log.holds_back("stopped")


def test_a_log_with_room_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_log, "_HOLDS_BACK_AFTER_SECONDS", 0.0)
    log = MemoryLog(capacity=2)
    start(log, "slow")
    writer = log.writer()
    publish(writer, [change(1), change(2)])
    assert not writer.publish(change(3), nothing)
    slow = log.reader("slow", [USERS], lambda _: None)
    slow.commit(after(read(slow, 2)[:1]))
    assert not log.holds_back("slow")
