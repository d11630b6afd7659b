"""Offsets never pass a batch that is not done (I7)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.seams import TopicPartition
from flusso_worker.pipeline.offsets import Ledger, Ticket

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def close(ticket: Ticket) -> None:
    ticket.closed = True


def test_a_later_batch_waits_for_an_earlier_one() -> None:
    ledger = Ledger()
    first, second = ledger.open({A: 5}, 5), ledger.open({A: 9, B: 2}, 6)
    first.pending = 1
    close(first)
    close(second)
    assert not ledger.releasable
    first.pending = 0
    assert ledger.release() == ({A: 9, B: 2}, 11)
    assert ledger.empty
    assert ledger.release() == ({}, 0)


def test_a_batch_is_open_until_all_its_chunks_are_known() -> None:
    ledger = Ledger()
    ticket = ledger.open({A: 5}, 5)
    assert not ledger.releasable
    close(ticket)
    assert ledger.releasable


def test_offsets_of_partitions_that_went_away_are_not_released() -> None:
    ledger = Ledger()
    done, flying = ledger.open({A: 5, B: 1}, 2), ledger.open({A: 6, B: 3}, 2)
    close(done)
    assert ledger.releasable
    ledger.forget([B])
    close(flying)
    assert ledger.release()[0] == {A: 6}


def test_what_could_not_be_committed_comes_again_unless_newer() -> None:
    ledger = Ledger()
    close(ledger.open({A: 5, B: 5}, 2))
    offsets, changes = ledger.release()
    close(ledger.open({A: 8}, 3))
    assert ledger.releasable
    ledger.restore(offsets, changes)
    assert ledger.release() == ({A: 8, B: 5}, 5)


@given(st.data())
def test_released_offsets_agree_with_a_plain_model(data: st.DataObject) -> None:
    """Any order of landing: the offset released for a partition has no unfinished batch before it."""
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
    ledger, tickets, offset = Ledger(), list[Ticket](), 0
    ends: list[int] = []
    for size in sizes:
        offset += size
        ends.append(offset)
        ticket = ledger.open({A: offset}, size)
        ticket.pending, ticket.closed = size, True
        tickets.append(ticket)
    committed = total = 0
    landings = [at for at, size in enumerate(sizes) for _ in range(size)]
    for at in data.draw(st.permutations(landings)):
        tickets[at].pending -= 1
        offsets, changes = ledger.release()
        total += changes
        committed = max(committed, offsets.get(A, 0))
        unfinished = [ends[i] - sizes[i] for i, ticket in enumerate(tickets) if ticket.pending]
        assert committed == min(unfinished, default=ends[-1])
        assert total == committed
    assert ledger.empty
