"""What the bookkeeping index records of one index of the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from flusso_shared.changelog.control_records import Lineage, offsets_from_json, offsets_to_json
from flusso_shared.names import GenerationName
from flusso_shared.plan.codec import plan_from_json, plan_to_json
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import TopicPartition
from flusso_worker.generations.schema_order import Carrier, SchemaOrder

State = Literal["creating", "seeding", "live", "retired"]


@dataclass(frozen=True, slots=True)
class Seeding:
    """How fast a generation was seeded."""

    changes: int
    seconds: float
    """From its creation until it was live: for estimates, since it includes waits."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation.  `plan` is its own: that of an older generation may differ from the plan of this process."""

    name: GenerationName
    state: State
    lineage: Lineage
    plan: IndexPlan
    starts: Mapping[TopicPartition, int]
    """The offsets at which its group starts; chosen once, so that setting them again can only replay changes."""
    targets: Mapping[TopicPartition, int] | None = None
    """The offsets that its group must commit; None until the snapshot of the root table is complete."""
    created_at: float = 0.0
    """Seconds since the epoch, by the clock of the worker that created it: for display, never compared."""
    durable: bool = True
    """Whether its changes come through a log that outlives the process."""
    missed: bool = False
    """Whether it missed changes: a live one is replaced, a seeding one starts again."""
    promoting: bool = False
    """Whether moving its aliases has started: from then on it cannot be cancelled."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per sink the settings that its index was made with (`physical.creation_settings`)."""
    seeding: Seeding | None = None
    """None until it is live."""

    def evolve(self, **changes: Any) -> Generation:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "generation",
            "index": self.name.index,
            "hash": self.name.hash,
            "number": self.name.number,
            "prefix": self.name.prefix,
            "state": self.state,
            "lineage": self.lineage.to_json(),
            "plan": json.dumps(plan_to_json(self.plan)),
            "starts": offsets_to_json(self.starts),
            "targets": None if self.targets is None else offsets_to_json(self.targets),
            "created_at": self.created_at,
            "durable": self.durable,
            "missed": self.missed,
            "promoting": self.promoting,
            "settings": {sink: dict(given) for sink, given in self.settings.items()},
            "seeding": None if self.seeding is None else asdict(self.seeding),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Generation:
        targets, seeding = value["targets"], value.get("seeding")
        return cls(
            name=GenerationName(value["index"], value["hash"], value["number"], value["prefix"]),
            state=value["state"],
            lineage=Lineage.from_json(value["lineage"]),
            plan=plan_from_json(json.loads(value["plan"])),
            starts=offsets_from_json(value["starts"]),
            targets=None if targets is None else offsets_from_json(targets),
            created_at=value["created_at"],
            durable=value.get("durable", True),
            missed=value.get("missed", False),
            promoting=value.get("promoting", False),
            settings=value.get("settings", {}),
            seeding=Seeding(**seeding) if seeding else None,
        )


@dataclass(frozen=True, slots=True)
class Reindex:
    """A request for a new generation of an index, in place of all with a number up to `above`."""

    index: str
    above: int
    at: float
    """When, in seconds since the epoch, by the clock of the requester: for display, never compared."""

    def to_json(self) -> dict[str, Any]:
        return {"kind": "reindex", "index": self.index, "above": self.above, "at": self.at}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reindex:
        return cls(value["index"], value["above"], value["at"])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and the sequence number and primary term of its document."""

    reindex: Reindex
    seq_no: int = 0
    primary_term: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """The record of a paused index."""

    index: str
    at: float
    """Since when, in seconds since the epoch, by the clock of the requester: for display, never compared."""
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    """The ends of its topics then; empty for a log in memory."""

    def to_json(self) -> dict[str, Any]:
        ends = offsets_to_json(self.ends)
        return {"kind": "pause", "index": self.index, "at": self.at, "ends": ends}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Pause:
        return cls(value["index"], value["at"], offsets_from_json(value["ends"]))


@dataclass(frozen=True, slots=True)
class Paused:
    """The record of a paused index, and the sequence number and primary term of its document."""

    pause: Pause
    seq_no: int = 0
    primary_term: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A generation, and the sequence number and primary term of its document."""

    generation: Generation
    seq_no: int = 0
    primary_term: int = 0


def by_number(stored: Stored) -> tuple[int, str]:
    """The order of the generations of an index."""
    return stored.generation.name.number, stored.generation.name.hash


@dataclass(frozen=True, slots=True)
class Ordered:
    """The order of the schemas of an index, and the sequence number and primary term of its document."""

    order: SchemaOrder
    seq_no: int = 0
    primary_term: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """Everything in the bookkeeping about one index."""

    stored: Sequence[Stored] = ()
    """By number, then hash: every worker sees the same order."""
    asked: Asked | None = None
    ordered: Ordered | None = None
    """The order of its schemas; None before a worker has recorded any."""
    carriers: Sequence[Carrier] = ()
    """The workers that manage it."""
    paused: Paused | None = None
    """Set while the index is paused."""

    @property
    def live(self) -> Stored | None:
        """The newest generation that queries see."""
        live = [item for item in self.stored if item.generation.state == "live"]
        return live[-1] if live else None

    @property
    def superseded(self) -> int:
        """Generations with a number up to this one are to be replaced; 0 without a request."""
        return self.asked.reindex.above if self.asked is not None else 0
