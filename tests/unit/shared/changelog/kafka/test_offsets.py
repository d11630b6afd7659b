"""Positions pass what nobody sees, and never what is not applied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.changelog.kafka.offsets import Positions
from flusso_shared.seams import TopicPartition

AT = TopicPartition("t", 0)


def test_a_tail_of_tombstones_is_passed_once_everything_is_applied() -> None:
    positions = Positions()
    positions.assign([AT])
    positions.deliver(AT, 5)
    positions.skip(AT, 7)
    assert positions.due() == {}
    positions.apply({AT: 6})
    assert positions.due() == {AT: 7}
    positions.asked({AT: 7})
    assert positions.due() == {}


def test_a_tombstone_read_after_the_commit_is_passed_too() -> None:
    positions = Positions()
    positions.assign([AT])
    positions.deliver(AT, 5)
    positions.apply({AT: 6})
    positions.asked(positions.due())
    positions.skip(AT, 7)
    assert positions.due() == {AT: 7}


def test_other_members_partitions_are_left_out() -> None:
    positions = Positions()
    positions.assign([AT])
    positions.deliver(AT, 5)
    positions.remove([AT])
    positions.apply({AT: 6})
    assert positions.due() == {}
    assert not positions.deliver(AT, 6)
    assert set(positions.owned) == set()


def test_what_the_brokers_refused_is_due_again() -> None:
    positions = Positions()
    positions.assign([AT])
    positions.deliver(AT, 5)
    positions.apply({AT: 6})
    positions.asked({AT: 6})
    assert positions.due() == {}
    positions.refused([AT])
    assert positions.due() == {AT: 6}


def test_the_last_answer_counts_even_if_it_is_an_older_one() -> None:
    positions = Positions()
    positions.assign([AT])
    positions.deliver(AT, 8)
    positions.apply({AT: 9})
    positions.asked({AT: 9})
    positions.asked({AT: 6})
    assert positions.due() == {AT: 9}


@given(st.lists(st.sampled_from(["change", "tombstone", "apply", "commit"]), max_size=40))
def test_nothing_unapplied_is_ever_passed(steps: list[str]) -> None:
    positions = Positions()
    positions.assign([AT])
    offset = applied = 0
    changes: list[int] = []
    for step in steps:
        if step == "change":
            positions.deliver(AT, offset)
            changes.append(offset)
            offset += 1
        elif step == "tombstone":
            offset += 1
            positions.skip(AT, offset)
        elif step == "apply" and changes[applied:]:
            applied += 1
            positions.apply({AT: changes[applied - 1] + 1})
        elif step == "commit":
            positions.asked(positions.due())
        due = positions.due().get(AT, 0)
        assert all(each >= due for each in changes[applied:])
        if not changes[applied:]:
            positions.asked(positions.due())
            assert positions._places[AT].asked == offset
