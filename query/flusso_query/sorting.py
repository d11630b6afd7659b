"""The order of hits, and of the elements of a projected array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flusso_query.options import Direction
from flusso_query.query import Query
from flusso_query.scope import Place


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of an order."""

    key: str
    """What is sorted by: a path, or OpenSearch's name for something else (`_score`)."""
    direction: Direction
    options: Mapping[str, Any]
    place: Place | None = None
    """Where the field stands; None for what is no field."""
    where: Query[Any] | None = None
    """Which elements of the nested array count."""

    def dsl(self, inside: tuple[str, ...] = ()) -> dict[str, Any]:
        """What OpenSearch is sent; `inside` are the nested arrays whose elements are sorted, empty for hits."""
        around = () if self.place is None else self.place.levels[len(inside) :]
        options = {"order": self.direction, **self.options}
        if around:
            # A document has many such values: the least decides where small ones come first.
            options.setdefault("mode", "min" if self.direction == "asc" else "max")
            options["nested"] = self._nested(around)
        return {self.key: options}

    def _nested(self, around: tuple[str, ...]) -> dict[str, Any]:
        innermost: dict[str, Any] = {"path": around[-1]}
        if self.where is not None:
            innermost["filter"] = self.where.dsl()
        chain = innermost
        for path in reversed(around[:-1]):
            chain = {"path": path, "nested": chain}
        return chain


def by_score(direction: Direction = "desc") -> Sort:
    """By how well a document matches."""
    return Sort("_score", direction, {})


def by_script(source: str, type_: str, direction: Direction = "asc", **params: Any) -> Sort:
    """By what a Painless script gives, a `"number"` or a `"string"`; `params` are the script's."""
    script = {"source": source, "params": params} if params else {"source": source}
    return Sort("_script", direction, {"type": type_, "script": script})
