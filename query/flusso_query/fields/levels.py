"""Namespaces of fields: a whole document, an object in it, a nested array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

from flusso_query.fields.handle import Handle
from flusso_query.options import NestedScoreMode
from flusso_query.query import Query, match_all
from flusso_query.scope import Place
from flusso_query.sorting import Sort

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 (inner)


class Fields:
    """The fields of a document.  Generated classes derive from it, with one attribute for each field."""

    def __init__(self, place: Place) -> None:
        self.place = place


class Object(Handle[S]):
    """An object, or a related row: its fields are on the level of what it stands in."""


class Nested(Handle[S], Generic[S, I]):
    """An array of objects, each of which is a level of its own: `S` is the level it stands in, `I` that of its elements."""

    def __init__(self, place: Place, path: str, inside: Place) -> None:
        super().__init__(place, path)
        self.inside = inside

    @overload
    def any(
        self,
        query: Query[I],
        *,
        score_mode: NestedScoreMode | None = None,
        ignore_unmapped: bool | None = None,
    ) -> Query[S]: ...
    @overload
    def any(
        self,
        query: None,
        *,
        score_mode: NestedScoreMode | None = None,
        ignore_unmapped: bool | None = None,
    ) -> None: ...
    @overload
    def any(
        self,
        query: Query[I] | None,
        *,
        score_mode: NestedScoreMode | None = None,
        ignore_unmapped: bool | None = None,
    ) -> Query[S] | None: ...
    def any(
        self,
        query: Query[I] | None,
        *,
        score_mode: NestedScoreMode | None = None,
        ignore_unmapped: bool | None = None,
    ) -> Query[S] | None:
        """Matches where at least one element does.  None contributes nothing.

        `score_mode` says how the scores of the elements make one, and `ignore_unmapped` that an index without the array is no error.
        """
        if query is None:
            return None
        query.reach.require(self.inside)
        body = {"path": self.path, "query": query.dsl()}
        return self._flat("nested", body, score_mode=score_mode, ignore_unmapped=ignore_unmapped)

    @overload
    def all(self, query: Query[I]) -> Query[S]: ...
    @overload
    def all(self, query: None) -> None: ...
    @overload
    def all(self, query: Query[I] | None) -> Query[S] | None: ...
    def all(self, query: Query[I] | None) -> Query[S] | None:
        """Matches where every element does, also where there is none.  None contributes nothing."""
        return None if query is None else ~self.any(~query)

    def exists(self) -> Query[S]:
        """Matches where there is an element."""
        return self._flat("nested", {"path": self.path, "query": match_all().dsl()})

    def matching(self, query: Query[I] | None = None) -> Projection:
        """Which elements each hit shows, for `Search.filter_nested`; it does not change which documents are found."""
        if query is not None:
            query.reach.require(self.inside)
        return Projection(self.path, self.inside, query)


@dataclass(frozen=True, slots=True)
class Projection:
    """The elements of a nested array that a hit shows.  Immutable."""

    path: str
    inside: Place
    query: Query[Any] | None
    sorts: tuple[Sort, ...] = ()
    count: int | None = None
    """None: all that match."""
    first: int | None = None

    def sort(self, *sorts: Sort | None) -> Projection:
        """Their order; without it, that of the best match."""
        return replace(self, sorts=(*self.sorts, *(sort for sort in sorts if sort is not None)))

    def size(self, count: int) -> Projection:
        """How many at most, of each document, or of each element of the array around this one."""
        return replace(self, count=count)

    def from_(self, first: int) -> Projection:
        """How many of them to leave out before the first."""
        return replace(self, first=first)
