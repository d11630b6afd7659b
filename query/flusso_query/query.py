"""Queries as values, and how they combine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, NoReturn, TypeVar, overload

from flusso_query.scope import Reach

Json = dict[str, Any]
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FieldClause:
    """`{kind: {field: value}}`, or with options `{kind: {field: {key: value, ...}}}`."""

    kind: str
    field: str
    key: str
    """Under which the value stands beside options; empty where the value is such a mapping itself."""
    value: Any
    options: Mapping[str, Any]

    def dsl(self, common: Json) -> Json:
        options = {**self.options, **common}
        if not self.key:
            return {self.kind: {self.field: {**self.value, **options}}}
        if not options:
            return {self.kind: {self.field: self.value}}
        return {self.kind: {self.field: {self.key: self.value, **options}}}


@dataclass(frozen=True, slots=True)
class FlatClause:
    """`{kind: {...}}`, with options beside what it asks."""

    kind: str
    body: Json

    def dsl(self, common: Json) -> Json:
        return {self.kind: {**self.body, **common}}


@dataclass(frozen=True, slots=True)
class RawClause:
    """A clause as the caller wrote it."""

    body: Json

    def dsl(self, common: Json) -> Json:
        return {"bool": {"must": [self.body], **common}} if common else self.body


@dataclass(frozen=True, slots=True)
class BoolClause:
    """Several queries, of which all, some or none must match."""

    occurrence: Literal["must", "should", "must_not"]
    parts: tuple[Query[Any], ...]
    minimum: int | str | None = None

    def dsl(self, common: Json) -> Json:
        body: Json = {self.occurrence: [part.dsl() for part in self.parts]}
        if self.minimum is not None:
            body["minimum_should_match"] = self.minimum
        return {"bool": {**body, **common}}


@dataclass(frozen=True, slots=True)
class Query(Generic[S]):
    """A condition on documents, or on elements of a nested array, of the level `S`.  Immutable.

    `a & b` matches where both match, `a | b` where at least one does, `~a` where it does not.  Queries of different levels do
    not combine: a type checker refuses it, and `ScopeError` is raised.
    """

    clause: FieldClause | FlatClause | RawClause | BoolClause
    reach: Reach
    _boost: float | None = None
    _name: str | None = None

    def boost(self, factor: float) -> Query[S]:
        """The same query, with its score multiplied."""
        return replace(self, _boost=factor)

    def named(self, name: str) -> Query[S]:
        """The same query; a hit that it matches has `name` in its `matched_queries`."""
        return replace(self, _name=name)

    def dsl(self) -> Json:
        """What OpenSearch is sent."""
        common: Json = {}
        if self._boost is not None:
            common["boost"] = self._boost
        if self._name is not None:
            common["_name"] = self._name
        return self.clause.dsl(common)

    def parts(self, occurrence: Literal["must", "should"]) -> tuple[Query[S], ...]:
        """Its own parts where it is such a combination without options, else itself."""
        plain = self._boost is None and self._name is None
        clause = self.clause
        if plain and isinstance(clause, BoolClause) and clause.occurrence == occurrence:
            return (self,) if clause.minimum is not None else clause.parts
        return (self,)

    def __and__(self, other: Query[S] | None) -> Query[S]:
        return self if other is None else _combined("must", (self, other))

    def __rand__(self, other: None) -> Query[S]:
        return self

    def __or__(self, other: Query[S] | None) -> Query[S]:
        return self if other is None else _combined("should", (self, other))

    def __ror__(self, other: None) -> Query[S]:
        return self

    def __invert__(self) -> Query[S]:
        return Query(BoolClause("must_not", (self,)), self.reach)

    def __bool__(self) -> NoReturn:
        raise TypeError("a query is not true or false: combine queries with `&`, `|` and `~`")


def and_(*queries: Query[S] | None) -> Query[S] | None:
    """Matches where all do.  None contributes nothing; None when nothing is left."""
    return _together("must", queries)


def or_(*queries: Query[S] | None, minimum: int | str | None = None) -> Query[S] | None:
    """Matches where at least one does, or `minimum` of them: a number, or a percentage such as `"75%"`.

    None contributes nothing; None when nothing is left.
    """
    given = [query for query in queries if query is not None]
    if minimum is None or not given:
        return _together("should", given)
    return Query(BoolClause("should", tuple(given), minimum), joined(given))


@overload
def not_(query: Query[S]) -> Query[S]: ...
@overload
def not_(query: None) -> None: ...
@overload
def not_(query: Query[S] | None) -> Query[S] | None: ...
def not_(query: Query[S] | None) -> Query[S] | None:
    """Matches where `query` does not.  None stays None."""
    return None if query is None else ~query


def when(value: T | None, make: Callable[[T], Query[S]]) -> Query[S] | None:
    """`make(value)`, or None where there is no value: for filters that a user may leave out."""
    return None if value is None else make(value)


def raw(clause: Mapping[str, Any]) -> Query[Any]:
    """A query as OpenSearch takes it.  Fits every level: that its fields are of that level is up to the caller."""
    return Query(RawClause(dict(clause)), Reach())


def match_all() -> Query[Any]:
    """Matches everything, with the score 1."""
    return Query(FlatClause("match_all", {}), Reach())


def match_none() -> Query[Any]:
    """Matches nothing."""
    return Query(FlatClause("match_none", {}), Reach())


def joined(queries: Iterable[Query[Any]]) -> Reach:
    """The reach of queries that stand together.  Raises `ScopeError` where they are on different levels."""
    reach = Reach()
    for query in queries:
        reach = reach.joined(query.reach)
    return reach


def _together(
    occurrence: Literal["must", "should"], queries: Iterable[Query[S] | None]
) -> Query[S] | None:
    given = tuple(query for query in queries if query is not None)
    if len(given) < 2:
        return given[0] if given else None
    return _combined(occurrence, given)


def _combined(occurrence: Literal["must", "should"], queries: tuple[Query[S], ...]) -> Query[S]:
    parts = tuple(part for query in queries for part in query.parts(occurrence))
    return Query(BoolClause(occurrence, parts), joined(queries))
