"""Which elements of nested arrays hits show: what is asked for, and how it gets into the documents.

A clause of its own for each array finds the elements, as `inner_hits`.  It stands in `should` with no weight, so that it changes neither which documents are
found nor their scores.  An array in an array is asked for inside the outer one, so that its size and order are those of one outer element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flusso_query.errors import TruncatedError
from flusso_query.fields.levels import Projection
from flusso_query.options import given
from flusso_query.query import match_all

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tree:
    """A nested array of the document, or of the elements of another."""

    path: str
    """In the document, dotted."""
    steps: tuple[str, ...]
    """From the element around it, or the document: objects, then the array."""
    projection: Projection | None
    """None where the array stays whole, and only arrays in it are shown in part."""
    inner: tuple[Tree, ...]

    def dsl(self, window: int) -> Json:
        """The clause that finds its elements."""
        projection = self.projection
        asked = projection.query if projection is not None else None
        query = (match_all() if asked is None else asked).dsl()
        if self.inner:
            inner = [item.dsl(window) for item in self.inner]
            query = {"bool": {"must": [query], "should": inner}}
        return {
            "nested": {
                "path": self.path,
                "query": query,
                "score_mode": "none",
                "inner_hits": self._inner_hits(window),
                "boost": 0,
            }
        }

    def _inner_hits(self, window: int) -> Json:
        projection = self.projection
        if projection is None:
            return {"name": self.path, "size": window, "_source": False}
        sorts = [sort.dsl(projection.inside.levels) for sort in projection.sorts]
        return {
            "name": self.path,
            "size": window if projection.count is None else projection.count,
            **given({"from": projection.first, "sort": sorts or None}),
        }


def tree(projections: Sequence[Projection]) -> tuple[Tree, ...]:
    """The arrays to be shown in part, with those around them.  Raises `ValueError` where one is named twice."""
    by_path = {item.path: item for item in projections}
    if len(by_path) < len(projections):
        raise ValueError(f"an array is projected twice: {[item.path for item in projections]}")
    levels = {
        item.inside.levels[: depth + 1]
        for item in projections
        for depth in range(len(item.inside.levels))
    }
    return _below((), levels, by_path)


def _below(
    around: tuple[str, ...],
    levels: set[tuple[str, ...]],
    projections: Mapping[str, Projection],
) -> tuple[Tree, ...]:
    found = sorted(chain for chain in levels if chain[:-1] == around)
    before = f"{around[-1]}." if around else ""
    return tuple(
        Tree(
            chain[-1],
            tuple(chain[-1].removeprefix(before).split(".")),
            projections.get(chain[-1]),
            _below(chain, levels, projections),
        )
        for chain in found
    )


def excluded(trees: Sequence[Tree]) -> list[str]:
    """Arrays that need not be fetched with the document: inner hits have their elements."""
    return [item.path for item in trees if item.projection is not None]


def whole(trees: Sequence[Tree]) -> list[str]:
    """Arrays that must be fetched whole: inner hits name their elements by place."""
    return [item.path for item in trees if item.projection is None]


def shape(document: Json, trees: Sequence[Tree], inner_hits: Json, hit_id: str) -> dict[str, int]:
    """Put the elements that were found in the place of the arrays; gives per path how many match.

    Raises `TruncatedError` where OpenSearch gave fewer than match and no size was asked for.
    """
    totals: dict[str, int] = {}
    for item in trees:
        _shape(document, item, inner_hits, hit_id, totals)
    return totals


def _shape(around: Json, item: Tree, inner_hits: Json, hit_id: str, totals: dict[str, int]) -> None:
    found = inner_hits.get(item.path, {}).get("hits", {})
    hits = found.get("hits", [])
    total = found.get("total", {}).get("value", len(hits))
    totals[item.path] = totals.get(item.path, 0) + total
    projection = item.projection
    if total > len(hits) and (projection is None or projection.count is None):
        skipped = projection.first or 0 if projection is not None else 0
        if total > len(hits) + skipped:
            raise TruncatedError(hit_id, item.path, len(hits), total)
    *objects, key = item.steps
    for step in objects:
        if around.get(step) is None:
            if not hits:
                return
            # Nothing of the object but the array was to be fetched.
            around[step] = {}
        around = around[step]
    if projection is None:
        elements = [(around.get(key) or [])[_offset(hit)] for hit in hits]
    else:
        around[key] = elements = [hit["_source"] for hit in hits]
    for element, hit in zip(elements, hits, strict=True):
        for inner in item.inner:
            _shape(element, inner, hit.get("inner_hits", {}), hit_id, totals)


def _offset(hit: Mapping[str, Any]) -> int:
    """The place of an element in its array."""
    nested = hit["_nested"]
    while "_nested" in nested:
        nested = nested["_nested"]
    offset: int = nested["offset"]
    return offset
