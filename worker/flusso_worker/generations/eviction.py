"""Evicts generations that do not keep up with a log in memory: their changes are discarded, and they are seeded again.

A log in memory retains every change until all indexes have applied it, and so does the slot.  An index that has
stopped would in the end block all others.  So its generation is evicted once the log is full because of it.  (One that
is being seeded is evicted once others are ahead of it, and so is any other while a snapshot of a table that it reads
is taken: a snapshot is complete when all have it.)  An index that was
paused is evicted after an hour as well: the slot retains the write-ahead log for it.  The
generation is first marked as having missed changes, which is durable, and only then removed from the log.  A live
one answers queries until a new one takes its place; one that is being seeded starts again after a delay.  A log that
outlives the process retains changes for every group and needs none of this.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.names import GenerationName
from flusso_shared.retry import Backoff
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.record import Generation, Stored
from flusso_worker.generations.steps import GenerationSteps

logger = logging.getLogger(__name__)

_FIRST_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 5.0, 600.0
"""Delays before an evicted seeding starts again, the first and the longest."""


class Eviction:
    """Of the generations of one index.  Owned by its keeper, used by one thread."""

    def __init__(self, log: ChangeLog, steps: GenerationSteps, clock: Clock) -> None:
        self._log = log
        self._steps = steps
        self._clock = clock
        self._backoffs: dict[GenerationName, Backoff] = {}
        self._restart_at: dict[GenerationName, float] = {}

    def restart_all(self) -> None:
        """Retain changes for every generation, in the first round of a process: offsets of an earlier process are lost."""
        for stored in self._steps.load():
            if self._unretained(stored.generation):
                self._restart(stored)

    def evict(
        self,
        stopped: Collection[GenerationName],
        *,
        snapshot_runs: bool = False,
        overdue: bool = False,
    ) -> None:
        """Evict those of these generations, whose pipelines have ended, that hold back others.

        `snapshot_runs`: a snapshot of one of their tables is taken.  `overdue`: also where nothing else waits for them
        than the slot.  Raises `RetryableError` when another process changes what is recorded of one.
        """
        for stored in self._steps.load() if stopped else ():
            generation = stored.generation
            group = self._steps.group(generation)
            if generation.name not in stopped or not self._log.holds_back(
                group,
                seeding=snapshot_runs or generation.state == "seeding",
                overdue=overdue,
            ):
                continue
            self._mark(stored)
            self._log.groups.forget(group)
            delay = self._backoffs.setdefault(
                generation.name, Backoff(_FIRST_RESTART_SECONDS, _LONGEST_RESTART_SECONDS)
            ).next()
            self._restart_at[generation.name] = self._clock.monotonic() + delay
            logger.warning(
                "index %s: %s has stopped and other indexes wait for it; the changes retained for it are discarded, and it"
                " is seeded again%s",
                generation.name.index,
                generation.name.physical,
                f" in {delay:.0f} s" if generation.state == "seeding" else "",
                extra={"action": "evict", "index": generation.name.index},
            )

    def mark_all_missed(self) -> None:
        """Record that the generations miss changes: streaming starts, and the log retains none for this index."""
        for stored in self._steps.load():
            if self._unretained(stored.generation):
                self._mark(stored)

    def restart_due(self) -> None:
        """Start evicted seedings again whose delay has passed."""
        now = self._clock.monotonic()
        due = {name for name, at in self._restart_at.items() if at <= now}
        for stored in self._steps.load() if due else ():
            generation = stored.generation
            if generation.name in due and generation.missed and generation.state == "seeding":
                self._restart(stored)
        for name in due:
            del self._restart_at[name]

    def _unretained(self, generation: Generation) -> bool:
        """Whether the log should retain changes for it, and does not."""
        needed = generation.state == "seeding" or (
            generation.state == "live" and not generation.missed
        )
        return needed and not self._log.groups.retains(self._steps.group(generation))

    def _mark(self, stored: Stored) -> None:
        if stored.generation.missed:
            return
        if not self._steps.put(stored, stored.generation.evolve(missed=True)):
            raise _changed_meanwhile(stored.generation)

    def _restart(self, stored: Stored) -> None:
        """Retain changes from now on; earlier ones are read by the seeding, or were applied before the slot passed them."""
        generation = stored.generation
        ends = dict(self._log.groups.ends(generation.plan.tables))
        self._log.groups.reset(self._steps.group(generation), ends)
        if generation.state == "seeding" and not self._steps.put(
            stored, generation.evolve(starts=ends, targets=None, missed=False)
        ):
            raise _changed_meanwhile(generation)


def _changed_meanwhile(generation: Generation) -> RetryableError:
    return RetryableError(f"another process changes what is recorded of {generation.name.physical}")
