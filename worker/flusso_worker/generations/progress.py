"""How far a seeding generation is, counted in changes.  Pure."""

from __future__ import annotations

from flusso_shared.seams import Offsets
from flusso_shared.status import Progress
from flusso_worker.generations.record import Generation


def seeding_progress(generation: Generation, committed: Offsets, ends: Offsets) -> Progress:
    """Changes applied and changes to apply; `ends` count until the generation has targets.

    `committed` are the offsets of its group.
    """
    goal = generation.targets or ends
    reached = {at: min(committed.get(at, 0), end) for at, end in goal.items()}
    return Progress(
        changes_between(generation.starts, reached), changes_between(generation.starts, goal)
    )


def changes_between(earlier: Offsets, later: Offsets) -> int:
    """The number of offsets from `earlier` to `later`, over the partitions of `later`."""
    return sum(max(0, end - earlier.get(at, 0)) for at, end in later.items())
