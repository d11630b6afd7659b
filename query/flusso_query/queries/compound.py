"""Queries made of queries, and how their scores come about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from flusso_query.options import given
from flusso_query.query import FlatClause, Query, joined

S = TypeVar("S")
ScoreMode = Literal["multiply", "sum", "avg", "first", "max", "min"]
BoostMode = Literal["multiply", "replace", "sum", "avg", "max", "min"]


def constant_score(query: Query[S]) -> Query[S]:
    """Matches what the query does, with the score 1, or that of `.boost(...)`."""
    return Query(FlatClause("constant_score", {"filter": query.dsl()}), query.reach)


def dis_max(*queries: Query[S], tie_breaker: float | None = None) -> Query[S]:
    """Matches where one does, with the best of their scores, and a part of the others."""
    body = {"queries": [query.dsl() for query in queries], **given({"tie_breaker": tie_breaker})}
    return Query(FlatClause("dis_max", body), joined(queries))


def boosting(positive: Query[S], negative: Query[S], negative_boost: float) -> Query[S]:
    """Matches what the first does; where the second does, too, with a score that is multiplied by `negative_boost`, below 1."""
    body = {
        "positive": positive.dsl(),
        "negative": negative.dsl(),
        "negative_boost": negative_boost,
    }
    return Query(FlatClause("boosting", body), joined((positive, negative)))


@dataclass(frozen=True, slots=True)
class Function:
    """A part of a score: a function in OpenSearch's own words, or only a weight; for all documents, or where `when` matches."""

    weight: float | None = None
    when: Query[Any] | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    """Such as `{"field_value_factor": {...}}`, `{"gauss": {...}}`, `{"random_score": {}}`."""

    def dsl(self) -> dict[str, Any]:
        """As OpenSearch takes it."""
        when = None if self.when is None else self.when.dsl()
        return {**self.body, **given({"weight": self.weight, "filter": when})}


def function_score(
    query: Query[S],
    functions: Sequence[Function],
    *,
    score_mode: ScoreMode | None = None,
    boost_mode: BoostMode | None = None,
    max_boost: float | None = None,
    min_score: float | None = None,
) -> Query[S]:
    """Matches what the query does, with a score that functions change.

    `score_mode` says how the functions make one number, `boost_mode` how that changes the score of the query.
    """
    options = {
        "score_mode": score_mode,
        "boost_mode": boost_mode,
        "max_boost": max_boost,
        "min_score": min_score,
    }
    body = {
        "query": query.dsl(),
        "functions": [function.dsl() for function in functions],
        **given(options),
    }
    whens = [function.when for function in functions if function.when is not None]
    return Query(FlatClause("function_score", body), joined((query, *whens)))
