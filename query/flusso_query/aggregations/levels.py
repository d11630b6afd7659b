"""Aggregations over elements of nested arrays, and over documents that match a query."""

from __future__ import annotations

from typing import Any, TypeVar

from flusso_query.aggregations.aggregation import Aggregation, Computed, checked
from flusso_query.fields.levels import Nested
from flusso_query.query import Query
from flusso_query.scope import Reach

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 (inner)


def nested(array: Nested[S, I], /, *subs: Aggregation[I, Any]) -> Aggregation[S, Computed]:
    """All elements of an array, and what is computed over them."""
    subs = checked(array.inside, subs)
    name = f"nested {array.path}"
    return Aggregation(
        name, "nested", {"path": array.path}, Reach.of(array.place), Computed.of, subs
    )


def parents(array: Nested[S, I], /, *subs: Aggregation[S, Any]) -> Aggregation[I, Computed]:
    """What the elements stand in: documents, or elements of the array around it.  For use below `nested` of the same array."""
    around = array.place.levels
    body = {"path": around[-1]} if around else {}
    subs = checked(array.place, subs)
    name = f"parents {array.path}"
    return Aggregation(name, "reverse_nested", body, Reach.of(array.inside), Computed.of, subs)


def filtered(query: Query[S], /, *subs: Aggregation[S, Any]) -> Aggregation[S, Computed]:
    """Documents, of those found, that match a query too."""
    reach = query.reach
    for item in subs:
        reach = reach.joined(item.reach)
    return Aggregation("filtered", "filter", query.dsl(), reach, Computed.of, tuple(subs))
