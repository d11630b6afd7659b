"""The offset to commit passes records that no worker sees, and never one that is not applied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.changelog.kafka.offsets import MemberOffsets
from flusso_shared.seams import TopicPartition

AT = TopicPartition("t", 0)


def test_a_tail_of_tombstones_is_passed_once_everything_is_applied() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offsets.deliver(AT, 5)
    offsets.skip(AT, 7)
    assert offsets.due() == {}
    offsets.apply({AT: 6})
    assert offsets.due() == {AT: 7}
    offsets.asked({AT: 7})
    assert offsets.due() == {}


def test_the_lag_counts_what_is_not_applied_from_the_first_change_on() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    assert offsets.lag({AT: 20}) == 0, "nothing was read yet"
    offsets.deliver(AT, 10)
    assert offsets.lag({AT: 20}) == 10
    offsets.apply({AT: 11})
    assert offsets.lag({AT: 20}) == 9
    offsets.deliver(AT, 19)
    offsets.apply({AT: 20})
    assert offsets.lag({AT: 20, TopicPartition("t", 1): 5}) == 0


def test_a_tombstone_read_after_the_commit_is_passed_too() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offsets.deliver(AT, 5)
    offsets.apply({AT: 6})
    offsets.asked(offsets.due())
    offsets.skip(AT, 7)
    assert offsets.due() == {AT: 7}


def test_other_members_partitions_are_left_out() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offsets.deliver(AT, 5)
    offsets.remove([AT])
    offsets.apply({AT: 6})
    assert offsets.due() == {}
    assert not offsets.deliver(AT, 6)
    assert set(offsets.owned) == set()


def test_what_the_brokers_refused_is_due_again() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offsets.deliver(AT, 5)
    offsets.apply({AT: 6})
    offsets.asked({AT: 6})
    assert offsets.due() == {}
    offsets.refused([AT])
    assert offsets.due() == {AT: 6}


def test_the_last_answer_counts_even_if_it_is_an_older_one() -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offsets.deliver(AT, 8)
    offsets.apply({AT: 9})
    offsets.asked({AT: 9})
    offsets.asked({AT: 6})
    assert offsets.due() == {AT: 9}


@given(st.lists(st.sampled_from(["change", "tombstone", "apply", "commit"]), max_size=40))
def test_nothing_unapplied_is_ever_passed(steps: list[str]) -> None:
    offsets = MemberOffsets()
    offsets.assign([AT])
    offset = applied = 0
    changes: list[int] = []
    for step in steps:
        if step == "change":
            offsets.deliver(AT, offset)
            changes.append(offset)
            offset += 1
        elif step == "tombstone":
            offset += 1
            offsets.skip(AT, offset)
        elif step == "apply" and changes[applied:]:
            applied += 1
            offsets.apply({AT: changes[applied - 1] + 1})
        elif step == "commit":
            offsets.asked(offsets.due())
        due = offsets.due().get(AT, 0)
        assert all(each >= due for each in changes[applied:])
        if not changes[applied:]:
            offsets.asked(offsets.due())
            assert offsets._partitions[AT].asked == offset
