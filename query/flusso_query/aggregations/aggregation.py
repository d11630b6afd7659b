"""One aggregation, and how its result is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from flusso_query.fields.ordered import Bool, Date
from flusso_query.fields.text import Keyword
from flusso_query.scope import Place, Reach

S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
K = TypeVar("K")
Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Aggregation(Generic[S, R_co]):
    """Something to compute on the level `S`, that gives an `R_co`.  Immutable.

    `result[aggregation]` has what it gave; so has `bucket[aggregation]` where it was computed for each bucket of another.
    """

    name: str
    """Under which OpenSearch gives its result: unique among its neighbours."""
    kind: str
    body: Mapping[str, Any]
    reach: Reach
    read: Callable[[Json], R_co]
    subs: tuple[Aggregation[Any, Any], ...] = ()

    def named(self, name: str) -> Aggregation[S, R_co]:
        """The same under another name: for a second one of the same kind on the same field."""
        return replace(self, name=name)

    def dsl(self) -> Json:
        """What OpenSearch is sent."""
        own: Json = {self.kind: dict(self.body)}
        if self.subs:
            own["aggs"] = {item.name: item.dsl() for item in self.subs}
        return own


@dataclass(frozen=True, slots=True)
class Computed:
    """Documents that were counted together, and what else was computed over them."""

    count: int
    rest: Json
    """As OpenSearch gave it."""

    @classmethod
    def of(cls, found: Json) -> Computed:
        """From a reply."""
        return cls(found["doc_count"], found)

    def __getitem__(self, aggregation: Aggregation[Any, R]) -> R:
        return aggregation.read(self.rest[aggregation.name])


def checked(
    place: Place, subs: Sequence[Aggregation[Any, Any]]
) -> tuple[Aggregation[Any, Any], ...]:
    """Aggregations that are computed on this level.  Raises `ScopeError` for others."""
    for item in subs:
        item.reach.require(place)
    names = [item.name for item in subs]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two aggregations are of the same name, of {sorted(names)}: give one another name with `.named(...)`"
        )
    return tuple(subs)


def moment(milliseconds: float | Decimal) -> datetime:
    """A point in time, as OpenSearch counts it."""
    return _EPOCH + timedelta(milliseconds=float(milliseconds))


def key_reader(field: Any) -> Callable[[Any], Any]:
    """How the key of a bucket becomes a value of the field."""
    if isinstance(field, Keyword):
        return field.read
    if isinstance(field, Date):
        return moment
    if isinstance(field, Bool):
        return bool
    return _number


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
