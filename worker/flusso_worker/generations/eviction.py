"""Generations that cannot follow a log in memory: changes are let go of, and what was missed is seeded anew.

A log in memory holds every change until all indexes have it, and the slot with it.  An index that has stopped
would in the end hold up all others.  So, once the log is full because of it (of a seeding one: once others are
ahead, since a snapshot is complete when all have it), its generation is marked as having missed changes, which is
durable, and only then forgotten by the log: a live one goes on answering until a new one has taken its place, a
seeding one begins again after a while.  A log that keeps changes for everyone needs none of this.
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

_FIRST, _CEILING = 5.0, 600.0


class Relief:
    """For the generations of one index.  Owned by its keeper."""

    def __init__(self, log: ChangeLog, steps: GenerationSteps, clock: Clock) -> None:
        self._log = log
        self._steps = steps
        self._clock = clock
        self._backoffs: dict[GenerationName, Backoff] = {}
        self._resume_at: dict[GenerationName, float] = {}

    def begin(self) -> None:
        """The first round of a process: positions of an earlier one went with its log."""
        for stored in self._steps.load():
            if _followed(stored.generation):
                self._begin_anew(stored)

    def give_up(self, stopped: Collection[GenerationName]) -> None:
        """Let go of what the log holds for these generations, whose pipelines have ended, if others wait for it."""
        for stored in self._steps.load():
            generation = stored.generation
            group = self._steps.group(generation)
            if generation.name not in stopped or not self._log.holds_back(
                group, seeding=generation.state == "seeding"
            ):
                continue
            self._mark(stored)
            self._log.groups.forget(group)
            delay = self._backoffs.setdefault(generation.name, Backoff(_FIRST, _CEILING)).next()
            self._resume_at[generation.name] = self._clock.monotonic() + delay
            logger.warning(
                "index %s: %s has stopped and other indexes wait for it; the changes held for it are let go of, and it"
                " is seeded anew%s",
                generation.name.index,
                generation.name.physical,
                f" in {delay:.0f} s" if generation.state == "seeding" else "",
                extra={"action": "let_go", "index": generation.name.index},
            )

    def give_up_all(self) -> None:
        """Changes flow from now on, and nothing holds them for this index."""
        for stored in self._steps.load():
            if _followed(stored.generation):
                self._mark(stored)

    def resume(self) -> None:
        """Begin seedings anew whose time has come."""
        now = self._clock.monotonic()
        due = {name for name, at in self._resume_at.items() if at <= now}
        for stored in self._steps.load() if due else ():
            generation = stored.generation
            if generation.name in due and generation.missed and generation.state == "seeding":
                self._begin_anew(stored)
        for name in due:
            del self._resume_at[name]

    def _mark(self, stored: Stored) -> None:
        if stored.generation.missed:
            return
        if not self._steps.put(stored, stored.generation.evolve(missed=True)):
            raise _changed_meanwhile(stored.generation)

    def _begin_anew(self, stored: Stored) -> None:
        """Hold changes from now on; what came before is seeding's, or was applied before the slot passed it."""
        generation = stored.generation
        ends = dict(self._log.groups.ends(generation.plan.tables))
        self._log.groups.reset(self._steps.group(generation), ends)
        if generation.state == "seeding" and not self._steps.put(
            stored, generation.evolve(starts=ends, targets=None, missed=False)
        ):
            raise _changed_meanwhile(generation)


def _followed(generation: Generation) -> bool:
    """Whether changes are held for it."""
    return generation.state == "seeding" or (generation.state == "live" and not generation.missed)


def _changed_meanwhile(generation: Generation) -> RetryableError:
    return RetryableError(f"somebody else changes what is known of {generation.name.physical}")
