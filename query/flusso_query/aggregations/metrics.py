"""Aggregations that compute a number over documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, overload

from flusso_query.aggregations.aggregation import Aggregation, moment
from flusso_query.fields.handle import Handle
from flusso_query.fields.ordered import Date, Number
from flusso_query.options import given
from flusso_query.scope import Reach
from flusso_query.serializers import optional_float

S = TypeVar("S")
N = TypeVar("N", int, float, Decimal)
D = TypeVar("D")
R = TypeVar("R")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stats:
    """Of all values; without any, `min`, `max` and `avg` are None."""

    count: int
    min: float | None
    max: float | None
    avg: float | None
    sum: float


@overload
def min_(field: Number[S, N], /) -> Aggregation[S, float | None]: ...
@overload
def min_(field: Date[S, D], /) -> Aggregation[S, datetime | None]: ...
def min_(field: Handle[Any], /) -> Aggregation[Any, Any]:
    """The least value; None without any."""
    return _single("min", field)


@overload
def max_(field: Number[S, N], /) -> Aggregation[S, float | None]: ...
@overload
def max_(field: Date[S, D], /) -> Aggregation[S, datetime | None]: ...
def max_(field: Handle[Any], /) -> Aggregation[Any, Any]:
    """The greatest value; None without any."""
    return _single("max", field)


def sum_(field: Number[S, N], /) -> Aggregation[S, float]:
    """The sum of the values, in double precision."""
    return _single("sum", field)


def avg(field: Number[S, N], /) -> Aggregation[S, float | None]:
    """The mean of the values; None without any."""
    return _single("avg", field)


def stats(field: Number[S, N], /) -> Aggregation[S, Stats]:
    """Number, least, greatest, mean and sum of the values."""
    return _metric("stats", field, {}, _stats)


def value_count(field: Handle[S], /) -> Aggregation[S, int]:
    """How many values there are."""
    return _metric("value_count", field, {}, _count)


def cardinality(
    field: Handle[S], /, *, precision_threshold: int | None = None
) -> Aggregation[S, int]:
    """How many different values there are: nearly exact up to `precision_threshold` of them (3,000 without it)."""
    return _metric("cardinality", field, {"precision_threshold": precision_threshold}, _count)


def percentiles(
    field: Number[S, N],
    percents: Sequence[float] = (1, 5, 25, 50, 75, 95, 99),
    /,
    *,
    compression: float | None = None,
) -> Aggregation[S, Mapping[float, float | None]]:
    """Percent -> the value below which so many percent of the values are, nearly; None without values."""
    digest = None if compression is None else {"compression": compression}
    options = {"percents": list(percents), "tdigest": digest}
    return _metric("percentiles", field, options, _percentiles)


def _single(kind: str, field: Handle[Any]) -> Aggregation[Any, Any]:
    read: Callable[[Any], Any] = moment if isinstance(field, Date) else float

    def value(found: Json) -> Any:
        return None if found["value"] is None else read(found["value"])

    return _metric(kind, field, {}, value)


def _metric(
    kind: str, field: Handle[S], options: Mapping[str, Any], read: Callable[[Json], R]
) -> Aggregation[S, R]:
    body = {"field": field.path, **given(options)}
    return Aggregation(f"{kind} {field.path}", kind, body, Reach.of(field.place), read)


def _count(found: Json) -> int:
    return int(found["value"])


def _stats(found: Json) -> Stats:
    least, most, mean = (optional_float(found[name]) for name in ("min", "max", "avg"))
    return Stats(found["count"], least, most, mean, float(found["sum"]))


def _percentiles(found: Json) -> Mapping[float, float | None]:
    # OpenSearch spells a missing value as null, or as "NaN".
    return {
        float(percent): None if value in (None, "NaN") else float(value)
        for percent, value in found["values"].items()
        if not percent.endswith("_as_string")
    }
