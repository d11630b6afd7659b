"""The indexes of a deployment, from their records, the offsets of their groups and what processes report.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flusso_cli.overview.model import Index
from flusso_cli.overview.processes import Status
from flusso_cli.overview.rates import Looks, Position, eta
from flusso_shared.names import GenerationName
from flusso_worker.generations.view import GenerationView, states

_REPORTED = ("backfilling", "seeded", "pending")
"""States in which a process may have an index that no record says more about."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the indexes."""

    names: Sequence[str]
    generations: Mapping[str, Sequence[GenerationView]]
    """By index; an index whose records were not read is absent."""
    positions: Mapping[GenerationName, Position]
    """Of their groups; also of generations that the groups alone show."""
    statuses: Sequence[Status]
    """Of the processes that answer."""
    quarantine: Mapping[str, int] | None
    """By index, 0 where it is absent; None where the quarantine does not answer."""
    looks: Looks


def indexes(found: Found) -> list[Index]:
    """Every index, in the order of `names`."""
    return [_index(name, found) for name in found.names]


def _index(name: str, found: Found) -> Index:
    views = found.generations.get(name, ())
    reports = [report for report in (_report(status, name) for status in found.statuses) if report]
    serving = _serving(views)
    group = serving.generation if serving else None
    lag = serving.lag if serving else None
    if not views:
        # The records were not read: the groups of the log are what there is.
        for generation, position in found.positions.items():
            if generation.index == name:
                group, lag = generation.physical, position.end - position.applied
    if lag is None:
        # Each process reports the partitions that it reads.
        records = _known(item.get("records") for item in reports)
        lag = sum(records) if records else None
    applied = published = None
    if group is not None:
        applied = found.looks.applied_per_second(group)
        published = found.looks.published_per_second(group)
    return Index(
        index=name,
        state=_state(name, views, found.statuses),
        paused=any(view.paused for view in views),
        lag=lag,
        lag_seconds=_seconds(lag, reports),
        rate=applied,
        eta_seconds=eta(lag, applied, published),
        last_error=_first(item.get("last_error") for item in reports),
        quarantine=_quarantined(name, reports, found.quarantine),
        generations=[view.to_json() for view in views],
    )


def _seconds(lag: int | None, reports: Sequence[Mapping[str, Any]]) -> float | None:
    """The age of the oldest change that some process waits with.

    Not known where the changes are in partitions of a process that does not answer.
    """
    if lag == 0:
        return 0.0
    seconds: float | None = max(_known(item.get("seconds") for item in reports), default=None)
    return None if lag and not seconds else seconds


def _serving(views: Sequence[GenerationView]) -> GenerationView | None:
    """The generation that queries see, else the newest one that is being made."""
    live = [view for view in views if view.state == "live"]
    made = [view for view in views if view.state in ("creating", "seeding")]
    found = live or made
    return found[-1] if found else None


def _state(name: str, views: Sequence[GenerationView], statuses: Sequence[Status]) -> str:
    """The recorded state; `stopped` where a process could not go on with the index."""
    reported = {(status.get("indexes") or {}).get(name) for status in statuses}
    recorded = states(views).get(name)
    if "stopped" in reported and recorded != "paused":
        return "stopped"
    if recorded is not None:
        return recorded
    return next((state for state in _REPORTED if state in reported), "unknown")


def _report(status: Status, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (status.get("lag") or {}).get(name) or {}
    return found


def _quarantined(
    name: str, reports: Sequence[Mapping[str, Any]], stored: Mapping[str, int] | None
) -> int | None:
    if stored is not None:
        return stored.get(name, 0)
    return max(_known(item.get("quarantine") for item in reports), default=None)


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _first(values: Iterable[Any]) -> Any:
    return next(iter(_known(values)), None)
