"""When an index is looked through again after its root table was truncated."""

from __future__ import annotations

import threading

from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import SystemClock
from flusso_shared.names import GenerationName
from flusso_shared.seams import TopicPartition
from flusso_worker.documents.change_batch import Intake
from flusso_worker.pipeline.offsets import Ticket
from flusso_worker.pipeline.stages import Subject
from flusso_worker.pipeline.truncate_rescan import SecondLook, SecondLooks
from support.stores.small import PLAN

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def look() -> SecondLook:
    return SecondLook(Ticket({}, 1), Intake({}, {}, {}, {}, 0), {A: 5, B: 7}, 100.0)


def test_it_waits_until_every_other_member_has_committed() -> None:
    waiting = look()
    assert not waiting.due(0.0, {A: 5, B: 6}, [])
    assert not waiting.due(0.0, {A: 4, B: 6}, [])  # an offset once reached stays reached
    assert waiting.due(0.0, {A: 4, B: 7}, [])


def test_a_partition_that_came_to_this_member_was_flushed_before() -> None:
    assert look().due(0.0, {A: 5}, [B])


def test_it_does_not_wait_longer_than_any_batch_lives() -> None:
    assert look().due(100.0, {}, [])


def test_a_look_goes_where_its_truncate_goes() -> None:
    """Its new owner reads the truncate again; the rest of the batch is held back no longer."""
    log = MemoryLog()
    log.prepare(PLAN.tables)
    looks = SecondLooks(
        Subject(GenerationName("users", "01234567", 1), PLAN, "g"),
        log.groups,
        SystemClock(threading.Event()),
    )
    ticket = Ticket({A: 3, B: 7}, 1)
    assert looks.wanted(ticket, Intake({}, {PLAN.root: frozenset([A])}, {}, {}, 0), [A])
    looks.give_up([B])
    assert not ticket.closed
    looks.give_up([A])
    assert ticket.closed
    assert looks.due(list) == []
