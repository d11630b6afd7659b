"""What to do next about the generations of one index: facts -> one action.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flusso_shared.control_records import Lineage
from flusso_worker.generation_record import Generation, Stored


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker knows in one round."""

    hash: str
    """Of the schema that this process was started with."""
    started_at: float
    """When the process started, seconds since the epoch."""
    lineage: Lineage
    stored: Sequence[Stored]
    """By number."""
    damaged: Mapping[str, str]
    """Physical name -> what is missing of it in OpenSearch."""
    highest: int
    """The highest number that any bookkeeping document or physical index has."""
    snapshot_complete: bool
    """Whether the root's snapshot is complete in this lineage."""
    reached: bool
    """Whether the newest generation's group has committed up to its targets."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a new generation, for this reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """Create the index, set the group's offsets, go to `seeding`."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Aim:
    """The snapshot is complete: note what the group must reach."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Promote:
    """Everything is in: swap the aliases, go `live`."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Retire:
    """Superseded or damaged: stop its pipelines, then delete it."""

    stored: Stored


Action = Create | Prepare | Aim | Promote | Retire


def decide(facts: Facts) -> Action | None:
    """The next step, or None when all is as it should be."""
    usable = [item for item in facts.stored if _unusable(item.generation, facts) is None]
    if not usable:
        return Create(facts.highest + 1, _why(facts))
    newest = usable[-1]
    others = [item for item in facts.stored if item is not newest]
    for item in others:
        # A live one answers queries until the swap; anything else is of no use any more.
        if item.generation.state != "live" or newest.generation.state == "live":
            return Retire(item)
    match newest.generation.state:
        case "creating":
            return Prepare(newest)
        case "seeding" if newest.generation.targets is None:
            return Aim(newest) if facts.snapshot_complete else None
        case "seeding":
            return Promote(newest) if facts.reached else None
        case _:
            return None


def _unusable(generation: Generation, facts: Facts) -> str | None:
    """Why a generation cannot become or stay what queries see."""
    if generation.state == "retired":
        return "it was superseded"
    if generation.lineage != facts.lineage:
        return (
            "it was seeded from another history of the database (the slot was dropped or re-created, or the"
            " database was restored)"
        )
    if generation.name.physical in facts.damaged:
        return facts.damaged[generation.name.physical]
    # A newer process of another schema has taken over: follow it, rather than fight over the aliases.
    followed = generation.created_at > facts.started_at
    if generation.name.hash != facts.hash and not followed:
        return "its schema has changed"
    return None


def _why(facts: Facts) -> str:
    if not facts.stored:
        return "there is none yet"
    newest = facts.stored[-1].generation
    return f"{newest.name.physical} cannot be used: {_unusable(newest, facts)}"
