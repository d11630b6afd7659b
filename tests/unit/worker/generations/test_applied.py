"""When a commit counts as applied: never before every change up to it is."""

from __future__ import annotations

from flusso_shared.changelog.control_records import (
    Checkpoint,
    Lineage,
    checkpoint_of,
    resync_tables,
)
from flusso_shared.names import TableName
from flusso_shared.seams import TopicPartition
from flusso_worker.generations.applied import Mark, Marks

A, B = TopicPartition("a", 0), TopicPartition("b", 0)
ENDS = {A: 1000, B: 1000}


def test_a_mark_is_reached_when_every_partition_is() -> None:
    marks = Marks()
    marks.add(Mark(100, {A: 10, B: 5}))
    assert not marks.reach({}, ENDS)
    assert not marks.reach({A: 10}, ENDS)
    assert not marks.reach({A: 10, B: 4}, ENDS)
    assert marks.applied == 0
    assert marks.reach({A: 10, B: 5}, ENDS)
    assert marks.applied == 100
    assert not marks.waiting


def test_a_partition_without_records_needs_no_commit() -> None:
    marks = Marks()
    marks.add(Mark(100, {A: 10, B: 0}))
    assert marks.reach({A: 12}, ENDS)


def test_several_marks_are_reached_at_once_and_none_too_early() -> None:
    marks = Marks()
    for lsn, end in ((100, 10), (200, 20), (300, 30)):
        marks.add(Mark(lsn, {A: end}))
    assert marks.reach({A: 25}, ENDS)
    assert marks.applied == 200
    assert marks.waiting
    assert not marks.reach({A: 29}, ENDS)
    assert marks.reach({A: 30}, ENDS)
    assert marks.applied == 300


def test_offsets_beyond_the_end_are_of_another_topic() -> None:
    marks = Marks()
    marks.add(Mark(100, {A: 2}))
    assert not marks.reach({A: 500}, {A: 2})
    assert marks.applied == 0


def test_a_backlog_keeps_few_marks_and_the_last() -> None:
    marks = Marks()
    for number in range(1, 1000):
        marks.add(Mark(number, {A: number}))
    assert marks.reach({A: 999}, ENDS)
    assert marks.applied == 999


def test_marks_of_a_backlog_are_given_up_and_never_moved() -> None:
    marks = Marks()
    for number in range(1, 1000):
        marks.add(Mark(number, {A: number}))
    for committed in range(0, 999, 7):
        marks.reach({A: committed}, ENDS)
        assert marks.applied <= committed


LINEAGE = Lineage("7", "slot", "0/1")


def test_a_checkpoint_of_an_earlier_version_acknowledges_nothing() -> None:
    checkpoint = Checkpoint(LINEAGE, 1, 500, 400)
    value = checkpoint.to_json()
    assert checkpoint_of({checkpoint.key: value}, LINEAGE) == checkpoint
    del value["acknowledged"]
    assert checkpoint_of({checkpoint.key: value}, LINEAGE) == Checkpoint(LINEAGE, 1, 500, 0)


def test_tables_that_wait_for_a_resync() -> None:
    def request(name: str, *, truncate: bool, read: bool) -> dict[str, object]:
        rows = [["public", name]] if read else []
        return {"table": ["public", name], "sweep": truncate, "read": rows, "serial": 1}

    records = {
        "doubt/public.a": request("a", truncate=True, read=False),
        "doubt/public.b": request("b", truncate=False, read=True),
        "doubt/public.c": request("c", truncate=False, read=False),
        "lineage": LINEAGE.to_json(),
    }
    assert resync_tables(records) == {TableName("public", "a"), TableName("public", "b")}
