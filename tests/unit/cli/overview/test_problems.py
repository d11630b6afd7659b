"""What is wrong with a deployment, what to do, and its health, from its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flusso_cli.overview.model import Index, Process, Queue, Sink, Source
from flusso_cli.overview.problems import Parts, health, problems
from flusso_shared.health.decide import Health


def process(part: Any, **changes: Any) -> Process:
    made = Process(
        id=part,
        part=part,
        host="one",
        pid=7,
        version="0.1.0",
        revision="unknown",
        public="http://10.0.0.1:1",
        private="http://10.0.0.1:2",
        started_at=0.0,
        state="alive",
        answers=True,
    )
    return replace(made, **changes)


WELL = Parts(
    source=Source("flusso", "flusso", active=True, wal_status="reserved"),
    queue=Queue("kafka"),
    sinks=[Sink("primary", "opensearch", "http://os:9200", "3.0.0")],
    processes=[process("capture"), process("worker")],
    indexes=[Index("users", "seeded", lag=0, quarantine=0)],
    registry_read=True,
)
USERS = WELL.indexes[0]
SILENT = process("worker", state="silent", answers=False, heartbeat_seconds_ago=42.4)


def derive(parts: Parts) -> Health:
    return health(problems(parts))


def test_all_well() -> None:
    assert derive(WELL).to_json() == {"state": "ok", "reasons": []}


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"source": replace(WELL.source, wal_status="lost")}, "failing", "slot flusso: it is lost"),
        (
            {"source": replace(WELL.source, wal_status="unreserved")},
            "degraded",
            "about to be lost",
        ),
        (
            {"source": replace(WELL.source, active=False)},
            "degraded",
            "slot flusso: no process reads from it",
        ),
        (
            {"source": Source("flusso", "flusso", error="Postgres is away")},
            "degraded",
            "Postgres: Postgres is away",
        ),
        ({"queue": Queue("kafka", error="Kafka is away")}, "degraded", "Kafka is away"),
        (
            {"sinks": [Sink("primary", "opensearch", "-", error="it is away")]},
            "degraded",
            "sink primary: it is away",
        ),
        (
            {"indexes": [replace(USERS, state="stopped", last_error="no column")]},
            "failing",
            "index users: it has stopped: no column",
        ),
        ({"indexes": [replace(USERS, paused=True)]}, "degraded", "index users: it is paused"),
        ({"indexes": [replace(USERS, quarantine=1)]}, "degraded", "1 document is in quarantine"),
        (
            {"processes": [process("capture"), process("worker"), replace(SILENT, id="b")]},
            "degraded",
            "worker one (PID 7): it is silent: its last heartbeat was 42 s ago",
        ),
        (
            {"processes": [process("capture"), process("worker", answers=False)]},
            "degraded",
            "does not answer at its public address http://10.0.0.1:1",
        ),
        ({"processes": [process("capture"), SILENT]}, "failing", "no flusso-worker runs"),
        (
            {
                "processes": [process("worker")],
                "source": replace(WELL.source, active=False),
            },
            "failing",
            "no flusso-capture runs",
        ),
        (
            {
                "queue": Queue("memory"),
                "processes": [process("run", state="ended", answers=False)],
                "source": replace(WELL.source, active=False),
            },
            "failing",
            "no flusso run runs",
        ),
    ],
)
def test_what_is_wrong_is_a_reason(changes: dict[str, Any], state: str, reason: str) -> None:
    found = derive(replace(WELL, **changes))
    assert found.state == state
    assert any(reason in text for text in found.reasons), found.reasons
    assert all(problem.todo for problem in problems(replace(WELL, **changes)))


def test_an_ended_worker_beside_a_living_one_is_no_reason() -> None:
    ended = process("worker", id="b", state="ended", answers=False)
    assert derive(replace(WELL, processes=[*WELL.processes, ended])).state == "ok"


def test_one_flusso_run_is_all_that_a_log_in_memory_needs() -> None:
    assert derive(replace(WELL, queue=Queue("memory"), processes=[process("run")])).state == "ok"


def test_without_a_registry_nothing_is_said_of_processes_that_may_run_elsewhere() -> None:
    assert derive(replace(WELL, processes=[process("worker")], registry_read=False)).state == "ok"


def test_a_capture_that_is_not_registered_reads_from_the_slot() -> None:
    assert derive(replace(WELL, processes=[process("worker")])).state == "ok"


def test_failures_come_first() -> None:
    indexes = [replace(USERS, paused=True), replace(USERS, index="orders", state="stopped")]
    found = derive(replace(WELL, indexes=indexes))
    assert found.state == "failing"
    assert [text.split()[1] for text in found.reasons] == ["orders:", "users:"]


def test_what_several_processes_report_is_one_reason() -> None:
    health = {"state": "degraded", "reasons": ["opensearch primary is away"]}
    processes = [process("capture"), *(process("worker", id=id, health=health) for id in "ab")]
    found = derive(replace(WELL, processes=processes))
    assert found.reasons == ("2 processes: opensearch primary is away",)


def test_an_index_that_has_stopped_is_reported_once() -> None:
    health = {"state": "degraded", "reasons": ["index users has stopped: no column"]}
    found = derive(
        replace(
            WELL,
            processes=[process("capture"), process("worker", health=health)],
            indexes=[replace(USERS, state="stopped", last_error="no column")],
        )
    )
    assert found.reasons == ("index users: it has stopped: no column",)


def test_what_processes_say_of_a_server_that_is_away_is_said_once() -> None:
    away = "cannot connect to Postgres: connection refused"
    health = {"state": "degraded", "reasons": [away, f"cannot read the slot yet: {away}"]}
    found = derive(
        replace(
            WELL,
            source=replace(WELL.source, error=away),
            processes=[process("capture", health=health), process("worker", health=health)],
        )
    )
    assert found.reasons == (f"Postgres: {away}",)
