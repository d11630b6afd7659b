"""The generations of the indexes as an operator sees them: state, lag, progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flusso_shared.errors import RetryableError
from flusso_shared.seams import Groups, Offsets
from flusso_worker.generations.record import Generation, Known, Stored


@dataclass(frozen=True, slots=True)
class GenerationView:
    """One generation.  Numbers that cannot be had from here are None."""

    index: str
    generation: str
    """The physical name."""
    state: str
    created_at: float
    lag: int | None
    """Changes that it has not applied."""
    done: int | None
    """While it is seeded: changes applied."""
    total: int | None
    """While it is seeded: changes to apply, as far as they are published."""
    to_be_replaced: bool
    """Whether a reindex was asked for."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GenerationView:
        return cls(**value)


def views(known: Known, groups: Groups | None, topic_prefix: str) -> list[GenerationView]:
    """Every generation that is known of an index; `groups` of the log that it reads, where that can be asked."""
    return [_view(item, known, groups, topic_prefix) for item in known.stored]


def _view(stored: Stored, known: Known, groups: Groups | None, prefix: str) -> GenerationView:
    generation = stored.generation
    lag = done = total = None
    if groups is not None and generation.state in ("seeding", "live"):
        tables = generation.plan.tables
        try:
            committed = groups.committed(generation.name.group(prefix), tables)
            ends = groups.ends(tables)
        except RetryableError:
            committed, ends = {}, {}
        if committed:
            lag = _between(committed, ends)
            if generation.state == "seeding":
                done, total = _progress(generation, committed, ends)
    return GenerationView(
        index=generation.name.index,
        generation=generation.name.physical,
        state=generation.state,
        created_at=generation.created_at,
        lag=lag,
        done=done,
        total=total,
        to_be_replaced=generation.name.number <= known.superseded,
    )


def _progress(generation: Generation, committed: Offsets, ends: Offsets) -> tuple[int, int]:
    goal = generation.targets or ends
    reached = {at: min(committed.get(at, 0), end) for at, end in goal.items()}
    return _between(generation.starts, reached), _between(generation.starts, goal)


def _between(earlier: Offsets, later: Offsets) -> int:
    return sum(max(0, end - earlier.get(at, 0)) for at, end in later.items())


def states(found: Iterable[GenerationView]) -> dict[str, str]:
    """Per index the state that counts: of what queries see, or of what they will."""
    names = {"creating": "pending", "seeding": "backfilling", "live": "seeded"}
    result: dict[str, str] = {}
    for view in found:
        if view.state in names and result.get(view.index) != "seeded":
            result[view.index] = names[view.state]
    return result
