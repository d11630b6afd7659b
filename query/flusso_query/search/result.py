"""What a search gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flusso_query.aggregations.aggregation import Aggregation
from flusso_query.fields.handle import Handle

D = TypeVar("D")
R = TypeVar("R")
Json = dict[str, Any]


@dataclass(slots=True)
class Hit(Generic[D]):
    """A document that was found."""

    id: str
    index: str
    """The concrete index, as OpenSearch names it."""
    score: float | None
    """None where hits are sorted by something else."""
    document: D
    rest: Mapping[str, Any]
    """What else OpenSearch gave of it: all but `_source`."""
    inner_totals: Mapping[str, int] = field(default_factory=dict)
    """Per array that was shown in part, how many of its elements match."""

    @property
    def sort(self) -> Sequence[Any]:
        """The values it was sorted by, for `Search.search_after`."""
        found: Sequence[Any] = self.rest.get("sort", ())
        return found

    @property
    def matched_queries(self) -> Sequence[str]:
        """The names of those queries that it matches."""
        found: Sequence[str] = self.rest.get("matched_queries", ())
        return found

    @property
    def explanation(self) -> Json | None:
        """How its score came about, after `Search.explain`."""
        return self.rest.get("_explanation")

    def highlight(self, field: Handle[Any]) -> Sequence[str]:
        """The pieces of a field in which words of the query occur, after `Search.highlight`."""
        found: Sequence[str] = self.rest.get("highlight", {}).get(field.path, ())
        return found


@dataclass(frozen=True, slots=True)
class Shards:
    """How many shards were asked, and what became of it."""

    total: int
    successful: int
    skipped: int
    failed: int
    failures: Sequence[Json]
    """OpenSearch's entries."""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Shards:
        """From the `_shards` of a reply."""
        found = reply.get("_shards", {})
        return cls(
            total=found.get("total", 0),
            successful=found.get("successful", 0),
            skipped=found.get("skipped", 0),
            failed=found.get("failed", 0),
            failures=found.get("failures", ()),
        )


@dataclass(slots=True)
class Result(Generic[D]):
    """The answer to a search.  `result[aggregation]` has what an aggregation gave."""

    hits: list[Hit[D]]
    total: int | None
    """How many documents match; None where it was not counted."""
    total_is_exact: bool
    """False: at least `total` match."""
    max_score: float | None
    took: int
    """Milliseconds in OpenSearch."""
    timed_out: bool
    terminated_early: bool
    shards: Shards
    aggregations: Mapping[str, Json]
    """As OpenSearch gave them."""
    suggestions: Mapping[str, Any]
    """As OpenSearch gave them, by name."""

    @property
    def documents(self) -> list[D]:
        """Those of the hits."""
        return [hit.document for hit in self.hits]

    @property
    def is_partial(self) -> bool:
        """Whether documents that match may be missing: a shard failed, or ran out of time."""
        return self.timed_out or self.shards.failed > 0

    def __getitem__(self, aggregation: Aggregation[Any, R]) -> R:
        return aggregation.read(self.aggregations[aggregation.name])
