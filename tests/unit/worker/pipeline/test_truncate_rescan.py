"""When all documents of an index are built again after TRUNCATE of its root table."""

from __future__ import annotations

import threading

from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import SystemClock
from flusso_shared.names import GenerationName
from flusso_shared.seams import TopicPartition
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.pipeline.offsets import PendingBatch
from flusso_worker.pipeline.spec import PipelineSpec
from flusso_worker.pipeline.truncate_rescan import TruncateRescan, TruncateRescans
from support.stores.small import PLAN

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def rescan() -> TruncateRescan:
    return TruncateRescan(PendingBatch({}, 1), ChangeBatch({}, {}, {}, {}, 0), {A: 5, B: 7}, 100.0)


def test_it_waits_until_every_other_member_has_committed() -> None:
    waiting = rescan()
    assert not waiting.is_due(0.0, {A: 5, B: 6}, [])
    assert not waiting.is_due(0.0, {A: 4, B: 6}, [])  # an offset once reached stays reached
    assert waiting.is_due(0.0, {A: 4, B: 7}, [])


def test_a_partition_that_came_to_this_member_was_flushed_before() -> None:
    assert rescan().is_due(0.0, {A: 5}, [B])


def test_it_does_not_wait_longer_than_any_batch_lives() -> None:
    assert rescan().is_due(100.0, {}, [])


def test_a_rescan_moves_with_the_partition_of_its_truncate() -> None:
    """Its new owner reads the truncate again; the rest of the batch is held back no longer."""
    log = MemoryLog()
    log.prepare(PLAN.tables)
    rescans = TruncateRescans(
        PipelineSpec(GenerationName("users", "01234567", 1), PLAN, "g"),
        log.groups,
        SystemClock(threading.Event()),
    )
    pending = PendingBatch({A: 3, B: 7}, 1)
    assert rescans.schedule(pending, ChangeBatch({}, {PLAN.root: frozenset([A])}, {}, {}, 0), [A])
    rescans.drop_partitions([B])
    assert not pending.fully_built
    rescans.drop_partitions([A])
    assert pending.fully_built
    assert rescans.take_due(list) == []
