"""The lag of generations that no pipeline reads for, because their index has stopped or is paused."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flusso_shared.errors import RetryableError
from flusso_shared.health.backlogs import Backlogs
from flusso_shared.seams import Groups
from flusso_worker.generations.keeper import Active
from flusso_worker.generations.progress import changes_between

_INTERVAL_SECONDS = 10.0


class StoppedLag:
    """Asks the log for the offsets, at intervals.  Owned by one thread."""

    def __init__(self, groups: Groups, backlogs: Backlogs, now: Callable[[], float]) -> None:
        self._groups = groups
        self._backlogs = backlogs
        self._now = now
        self._due = 0.0

    def observe(self, stopped: Iterable[Active]) -> None:
        """Set the backlogs of these generations, if it is time to."""
        now = self._now()
        if now < self._due:
            return
        self._due = now + _INTERVAL_SECONDS
        for item in stopped:
            tables = item.plan.tables
            try:
                committed = self._groups.committed(item.group, tables)
                ends = self._groups.ends(tables)
            except RetryableError:
                return  # the pipelines of other indexes report it
            # One that was evicted from a log in memory has no offsets: it is seeded again.
            if committed:
                backlog = self._backlogs.of_generation(item.name)
                backlog.set(changes_between(committed, ends), None)
