"""The result of a verification, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flusso_worker.maintenance.observations import Kind, Observation


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not as it should be, for another reason than a change in flight."""

    index: str
    sink: str
    id: str
    kind: Kind
    paths: tuple[str, ...]
    """The paths at which a different document differs."""
    reason: str
    """Why it cannot be built or written."""
    repaired: bool = False

    @classmethod
    def of(cls, index: str, observation: Observation, *, repaired: bool) -> Difference:
        assert observation.kind is not None
        return cls(
            index,
            observation.sink,
            observation.id,
            observation.kind,
            observation.paths,
            observation.reason,
            repaired,
        )

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.id, "kind": self.kind, "sink": self.sink}
        if self.paths:
            found["paths"] = list(self.paths)
        if self.reason:
            found["reason"] = self.reason
        return found | {"repaired": self.repaired}

    def __str__(self) -> str:
        detail = ", ".join(self.paths) or self.reason
        text = f"{self.index}/{self.id} {self.kind}" + (f": {detail}" if detail else "")
        return text + (" (repaired)" if self.repaired else "")


@dataclass(slots=True)
class Report:
    """The result for one index.  Counts are complete; only the first `limit` differences are listed."""

    index: str
    generation: str
    limit: int
    on_difference: Callable[[Difference], None]
    """Called for each difference that is listed."""
    rows: int = 0
    """Compared."""
    documents: int = 0
    """Compared."""
    found: Counter[str] = field(default_factory=Counter)
    """Differences by kind."""
    repaired: int = 0
    unsettled: int = 0
    """Documents that changed between all observations."""
    behind: bool = False
    """Whether a wait ended before the pipeline had caught up."""
    listed: list[Difference] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Differences that are not repaired."""
        return self.found.total() - self.repaired

    def add(self, difference: Difference) -> None:
        self.found[difference.kind] += 1
        self.repaired += difference.repaired
        if len(self.listed) < self.limit:
            self.listed.append(difference)
            self.on_difference(difference)

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "generation": self.generation,
            "rows": self.rows,
            "documents": self.documents,
            "missing": self.found["missing"],
            "different": self.found["different"],
            "extra": self.found["extra"],
            "unbuildable": self.found["unbuildable"],
            "repaired": self.repaired,
            "remaining": self.remaining,
            "unsettled": self.unsettled,
            "pipeline_behind": self.behind,
            "differences": [item.to_json() for item in self.listed],
        }
