"""Offsets never pass a batch that is not done (I7)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.seams import TopicPartition
from flusso_worker.pipeline.offsets import OffsetTracker, PendingBatch

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def finish(pending: PendingBatch) -> None:
    pending.fully_built = True


def test_a_later_batch_waits_for_an_earlier_one() -> None:
    tracker = OffsetTracker()
    first, second = tracker.add_batch({A: 5}, 5), tracker.add_batch({A: 9, B: 2}, 6)
    first.unflushed = 1
    finish(first)
    finish(second)
    assert not tracker.has_committable
    first.unflushed = 0
    assert tracker.take_committable() == ({A: 9, B: 2}, 11)
    assert tracker.empty
    assert tracker.take_committable() == ({}, 0)


def test_a_batch_is_open_until_all_its_chunks_are_known() -> None:
    tracker = OffsetTracker()
    pending = tracker.add_batch({A: 5}, 5)
    assert not tracker.has_committable
    finish(pending)
    assert tracker.has_committable


def test_the_oldest_commit_is_of_the_batches_that_are_not_done() -> None:
    tracker = OffsetTracker()
    assert tracker.oldest_commit is None
    first = tracker.add_batch({A: 1}, 1, committed_at=7.0)
    second = tracker.add_batch({A: 2}, 1, committed_at=6.0)
    tracker.add_batch({A: 3}, 1)
    assert tracker.oldest_commit == 6.0
    finish(first)
    finish(second)
    assert tracker.oldest_commit is None
    assert tracker.take_done() == [first, second]
    assert tracker.take_done() == []


def test_offsets_of_partitions_that_went_away_are_not_released() -> None:
    tracker = OffsetTracker()
    done, in_flight = tracker.add_batch({A: 5, B: 1}, 2), tracker.add_batch({A: 6, B: 3}, 2)
    finish(done)
    assert tracker.has_committable
    tracker.drop_partitions([B])
    finish(in_flight)
    assert tracker.take_committable()[0] == {A: 6}


def test_what_could_not_be_committed_is_returned_again_unless_newer() -> None:
    tracker = OffsetTracker()
    finish(tracker.add_batch({A: 5, B: 5}, 2))
    offsets, changes = tracker.take_committable()
    finish(tracker.add_batch({A: 8}, 3))
    assert tracker.has_committable
    tracker.put_back(offsets, changes)
    assert tracker.take_committable() == ({A: 8, B: 5}, 5)


@given(st.data())
def test_released_offsets_agree_with_a_plain_model(data: st.DataObject) -> None:
    """Any order of completion: the offset released for a partition has no unfinished batch before it."""
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
    tracker, batches, offset = OffsetTracker(), list[PendingBatch](), 0
    ends: list[int] = []
    for size in sizes:
        offset += size
        ends.append(offset)
        pending = tracker.add_batch({A: offset}, size)
        pending.unflushed, pending.fully_built = size, True
        batches.append(pending)
    committed = total = 0
    completions = [at for at, size in enumerate(sizes) for _ in range(size)]
    for at in data.draw(st.permutations(completions)):
        batches[at].unflushed -= 1
        offsets, changes = tracker.take_committable()
        total += changes
        committed = max(committed, offsets.get(A, 0))
        unfinished = [ends[i] - sizes[i] for i, pending in enumerate(batches) if pending.unflushed]
        assert committed == min(unfinished, default=ends[-1])
        assert total == committed
    assert tracker.empty
