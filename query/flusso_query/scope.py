"""Levels of a document: which queries go together.

A nested array is a level of its own in OpenSearch.  A condition on its elements means something only inside a `nested`
query on that array.  Type checkers know a level by a type parameter (`Root`, or the namespace class of a nested level);
at run time it is known by what is here.
"""

from __future__ import annotations

from dataclasses import dataclass

from flusso_query.errors import ScopeError


class Root:
    """The level of the document itself, with its objects and to-one relations.  Never instantiated."""


@dataclass(frozen=True, slots=True, init=False)
class Place:
    """Where a field stands: its index, and the paths of the nested arrays around it, outermost first."""

    index: str
    levels: tuple[str, ...]

    def __init__(self, index: str, *levels: str) -> None:
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "levels", levels)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a query may be used."""

    levels: tuple[str, ...] | None = None
    """Paths of the nested arrays around it; empty at the root, None where any level will do."""
    indexes: frozenset[str] = frozenset()
    """The indexes whose fields it names."""

    @classmethod
    def of(cls, place: Place) -> Reach:
        """That of a query on one field."""
        return cls(place.levels, frozenset((place.index,)))

    def joined(self, other: Reach) -> Reach:
        """That of both together.  Raises `ScopeError` where they are on different levels."""
        indexes = self.indexes | other.indexes
        if self.levels is None or other.levels is None:
            return Reach(self.levels if other.levels is None else other.levels, indexes)
        if self.levels != other.levels or (self.levels and len(indexes) > 1):
            raise ScopeError(
                f"queries on {self} and on {other} cannot be combined: each element of a nested array is a document"
                " of its own. Put the inner one into `any(...)` or `all(...)` of its array"
            )
        return Reach(self.levels, indexes)

    def require(self, place: Place) -> None:
        """Raise `ScopeError` unless a query of this reach may be used at `place`."""
        self.joined(Reach.of(place))

    def __str__(self) -> str:
        index = ", ".join(sorted(self.indexes)) or "any index"
        return f"{index}, elements of `{self.levels[-1]}`" if self.levels else f"{index}, its root"
