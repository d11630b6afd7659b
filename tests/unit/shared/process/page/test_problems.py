"""What is wrong in an overview, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from flusso_shared.process.page.problems import problems
from support.overview import overview

CASES: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    # case: (part of the overview, what is changed there, level, where, what to do)
    "Postgres away": ("source", {"error": "no answer"}, "failing", "Postgres", "flusso check"),
    "slot lost": ("source", {"wal_status": "lost"}, "failing", "Slot flusso", "flusso slot drop"),
    "slot in danger": (
        "source",
        {"wal_status": "unreserved"},
        "failing",
        "Slot flusso",
        "max_slot_wal_keep_size",
    ),
    "no capture": ("source", {"active": False}, "degraded", "Slot flusso", "flusso-capture"),
    "Kafka away": ("queue", {"error": "no broker"}, "failing", "Kafka", "[queue]"),
    "OpenSearch away": (
        "sinks",
        {"error": "refused"},
        "failing",
        "OpenSearch primary",
        "[sinks.primary]",
    ),
    "another sink": (
        "sinks",
        {"kind": "stdout", "error": "closed"},
        "failing",
        "Sink primary",
        "[sinks.primary]",
    ),
    "killed": (
        "processes",
        {"state": "silent", "answers": False, "heartbeat_seconds_ago": 40.0},
        "failing",
        "capture here:1 (capture-1)",
        "restart",
    ),
    "out of reach": (
        "processes",
        {"answers": False},
        "degraded",
        "capture here:1 (capture-1)",
        "--public-address",
    ),
    "its error": (
        "processes",
        {"last_error": "cannot read"},
        "degraded",
        "capture here:1 (capture-1)",
        "log",
    ),
    "index stopped": (
        "indexes",
        {"state": "stopped", "last_error": "mapping"},
        "failing",
        "Index orders",
        "Repair",
    ),
    "quarantine": ("indexes", {"quarantine": 2}, "degraded", "Index orders", "retry"),
}


def test_there_is_none_where_all_is_well() -> None:
    assert problems(overview("orders", "users")) == []


@pytest.mark.parametrize("case", CASES)
def test_each_says_where_and_what_to_do(case: str) -> None:
    part, changed, level, where, todo = CASES[case]
    document = overview()
    found = document[part]
    (found[0] if isinstance(found, list) else found).update(changed)
    (problem,) = problems(document)
    assert (problem.level, problem.where) == (level, where)
    assert todo in problem.todo
    told = [value for value in changed.values() if isinstance(value, str) and " " in value]
    assert all(value in problem.what for value in told)


def test_one_that_ended_cleanly_is_no_problem() -> None:
    document = overview()
    document["processes"][0].update(state="ended", answers=False)
    assert problems(document) == []
