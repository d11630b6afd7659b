"""What `flusso status` shows of an overview."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from flusso_cli.overview.model import Index, Overview, Problem, Process, Queue, Sink, Source, Topic
from flusso_cli.status.screen import screen
from flusso_shared.health.decide import Health

WORKER = Process(
    id="w",
    part="worker",
    host="shop-flusso-worker-0",
    pid=7,
    version="0.1.0",
    revision="unknown",
    public="http://10.42.17.203:9474",
    private="http://10.42.17.203:9475",
    started_at=0.0,
    state="alive",
    heartbeat_seconds_ago=2.0,
    answers=True,
    phase="live",
    health={"state": "ok", "reasons": []},
    uptime_seconds=200_000,
    captured_per_second=12_345.6,
    committed_per_second=12_300.0,
)
USERS = Index(
    "users",
    "seeded",
    lag=1_234_567,
    lag_seconds=4_000.0,
    rate=12_300.0,
    eta_seconds=100.0,
    quarantine=3,
)
BUSY = Overview(
    at=1_700_000_000.0,
    health=Health("degraded", ("index users: 3 documents are in quarantine",)),
    problems=[
        Problem("degraded", "index users", "3 documents are in quarantine", "Repair the rows.")
    ],
    source=Source(
        "flusso",
        "flusso",
        active=True,
        wal_status="extended",
        lag_bytes=52_480,
        retained_bytes=7_300_000_000,
        safe_bytes=1_000_000_000,
    ),
    queue=Queue("kafka", [Topic("flusso.public.users", "public.users", 4, 1_500)]),
    sinks=[Sink("primary", "opensearch", "https://search.internal:9200", "3.0.0")],
    processes=[replace(WORKER, id="c", part="capture"), WORKER],
    indexes=[Index("orders", "seeded", lag=0, lag_seconds=0.0, quarantine=0), USERS],
)


def shown(overview: Overview, width: int = 80) -> str:
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(screen(overview))
    return capture.get()


def test_a_glance_says_what_is_furthest_behind() -> None:
    first, *_ = shown(BUSY).splitlines()
    assert first == (
        "degraded: 1 capture, 1 worker; users is behind by 1,234,567 changes, 1 h 06 m"
    )


def test_a_glance_at_a_deployment_without_faults() -> None:
    well = replace(BUSY, health=Health("ok"), problems=[], indexes=BUSY.indexes[:1])
    first, *_ = shown(well).splitlines()
    assert first == "ok: 1 capture, 1 worker; no index is behind by more than 5 s"


def test_a_lag_that_is_not_known_is_not_taken_for_none() -> None:
    unknown = replace(BUSY, indexes=[Index("users", "unknown")], processes=[])
    assert "no process is known to run; the lag is not known" in shown(unknown)


def test_each_index_has_its_numbers() -> None:
    (line,) = [line for line in shown(BUSY).splitlines() if line.startswith("users")]
    assert " ".join(line.split()) == "users seeded 1,234,567 1 h 06 m 12,300 1 m 40 s 3"


def test_problems_come_before_the_tables_with_what_to_do() -> None:
    text = shown(BUSY)
    lines = [line.rstrip() for line in text.splitlines()]
    at = lines.index("! index users: 3 documents are in quarantine")
    assert lines[at + 1] == "  Repair the rows."
    assert text.index("Repair the rows.") < text.index("caught up in")


def test_everything_fits_into_80_columns() -> None:
    long = "a reason of many words " * 20
    crowded = replace(
        BUSY,
        problems=[Problem("failing", long, long, long)],
        indexes=[replace(USERS, index="an_index_with_a_long_name_of_its_own", last_error=long)],
    )
    text = shown(crowded)
    assert max(map(len, text.splitlines())) <= 80
    assert "an_index_with_a_long" in text


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (replace(WORKER, state="silent", answers=False, heartbeat_seconds_ago=42.0), "silent"),
        (replace(WORKER, answers=False), "no answer"),
        (replace(WORKER, health={"state": "failing", "reasons": ["x"]}), "failing"),
        (replace(WORKER, state="ended", answers=False), "ended"),
    ],
)
def test_each_process_has_its_state(process: Process, expected: str) -> None:
    text = shown(replace(BUSY, processes=[process]), 160)
    (line,) = [line for line in text.splitlines() if line.startswith("worker")]
    assert f" {expected} " in line


def test_an_index_that_is_being_built_shows_how_far_it_is() -> None:
    seeding = {"state": "seeding", "done": 250, "total": 1000}
    text = shown(replace(BUSY, indexes=[replace(USERS, generations=[seeding])]))
    assert "index users is being built: 250 of 1,000 changes (25 %)" in text
    beside = replace(USERS, generations=[{"state": "live"}, seeding])
    assert "beside the one that answers queries" in shown(replace(BUSY, indexes=[beside]))


def test_an_error_is_shown_once() -> None:
    error = "OpenSearch does not answer"
    processes = [replace(WORKER, id=id, last_error=error) for id in "ab"]
    text = shown(replace(BUSY, processes=processes), 160)
    assert text.count(error) == 1
    assert f"2 processes: last error: {error}" in text
    problem = Problem("degraded", "sink primary", error, "Start it.")
    said = Health("degraded", (str(problem),))
    known = replace(BUSY, processes=processes, health=said, problems=[problem])
    assert shown(known, 160).count(error) == 1


def test_the_error_of_an_index_is_not_repeated_for_its_processes() -> None:
    error = "the table lacks a column\n  of the schema"
    text = shown(
        replace(
            BUSY,
            health=Health("failing", (f"index users: it has stopped: {error}",)),
            problems=[Problem("failing", "index users", f"it has stopped: {error}", "Repair.")],
            indexes=[replace(USERS, state="stopped", last_error=error)],
            processes=[replace(WORKER, last_error=f"index users: {error}")],
        ),
        160,
    )
    assert text.count("the table lacks a column of the schema") == 1


def test_what_cannot_be_found_out_is_marked() -> None:
    text = shown(
        replace(
            BUSY,
            source=Source("flusso", "flusso", error="away"),
            queue=Queue("kafka", error="away"),
            processes=[],
        )
    )
    assert "flusso: not known" in text
    assert "Kafka: not known" in text
    assert "no process is known" in text


def test_a_deployment_of_one_process() -> None:
    alone = replace(
        BUSY,
        queue=Queue("memory"),
        sinks=[Sink("stdout", "stdout", "stdout")],
        processes=[replace(WORKER, part="run")],
    )
    text = shown(alone)
    assert "1 flusso run;" in text
    assert "in the memory of flusso run" in text
    assert "stdout: stdout" in text
