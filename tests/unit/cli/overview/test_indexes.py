"""The state, lag and quarantine of an index from its records and the reports of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from flusso_cli.overview.indexes import Found, indexes
from flusso_cli.overview.model import Index
from flusso_cli.overview.rates import Look, Looks, Position
from flusso_shared.names import GenerationName
from flusso_worker.generations.view import GenerationView

LIVE = GenerationView("users", "users_1", "live", 0.0, 7, None, None, to_be_replaced=False)
SEEDING = GenerationView("users", "users_2", "seeding", 0.0, 90, 10, 100, to_be_replaced=False)


def users(
    views: Sequence[GenerationView] = (LIVE,),
    statuses: Sequence[Mapping[str, Any]] = (),
    quarantine: Mapping[str, int] | None = None,
    looks: Looks | None = None,
) -> Index:
    (found,) = indexes(
        Found(["users"], {"users": views}, {}, statuses, quarantine, looks or Looks())
    )
    return found


def report(state: str = "seeded", **lag: Any) -> dict[str, Any]:
    return {"indexes": {"users": state}, "lag": {"users": lag} if lag else {}}


@pytest.mark.parametrize(
    ("views", "reported", "expected"),
    [
        ([LIVE], [], "seeded"),
        ([LIVE, SEEDING], ["backfilling"], "seeded"),
        ([SEEDING], ["backfilling"], "backfilling"),
        ([LIVE], ["seeded", "stopped"], "stopped"),
        ([LIVE], ["standby"], "seeded"),
        ([replace(LIVE, paused=True)], ["stopped"], "paused"),
        ([], ["pending"], "pending"),
        ([], ["pending", "seeded"], "seeded"),
        ([], [], "unknown"),
    ],
)
def test_the_records_say_the_state_unless_a_process_could_not_go_on(
    views: Sequence[GenerationView], reported: Sequence[str], expected: str
) -> None:
    assert users(views, [report(state) for state in reported]).state == expected


def test_the_lag_is_that_of_the_generation_that_queries_see() -> None:
    assert users([LIVE, SEEDING]).lag == 7
    assert users([SEEDING]).lag == 90


def test_the_lag_that_processes_report_counts_where_the_log_cannot_be_asked() -> None:
    unknown = [replace(LIVE, lag=None)]
    assert users(unknown, [report(records=3), report(records=4)]).lag == 7
    assert users(unknown).lag is None


def test_the_oldest_change_that_a_process_waits_with_is_the_lag_in_seconds() -> None:
    found = users(statuses=[report(seconds=1.5), report(seconds=None), report(seconds=60.0)])
    assert found.lag_seconds == 60.0
    assert users().lag_seconds is None
    # Its changes are in partitions of a process that does not answer.
    assert users(statuses=[report(records=0, seconds=0.0)]).lag_seconds is None
    none = [replace(LIVE, lag=0)]
    # A report may be older than the answer of the log.
    assert users(none, [report(records=3, seconds=7.0)]).lag_seconds == 0.0


def test_the_quarantine_is_counted_where_it_is_stored() -> None:
    reports = [report(quarantine=2), report(quarantine=2)]
    assert users(statuses=reports, quarantine={"users": 5}).quarantine == 5
    assert users(statuses=reports, quarantine={}).quarantine == 0
    assert users(statuses=reports).quarantine == 2
    assert users().quarantine is None


def test_the_rate_and_the_end_of_the_lag() -> None:
    looks = Looks()
    looks.add(Look(0.0, {"users_1": Position(0, 10)}))
    looks.add(Look(2.0, {"users_1": Position(4, 11)}))
    found = users(looks=looks)
    assert (found.rate, found.eta_seconds) == (2.0, 7 / 1.5)


def test_the_groups_say_the_lag_while_the_records_cannot_be_read() -> None:
    name = GenerationName("users", "01234567", 1)
    looks = Looks()
    looks.add(Look(0.0, {name.physical: Position(0, 9)}))
    looks.add(Look(2.0, {name.physical: Position(4, 10)}))
    positions = {name: Position(4, 10), GenerationName("orders", "01234567", 1): Position(0, 99)}
    (found,) = indexes(Found(["users"], {}, positions, [], None, looks))
    assert (found.state, found.lag, found.rate, found.generations) == ("unknown", 6, 2.0, [])


def test_an_index_that_is_not_recorded_yet_is_listed() -> None:
    found = indexes(Found(["orders"], {}, {}, [], None, Looks()))
    assert [(item.index, item.state, item.generations) for item in found] == [
        ("orders", "unknown", [])
    ]
