"""What is known of one generation, as it stands in the bookkeeping index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from flusso_shared.control_records import Lineage, offsets_from_json, offsets_to_json
from flusso_shared.names import GenerationName
from flusso_shared.plan import IndexPlan
from flusso_shared.plan_codec import plan_from_json, plan_to_json
from flusso_shared.seams import TopicPartition

State = Literal["creating", "seeding", "live", "retired"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation.  `plan` is its own: an older one's differs from what this process was started with."""

    name: GenerationName
    state: State
    lineage: Lineage
    plan: IndexPlan
    starts: Mapping[TopicPartition, int]
    """Where its group begins; chosen once, so that setting them again can only replay."""
    targets: Mapping[TopicPartition, int] | None = None
    """What its group must have committed to be seeded; None until the root's snapshot is complete."""
    created_at: float = 0.0
    """Seconds since the epoch."""

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
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Generation:
        targets = value["targets"]
        return cls(
            name=GenerationName(value["index"], value["hash"], value["number"], value["prefix"]),
            state=value["state"],
            lineage=Lineage.from_json(value["lineage"]),
            plan=plan_from_json(json.loads(value["plan"])),
            starts=offsets_from_json(value["starts"]),
            targets=None if targets is None else offsets_from_json(targets),
            created_at=value["created_at"],
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A generation and the place of its document in the order of writes."""

    generation: Generation
    seq_no: int = 0
    primary_term: int = 0
