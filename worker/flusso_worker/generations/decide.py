"""What to do next about the generations of one index: facts -> one action.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import GenerationName
from flusso_worker.generations.record import Generation, Stored


@dataclass(frozen=True, slots=True)
class Damage:
    """What another user or program removed from a generation."""

    reason: str
    writable: bool = False
    """Whether changes can still be applied to it until another takes its place."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker knows in one round."""

    hash: str
    """Of the schema of this process."""
    leading: str
    """The schema that counts: of this process, or a newer one of another living worker."""
    lineage: Lineage
    stored: Sequence[Stored]
    """By number, then hash: every worker sees the same order."""
    damaged: Mapping[str, Damage]
    """By physical name."""
    complete: Set[str]
    """Physical names of the seeding generations that read all of the snapshot of the root table, which is complete."""
    reached: Set[str]
    """Physical names of the seeding generations whose group has committed up to its targets."""
    superseded: int = 0
    """A reindex was requested of generations up to this number."""
    paused: bool = False
    """Whether an operator has paused the index."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create a new generation, for this reason."""

    reason: str
    noticed: bool = False
    """Whether something was lost without a request: it is logged as a warning."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Create the index, set the group's offsets, go to `seeding`."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Aim:
    """The snapshot is complete: record the offsets that the group must reach."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Promote:
    """The group has reached its targets: swap the aliases, go to `live`."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Retire:
    """It is superseded or was deleted: stop its pipelines, then delete it."""

    stored: Stored
    heir: GenerationName | None = None
    """The live generation that has the aliases from then on; None while there is none."""


Action = Create | Prepare | Aim | Promote | Retire


def decide(facts: Facts) -> Action | None:
    """The next step, or None when there is nothing to do now.

    Of a paused index only a move of its aliases that has begun is finished, and what is superseded is deleted.
    """
    action = _next(facts)
    if facts.paused and not _completes(action):
        return None
    return action


def _completes(action: Action | None) -> bool:
    return isinstance(action, Retire) or (
        isinstance(action, Promote) and action.stored.generation.promoting
    )


def _next(facts: Facts) -> Action | None:
    usable = [item for item in facts.stored if unusable(item.generation, facts) is None]
    if not usable:
        # Only a process that has the schema can create a generation of it.
        return _create(facts) if facts.leading == facts.hash else None
    newest = usable[-1]
    return _advance(newest, facts) or _retire(newest, facts)


def unusable(generation: Generation, facts: Facts) -> str | None:
    """Why a generation cannot become, or stay, what queries see."""
    if generation.state == "retired":
        return "it was superseded"
    if generation.lineage != facts.lineage:
        return (
            "it was seeded from another history of the database (the slot was dropped or re-created, or the"
            " database was restored)"
        )
    if damage := facts.damaged.get(generation.name.physical):
        return damage.reason
    if generation.missed and generation.state == "live":
        return "it missed changes while it had stopped"
    if generation.name.number <= facts.superseded:
        return "a reindex was requested"
    if generation.name.hash != facts.leading:
        return "its schema has changed"
    return None


def _create(facts: Facts) -> Create:
    if not facts.stored:
        return Create("there is none yet")
    newest = facts.stored[-1].generation
    noticed = newest.lineage != facts.lineage or newest.name.physical in facts.damaged
    return Create(f"{newest.name.physical} cannot be used: {unusable(newest, facts)}", noticed)


def _advance(newest: Stored, facts: Facts) -> Action | None:
    generation = newest.generation
    physical = generation.name.physical
    match generation.state:
        case "creating":
            return Prepare(newest)
        case "seeding" if generation.promoting:
            return Promote(newest)
        case "seeding" if generation.targets is None:
            return Aim(newest) if physical in facts.complete else None
        case "seeding":
            return Promote(newest) if physical in facts.reached else None
        case _:
            return None


def _retire(newest: Stored, facts: Facts) -> Retire | None:
    for item in facts.stored:
        if item is not newest and not _serves(item.generation, newest.generation, facts):
            return Retire(item, _heir(item, newest, facts))
    return None


def _heir(leaving: Stored, newest: Stored, facts: Facts) -> GenerationName | None:
    serving = [
        item.generation.name
        for item in facts.stored
        if item is not leaving
        and item.generation.state == "live"
        and (item is newest or _serves(item.generation, newest.generation, facts))
    ]
    if not serving:
        return None
    return newest.generation.name if newest.generation.name in serving else serving[-1]


def _serves(generation: Generation, newest: Generation, facts: Facts) -> bool:
    """Whether queries may still be answered by a generation other than the newest."""
    damage = facts.damaged.get(generation.name.physical)
    gone = damage is not None and not damage.writable
    return generation.state == "live" and newest.state != "live" and not gone
