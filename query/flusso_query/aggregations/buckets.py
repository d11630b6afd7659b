"""Aggregations that group documents: by value, by range, by interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar, overload

from flusso_query.aggregations.aggregation import (
    Aggregation,
    Computed,
    checked,
    key_reader,
    moment,
)
from flusso_query.fields.handle import Handle
from flusso_query.fields.ordered import Bool, Date, Number
from flusso_query.fields.text import Keyword
from flusso_query.options import Direction, given
from flusso_query.scope import Reach
from flusso_query.values import spelled

S = TypeVar("S")
V = TypeVar("V")
N = TypeVar("N", int, float, Decimal)
D = TypeVar("D")
K = TypeVar("K")
Json = dict[str, Any]
Calendar = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Bucket(Computed, Generic[K]):
    """Documents with the same key.  `bucket[aggregation]` has what was computed over them."""

    key: K


@dataclass(frozen=True, slots=True)
class Buckets(Generic[K]):
    """The groups of an aggregation, in its order."""

    buckets: Sequence[Bucket[K]]
    other_count: int = 0
    """Documents in groups that are not among these."""
    error_bound: int = 0
    """By how much a count may be too small, where shards counted different groups."""

    def counts(self) -> dict[K, int]:
        """Key -> count."""
        return {bucket.key: bucket.count for bucket in self.buckets}

    def __iter__(self) -> Iterator[Bucket[K]]:
        return iter(self.buckets)

    def __len__(self) -> int:
        return len(self.buckets)

    def __getitem__(self, place: int) -> Bucket[K]:
        return self.buckets[place]


@dataclass(frozen=True, slots=True)
class Span(Generic[K]):
    """From a value on, and up to another that no longer belongs to it; None is no bound."""

    start: K | None
    end: K | None


@overload
def terms(
    field: Keyword[S, V],
    /,
    *subs: Aggregation[S, Any],
    size: int | None = ...,
    order_by: Aggregation[S, Any] | Literal["count", "key"] | None = ...,
    direction: Direction = ...,
    min_doc_count: int | None = ...,
    shard_size: int | None = ...,
    include: str | Sequence[V] | None = ...,
    exclude: str | Sequence[V] | None = ...,
) -> Aggregation[S, Buckets[V]]: ...
@overload
def terms(
    field: Bool[S],
    /,
    *subs: Aggregation[S, Any],
    size: int | None = ...,
    order_by: Aggregation[S, Any] | Literal["count", "key"] | None = ...,
    direction: Direction = ...,
    min_doc_count: int | None = ...,
    shard_size: int | None = ...,
) -> Aggregation[S, Buckets[bool]]: ...
@overload
def terms(
    field: Number[S, int],
    /,
    *subs: Aggregation[S, Any],
    size: int | None = ...,
    order_by: Aggregation[S, Any] | Literal["count", "key"] | None = ...,
    direction: Direction = ...,
    min_doc_count: int | None = ...,
    shard_size: int | None = ...,
    include: Sequence[int] | None = ...,
    exclude: Sequence[int] | None = ...,
) -> Aggregation[S, Buckets[int]]: ...
@overload
def terms(
    field: Number[S, float] | Number[S, Decimal],
    /,
    *subs: Aggregation[S, Any],
    size: int | None = ...,
    order_by: Aggregation[S, Any] | Literal["count", "key"] | None = ...,
    direction: Direction = ...,
    min_doc_count: int | None = ...,
    shard_size: int | None = ...,
) -> Aggregation[S, Buckets[float]]: ...
@overload
def terms(
    field: Date[S, D],
    /,
    *subs: Aggregation[S, Any],
    size: int | None = ...,
    order_by: Aggregation[S, Any] | Literal["count", "key"] | None = ...,
    direction: Direction = ...,
    min_doc_count: int | None = ...,
    shard_size: int | None = ...,
) -> Aggregation[S, Buckets[datetime]]: ...
def terms(
    field: Handle[Any],
    /,
    *subs: Aggregation[Any, Any],
    size: int | None = None,
    order_by: Aggregation[Any, Any] | Literal["count", "key"] | None = None,
    direction: Direction = "desc",
    min_doc_count: int | None = None,
    shard_size: int | None = None,
    include: str | Sequence[Any] | None = None,
    exclude: str | Sequence[Any] | None = None,
) -> Aggregation[Any, Buckets[Any]]:
    """One group for each value, largest first; OpenSearch gives 10 without `size`.

    `include` and `exclude` are values, or a regular expression.
    """
    order = None
    if order_by is not None:
        by = f"_{order_by}" if isinstance(order_by, str) else order_by.name
        order = {by: direction}
    options = {
        "size": size,
        "order": order,
        "min_doc_count": min_doc_count,
        "shard_size": shard_size,
        "include": _values(include),
        "exclude": _values(exclude),
    }
    return _grouped("terms", field, options, key_reader(field), subs)


def histogram(
    field: Number[S, N],
    interval: float,
    /,
    *subs: Aggregation[S, Any],
    min_doc_count: int | None = None,
    offset: float | None = None,
) -> Aggregation[S, Buckets[float]]:
    """One group for each interval of numbers; its key is where it begins."""
    options = {"interval": interval, "min_doc_count": min_doc_count, "offset": offset}
    return _grouped("histogram", field, options, float, subs)


def date_histogram(
    field: Date[S, D],
    /,
    *subs: Aggregation[S, Any],
    calendar_interval: Calendar | None = None,
    fixed_interval: str | None = None,
    time_zone: str | None = None,
    min_doc_count: int | None = None,
    offset: str | None = None,
) -> Aggregation[S, Buckets[datetime]]:
    """One group for each `calendar_interval`, or each `fixed_interval` such as `"30m"`; its key is when it begins, in UTC."""
    if (calendar_interval is None) == (fixed_interval is None):
        raise ValueError("a date histogram has either `calendar_interval` or `fixed_interval`")
    options = {
        "calendar_interval": calendar_interval,
        "fixed_interval": fixed_interval,
        "time_zone": time_zone,
        "min_doc_count": min_doc_count,
        "offset": offset,
    }
    return _grouped("date_histogram", field, options, moment, subs)


def ranges(
    field: Number[S, N],
    spans: Sequence[tuple[N | None, N | None]],
    /,
    *subs: Aggregation[S, Any],
) -> Aggregation[S, Buckets[Span[float]]]:
    """One group for each span `(from, to)`, of which `to` no longer belongs to it; None is no bound."""
    return _ranges("range", field, spans, float, subs)


def date_ranges(
    field: Date[S, D],
    spans: Sequence[tuple[date | str | None, date | str | None]],
    /,
    *subs: Aggregation[S, Any],
) -> Aggregation[S, Buckets[Span[datetime]]]:
    """One group for each span `(from, to)` of time, of which `to` no longer belongs to it; None is no bound."""
    return _ranges("date_range", field, spans, moment, subs)


def missing(field: Handle[S], /, *subs: Aggregation[S, Any]) -> Aggregation[S, Computed]:
    """Documents without a value."""
    subs = checked(field.place, subs)
    reach = Reach.of(field.place)
    name = f"missing {field.path}"
    return Aggregation(name, "missing", {"field": field.path}, reach, Computed.of, subs)


def _ranges(
    kind: str,
    field: Handle[Any],
    spans: Sequence[tuple[Any, Any]],
    read: Callable[[Any], Any],
    subs: Sequence[Aggregation[Any, Any]],
) -> Aggregation[Any, Buckets[Span[Any]]]:
    asked = [
        {
            name: spelled(bound)
            for name, bound in zip(("from", "to"), span, strict=True)
            if bound is not None
        }
        for span in spans
    ]

    def span(found: Json) -> Span[Any]:
        start, end = (
            None if found.get(key) is None else read(found[key]) for key in ("from", "to")
        )
        return Span(start, end)

    def buckets(found: Json) -> Buckets[Span[Any]]:
        return Buckets([Bucket(item["doc_count"], item, span(item)) for item in found["buckets"]])

    body = {"field": field.path, "ranges": asked}
    reach = Reach.of(field.place)
    return Aggregation(
        f"{kind} {field.path}", kind, body, reach, buckets, checked(field.place, subs)
    )


def _grouped(
    kind: str,
    field: Handle[Any],
    options: Mapping[str, Any],
    read: Callable[[Any], Any],
    subs: Sequence[Aggregation[Any, Any]],
) -> Aggregation[Any, Buckets[Any]]:
    def buckets(found: Json) -> Buckets[Any]:
        return Buckets(
            [Bucket(item["doc_count"], item, read(item["key"])) for item in found["buckets"]],
            found.get("sum_other_doc_count", 0),
            found.get("doc_count_error_upper_bound", 0),
        )

    body = {"field": field.path, **given(options)}
    reach = Reach.of(field.place)
    return Aggregation(
        f"{kind} {field.path}", kind, body, reach, buckets, checked(field.place, subs)
    )


def _values(chosen: str | Sequence[Any] | None) -> Any:
    if chosen is None or isinstance(chosen, str):
        return chosen
    return [spelled(value) for value in chosen]
