"""The generations of the indexes as an operator sees them: state, lag, progress."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets
from flusso_worker.generations.progress import changes_between, seeding_progress
from flusso_worker.generations.record import Known, Stored


@dataclass(frozen=True, slots=True)
class GenerationView:
    """One generation.  Numbers that this process cannot find out are None."""

    index: str
    generation: str
    """The physical name."""
    state: str
    created_at: float
    lag: int | None
    """Changes that it has not applied."""
    done: int | None
    """During seeding: changes applied."""
    total: int | None
    """During seeding: changes to apply, of those published so far."""
    to_be_replaced: bool
    """Whether a reindex was requested."""
    paused: bool = False
    """Whether the index is paused."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GenerationView:
        return cls(**value)


class ReadOffsets(Protocol):
    """What a view needs of `Groups`."""

    def ends(self, tables: Collection[TableName]) -> Offsets: ...

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets: ...


def views(known: Known, groups: ReadOffsets | None, topic_prefix: str) -> list[GenerationView]:
    """Every recorded generation of an index; `groups` of the log that it reads, None where this process cannot ask it."""
    return [_view(item, known, groups, topic_prefix) for item in known.stored]


def _view(stored: Stored, known: Known, groups: ReadOffsets | None, prefix: str) -> GenerationView:
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
            lag = changes_between(committed, ends)
            if generation.state == "seeding":
                progress = seeding_progress(generation, committed, ends)
                done, total = progress.done, progress.total
    return GenerationView(
        index=generation.name.index,
        generation=generation.name.physical,
        state=generation.state,
        created_at=generation.created_at,
        lag=lag,
        done=done,
        total=total,
        to_be_replaced=generation.name.number <= known.superseded,
        paused=known.paused is not None,
    )


def states(found: Iterable[GenerationView]) -> dict[str, str]:
    """Per index the state of the generation that queries see, or will see; `paused` for every paused index."""
    names = {"creating": "pending", "seeding": "backfilling", "live": "seeded"}
    result: dict[str, str] = {}
    for view in found:
        if view.paused:
            result[view.index] = "paused"
        elif view.state in names and result.get(view.index) != "seeded":
            result[view.index] = names[view.state]
    return result
