"""Queries by scripts, and queries whose point is their score."""

from __future__ import annotations

from datetime import date
from typing import Any, TypeVar

from flusso_query.fields.geo import Distance, Geo
from flusso_query.fields.handle import Handle
from flusso_query.fields.ordered import Date
from flusso_query.point import Point
from flusso_query.query import FlatClause, Query
from flusso_query.scope import Reach
from flusso_query.values import spelled

S = TypeVar("S")
Json = dict[str, Any]


def script(source: str, **params: Any) -> Query[Any]:
    """Matches where a Painless script gives true; `params` are the script's."""
    return Query(FlatClause("script", {"script": _script(source, params)}), Reach())


def script_score(
    query: Query[S], source: str, *, min_score: float | None = None, **params: Any
) -> Query[S]:
    """Matches what the query does, with the score that a Painless script gives."""
    body: Json = {"query": query.dsl(), "script": _script(source, params)}
    if min_score is not None:
        body["min_score"] = min_score
    return Query(FlatClause("script_score", body), query.reach)


def distance_feature(
    field: Date[S, Any] | Geo[S], origin: date | str | Point, pivot: str | Distance
) -> Query[S]:
    """Matches where there is a value, with a higher score near `origin`; at the distance `pivot`, half of it.

    Of a date `pivot` is a length of time such as `"7d"`.
    """
    where = origin.dsl() if isinstance(origin, Point) else spelled(origin)
    body = {"field": field.path, "origin": where, "pivot": str(pivot)}
    return Query(FlatClause("distance_feature", body), Reach.of(field.place))


def rank_feature(
    field: Handle[S],
    *,
    saturation: float | None = None,
    log: float | None = None,
    sigmoid: tuple[float, float] | None = None,
) -> Query[S]:
    """Matches where a field of type `rank_feature` has a value, which makes the score.

    By one of these: `saturation` with a pivot, `log` with a scaling factor, `sigmoid` with a pivot and an exponent; without any, OpenSearch
    chooses a pivot.
    """
    body: Json = {"field": field.path}
    if saturation is not None:
        body["saturation"] = {"pivot": saturation}
    if log is not None:
        body["log"] = {"scaling_factor": log}
    if sigmoid is not None:
        body["sigmoid"] = {"pivot": sigmoid[0], "exponent": sigmoid[1]}
    if len(body) > 2:
        raise ValueError("a rank feature has one of `saturation`, `log` and `sigmoid`")
    return Query(FlatClause("rank_feature", body), Reach.of(field.place))


def _script(source: str, params: Json) -> Json:
    return {"source": source, "params": params} if params else {"source": source}
