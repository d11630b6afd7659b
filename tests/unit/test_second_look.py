"""When an index is looked through again after its root table was truncated."""

from __future__ import annotations

from flusso_shared.seams import TopicPartition
from flusso_worker.batches import Intake
from flusso_worker.offsets import Ticket
from flusso_worker.second_look import SecondLook

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def look() -> SecondLook:
    return SecondLook(Ticket({}, 1), Intake({}, frozenset(), {}, {}, 0), {A: 5, B: 7}, 100.0)


def test_it_waits_until_every_other_member_has_committed() -> None:
    waiting = look()
    assert not waiting.due(0.0, {A: 5, B: 6}, [])
    assert not waiting.due(0.0, {A: 4, B: 6}, [])  # an offset once reached stays reached
    assert waiting.due(0.0, {A: 4, B: 7}, [])


def test_a_partition_that_came_to_this_member_was_flushed_before() -> None:
    assert look().due(0.0, {A: 5}, [B])


def test_it_does_not_wait_longer_than_any_batch_lives() -> None:
    assert look().due(100.0, {}, [])
