"""Rates between two looks at a deployment, and when an index has caught up.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MIN_SECONDS = 0.5
"""Between two looks: over less, a rate says more about the moments of commits than about the work."""
WINDOW_SECONDS = 15.0
"""Rates are means over so long, where there are looks that old: commits and heartbeats come in bursts."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where one consumer group is."""

    applied: int
    """The sum of its committed offsets."""
    end: int
    """The sum of the ends of the same partitions."""


@dataclass(frozen=True, slots=True)
class Look:
    """The counters of one look, at `at` in monotonic seconds."""

    at: float
    groups: Mapping[str, Position] = field(default_factory=dict)
    """By physical name of the generation."""
    captured: Mapping[str, int] = field(default_factory=dict)
    """By id of the process."""
    committed: Mapping[str, int] = field(default_factory=dict)


class Looks:
    """The newest looks, as far back as rates reach."""

    def __init__(self) -> None:
        self._looks: list[Look] = []

    def add(self, look: Look) -> None:
        """Add a look that is newer than all others."""
        kept = [each for each in self._looks if look.at - each.at <= WINDOW_SECONDS]
        # With pauses that are longer than the window there still is a rate: that since the last look.
        self._looks = [*(kept or self._looks[-1:]), look]

    def applied_per_second(self, group: str) -> float | None:
        """Changes per second that a group applied; None where that is not known."""
        return _rate([(each.at, each.groups[group].applied) for each in self._with(group)])

    def published_per_second(self, group: str) -> float | None:
        """Changes per second that arrived for a group."""
        return _rate([(each.at, each.groups[group].end) for each in self._with(group)])

    def captured_per_second(self, process: str) -> float | None:
        """Changes per second that a process read."""
        return _counted(self._looks, lambda look: look.captured, process)

    def committed_per_second(self, process: str) -> float | None:
        """Changes per second that a process committed."""
        return _counted(self._looks, lambda look: look.committed, process)

    def _with(self, group: str) -> list[Look]:
        return [each for each in self._looks if group in each.groups]


def eta(lag: int | None, applied: float | None, published: float | None) -> float | None:
    """Seconds until `lag` changes are applied, while others arrive; None where the lag does not shrink."""
    if lag is None:
        return None
    if lag == 0:
        return 0.0
    if applied is None:
        return None
    shrinks = applied - (published or 0.0)
    return lag / shrinks if shrinks > 0 else None


def _counted(
    looks: Sequence[Look], counters: Callable[[Look], Mapping[str, int]], process: str
) -> float | None:
    return _rate(
        [(each.at, counters(each)[process]) for each in looks if process in counters(each)]
    )


def _rate(points: Sequence[tuple[float, int]]) -> float | None:
    """The mean rate from the first to the last of (time, counter); a counter that fell began again."""
    if not points:
        return None
    (last_at, last) = points[-1]
    since = last_at, last
    for at, counter in reversed(points):
        if counter > since[1]:
            break
        since = at, counter
    seconds = last_at - since[0]
    return (last - since[1]) / seconds if seconds >= MIN_SECONDS else None
