"""Whether a process lives, from its entry and its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flusso_cli.overview import processes
from flusso_cli.overview.processes import Heartbeats
from flusso_cli.overview.rates import Looks
from flusso_cli.registry.entry import Entry

ENTRY = Entry(
    id="a",
    part="worker",
    host="one",
    pid=7,
    version="0.1.0",
    revision="unknown",
    public="http://10.0.0.1:1",
    private="http://10.0.0.1:2",
    started_at=1000.0,
    sequence=3,
    beat_at=1100.0,
)
STATUS = {"phase": "live", "uptime_seconds": 9, "waiting_for": None, "last_error": "no"}


def state(entry: Entry, age: float, *, answers: bool) -> str:
    status = STATUS if answers else None
    return processes.process(entry, status, age, age, Looks()).state


@pytest.mark.parametrize(
    ("entry", "age", "answers", "expected"),
    [
        (ENTRY, 1.0, True, "alive"),
        (ENTRY, 1.0, False, "alive"),
        (ENTRY, 15.0, False, "alive"),
        (ENTRY, 15.1, False, "silent"),
        (replace(ENTRY, interval=10.0), 15.1, False, "alive"),
        # It cannot write its entry, but it works.
        (ENTRY, 900.0, True, "alive"),
        (replace(ENTRY, ended=True), 1.0, False, "ended"),
    ],
)
def test_a_process_lives_while_it_beats_or_answers(
    entry: Entry, age: float, answers: bool, expected: str
) -> None:
    assert state(entry, age, answers=answers) == expected


def test_no_process_becomes_silent_while_the_registry_does_not_answer() -> None:
    assert processes.process(ENTRY, None, 300.0, 4.0, Looks()).state == "alive"


def test_what_it_answers_is_shown() -> None:
    found = processes.process(ENTRY, STATUS, 1.0, 1.0, Looks())
    assert (found.phase, found.uptime_seconds, found.last_error) == ("live", 9, "no")
    assert processes.process(ENTRY, None, 1.0, 1.0, Looks()).phase is None


def test_the_clock_of_another_machine_counts_once() -> None:
    beats = Heartbeats()
    beats.observe([ENTRY], now=50.0, wall=1130.0)
    assert beats.age("a", 50.0) == 30
    assert beats.age("a", 55.0) == 35
    beats.observe([replace(ENTRY, sequence=4, beat_at=1140.0)], now=60.0, wall=1170.0)
    assert beats.age("a", 60.0) == 0
    beats.observe([replace(ENTRY, sequence=4, beat_at=1140.0)], now=70.0, wall=1180.0)
    assert beats.age("a", 70.0) == 10


def test_a_clock_that_is_ahead_gives_no_negative_age() -> None:
    beats = Heartbeats()
    beats.observe([ENTRY], now=50.0, wall=1000.0)
    assert beats.age("a", 50.0) == 0


def test_capture_is_first_and_what_has_ended_last() -> None:
    found = [
        processes.process(replace(ENTRY, id=id, part=part, ended=ended), None, 0, 0, Looks())  # type: ignore[arg-type]
        for id, part, ended in (
            ("w1", "worker", True),
            ("w2", "worker", False),
            ("c", "capture", True),
        )
    ]
    assert [item.id for item in processes.ordered(found)] == ["c", "w2", "w1"]
