"""The entry of a process: what it says, when the process counts as silent, and when the entry is removed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_cli.registry.entry import BEAT_SECONDS, Entry, removable

NOW = 1_000_000.0
ENTRY = Entry(
    id="a",
    part="worker",
    host="one",
    pid=7,
    version="0.1.0",
    revision="unknown",
    public="http://10.0.0.1:9474",
    private="http://10.0.0.1:9475",
    started_at=NOW - 7200,
).beat(NOW)


def test_a_heartbeat_counts_and_has_the_time() -> None:
    again = ENTRY.beat(NOW + 5)
    assert (again.sequence, again.beat_at) == (ENTRY.sequence + 1, NOW + 5)
    assert not again.ended
    assert again.beat(NOW + 6, ended=True).ended


def test_an_entry_is_read_as_it_was_written() -> None:
    assert Entry.from_json(ENTRY.to_json()) == ENTRY


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert Entry.from_json({**ENTRY.to_json(), "zone": "eu"}) == ENTRY


def test_an_entry_that_lacks_a_field_is_refused() -> None:
    written = ENTRY.to_json()
    del written["host"]
    with pytest.raises(TypeError, match="host"):
        Entry.from_json(written)


def test_a_process_is_silent_once_three_heartbeats_are_missing() -> None:
    assert not ENTRY.silent(NOW + 3 * BEAT_SECONDS)
    assert ENTRY.silent(NOW + 3 * BEAT_SECONDS + 1)
    assert not replace(ENTRY, ended=True).silent(NOW + 100)


def test_a_clock_that_is_ahead_makes_no_process_silent() -> None:
    assert not ENTRY.silent(NOW - 100)


@pytest.mark.parametrize(
    ("entry", "seconds", "removed"),
    [
        (ENTRY, 0, False),
        (ENTRY, 3600, False),
        (ENTRY, 3601, True),
        (replace(ENTRY, ended=True), 600, False),
        (replace(ENTRY, ended=True), 601, True),
    ],
)
def test_an_entry_stays_for_a_while_after_the_last_heartbeat(
    entry: Entry, seconds: float, removed: bool
) -> None:
    assert removable([entry], NOW + seconds) == ([entry] if removed else [])


def test_a_restart_at_the_same_place_replaces_a_process_that_is_gone() -> None:
    later = replace(ENTRY, id="b", started_at=NOW, beat_at=NOW + 20)
    assert removable([ENTRY, later], NOW + 20) == [ENTRY]
    ended = replace(ENTRY, ended=True)
    assert removable([ended, later], NOW + 1) == [ended]


@pytest.mark.parametrize(
    "other", [{"host": "two"}, {"part": "capture"}, {"public": "http://10.0.0.1:9484"}]
)
def test_a_process_at_another_place_replaces_none(other: dict[str, str]) -> None:
    later = replace(ENTRY, id="b", started_at=NOW, beat_at=NOW + 20, **other)  # type: ignore[arg-type]
    assert removable([ENTRY, later], NOW + 20) == []


def test_a_process_that_lives_is_not_replaced() -> None:
    later = replace(ENTRY, id="b", started_at=NOW)
    assert removable([ENTRY, later], NOW) == []
