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
        "degraded",
        "capture here:1 (capture-1)",
        "restart",
    ),
    "stalled": (
        "processes",
        {"health": {"state": "failing", "reasons": ["no acknowledgement for 90 s"]}},
        "failing",
        "capture here:1",
        "restart",
    ),
    "waits": (
        "processes",
        {"health": {"state": "degraded", "reasons": ["answers 429"]}},
        "degraded",
        "capture here:1",
        "goes on by itself",
    ),
    "index stopped": (
        "indexes",
        {"state": "stopped", "last_error": "mapping"},
        "failing",
        "Index orders",
        "Repair",
    ),
    "index retried": (
        "indexes",
        {"last_error": "cannot read yet"},
        "degraded",
        "Index orders",
        "tried again",
    ),
    "index paused": (
        "indexes",
        {"state": "paused", "paused": True},
        "degraded",
        "Index orders",
        "Resume",
    ),
    "quarantine": ("indexes", {"quarantine": 2}, "degraded", "Quarantine of orders", "retry"),
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
    document["processes"].append(document["processes"][1] | {"state": "ended", "answers": False})
    assert problems(document) == []


def test_parts_that_do_not_run_are_missed() -> None:
    document = overview()
    document["processes"] = []
    document["source"]["active"] = None
    assert [found.where for found in problems(document)] == ["Capture", "Workers"]
    document["sinks"][0]["error"] = "no answer"
    assert [found.where for found in problems(document)] == ["OpenSearch primary"]


def test_what_follows_from_a_server_that_is_away_is_left_out() -> None:
    document = overview("orders", "users")
    for process in document["processes"]:
        process["health"] = {"state": "degraded", "reasons": ["OpenSearch does not answer"]}
    for index in document["indexes"]:
        index["last_error"] = "cannot write yet"
    names = [found.where for found in problems(document)]
    assert names == ["capture here:1, worker here:2", "Index orders", "Index users"]
    document["sinks"][0]["error"] = "no answer"
    assert [found.where for found in problems(document)] == ["OpenSearch primary"]


def test_an_index_that_has_stopped_is_no_problem_of_its_worker() -> None:
    document = overview()
    document["indexes"][0].update(state="stopped", last_error="mapping")
    document["processes"][1]["health"] = {
        "state": "degraded",
        "reasons": ["index orders has stopped: mapping"],
    }
    assert [found.where for found in problems(document)] == ["Index orders"]
