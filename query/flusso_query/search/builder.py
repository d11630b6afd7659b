"""Searches as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, overload

from flusso_query.aggregations.aggregation import Aggregation
from flusso_query.document import Document
from flusso_query.errors import ScopeError
from flusso_query.fields.handle import Handle
from flusso_query.fields.levels import Projection
from flusso_query.options import MinimumMatch, given
from flusso_query.projection import source_includes
from flusso_query.query import Query, joined, match_all
from flusso_query.scope import Reach, Root
from flusso_query.search.highlight import Highlight
from flusso_query.search.inner_hits import Tree, excluded, tree, whole
from flusso_query.sorting import Sort

D = TypeVar("D")
A = TypeVar("A", bound=Document)
B = TypeVar("B", bound=Document)
C = TypeVar("C", bound=Document)
E = TypeVar("E", bound=Document)
Json = dict[str, Any]

_UNSEEN = ("highlight", "explain", "suggest", "track_scores", "aggs")
"""What only hits with documents show."""
_MADE = ("_script", "_geo_distance")
"""Keys of an order that are not the name of what is sorted by."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything about a search but its type."""

    types: tuple[type[Document], ...]
    typed: bool = True
    must: tuple[Query[Root], ...] = ()
    filters: tuple[Query[Root], ...] = ()
    should: tuple[Query[Root], ...] = ()
    must_not: tuple[Query[Root], ...] = ()
    minimum: MinimumMatch | None = None
    sorts: tuple[Sort, ...] = ()
    projections: tuple[Projection, ...] = ()
    aggregations: tuple[Aggregation[Root, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the body, as they are sent."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the request."""


class Search(Generic[D]):
    """What to find, of which documents, and what of them to give.  Immutable: each method gives a new search.

    Clauses may be None, and then contribute nothing.  A search without any matches every document.
    """

    @overload
    def __init__(self: Search[A], type_: type[A], /) -> None: ...
    @overload
    def __init__(self: Search[A | B], first: type[A], second: type[B], /) -> None: ...
    @overload
    def __init__(
        self: Search[A | B | C], first: type[A], second: type[B], third: type[C], /
    ) -> None: ...
    @overload
    def __init__(
        self: Search[A | B | C | E],
        first: type[A],
        second: type[B],
        third: type[C],
        fourth: type[E],
        /,
    ) -> None: ...
    def __init__(self, *types: type[Document]) -> None:
        """A search of the documents of one type, or of several with one query (a combined search)."""
        indexes = [type_.__binding__.index for type_ in types]
        if len(set(indexes)) < len(indexes):
            raise ValueError(
                f"a combined search has one type for each index, and two of these are of {indexes}"
            )
        self._parts = _Parts(types)

    # --- which documents ---

    def query(self, *queries: Query[Root] | None) -> Search[D]:
        """Documents must match; how well they do makes their score."""
        return self._with(must=(*self._parts.must, *self._checked(queries)))

    def filter(self, *queries: Query[Root] | None) -> Search[D]:
        """Documents must match; it does not count for their score."""
        return self._with(filters=(*self._parts.filters, *self._checked(queries)))

    def must_not(self, *queries: Query[Root] | None) -> Search[D]:
        """Documents must not match."""
        return self._with(must_not=(*self._parts.must_not, *self._checked(queries)))

    def should(
        self, *queries: Query[Root] | None, minimum: MinimumMatch | None = None
    ) -> Search[D]:
        """Documents that match score higher.

        `minimum` of all queries that were given so must match; without it none has to, unless there is neither `query` nor `filter`.
        """
        return self._with(
            should=(*self._parts.should, *self._checked(queries)),
            minimum=self._parts.minimum if minimum is None else minimum,
        )

    def min_score(self, score: float) -> Search[D]:
        """Only documents with at least this score."""
        return self._option(min_score=score)

    def post_filter(self, query: Query[Root] | None) -> Search[D]:
        """Hits must match, and aggregations count other documents too: for facets that show what else there is."""
        checked = self._checked((query,))
        return self._option(post_filter=checked[0].dsl()) if checked else self

    # --- which of them, in which order ---

    def sort(self, *sorts: Sort | None) -> Search[D]:
        """The order of the hits, by further keys; without any, best matches first."""
        keys = [sort for sort in sorts if sort is not None]
        for sort in keys:
            if sort.place is not None:
                self._check(Reach(None, frozenset((sort.place.index,))))
        together = list(self._parts.sorts)
        for sort in keys:
            # A second key on the same field changes nothing.
            if sort.key in _MADE or sort.key not in {other.key for other in together}:
                together.append(sort)
        return self._with(sorts=tuple(together))

    def from_(self, first: int) -> Search[D]:
        """How many hits to leave out before the first.  OpenSearch refuses more than 10,000 with `size`: see `iterate`."""
        return self._option(**{"from": first})

    def size(self, count: int) -> Search[D]:
        """How many hits to give; OpenSearch gives 10 without it."""
        return self._option(size=count)

    def search_after(self, values: Sequence[Any]) -> Search[D]:
        """Only hits after the one with these `sort` values."""
        return self._option(search_after=list(values))

    def collapse(self, by: Handle[Root]) -> Search[D]:
        """One hit for each value of a field."""
        return self._option(collapse={"field": by.path})

    def track_total_hits(self, count: bool | int) -> Search[D]:
        """Count all hits, none, or up to a number of them; OpenSearch counts up to 10,000 without it."""
        return self._option(track_total_hits=count)

    def track_scores(self) -> Search[D]:
        """Compute scores even where hits are sorted by something else."""
        return self._option(track_scores=True)

    # --- what of them ---

    def filter_nested(self, *projections: Projection | None) -> Search[D]:
        """Which elements of a nested array each hit shows; it does not change which documents are found, nor their scores."""
        chosen = [item for item in projections if item is not None]
        for item in chosen:
            self._check(Reach(None, frozenset((item.inside.index,))))
        if chosen and len(self._parts.types) > 1:
            raise TypeError("a combined search shows whole arrays: `filter_nested` is for one type")
        return self._with(projections=(*self._parts.projections, *chosen))

    def aggregate(self, *aggregations: Aggregation[Root, Any] | None) -> Search[D]:
        """Compute these over all documents found; `result[aggregation]` has what they gave."""
        chosen = [item for item in aggregations if item is not None]
        for item in chosen:
            self._check(item.reach)
        together = (*self._parts.aggregations, *chosen)
        names = [item.name for item in together]
        if len(set(names)) < len(names):
            raise ValueError(
                f"two aggregations are of the same name, of {sorted(names)}: give one another name with `.named(...)`"
            )
        return self._with(aggregations=together)

    def highlight(self, *fields: Handle[Root] | Highlight) -> Search[D]:
        """Show where words of the query occur in these fields; see `Highlight` for options."""
        return self._option(highlight=Highlight.together(fields))

    def suggest(self, name: str, suggester: Mapping[str, Any]) -> Search[D]:
        """Ask for suggestions, in OpenSearch's own words; they are in `result.suggestions[name]`."""
        before = self._parts.options.get("suggest", {})
        return self._option(suggest={**before, name: dict(suggester)})

    def explain(self) -> Search[D]:
        """How each score came about, in `hit.explanation`."""
        return self._option(explain=True)

    def untyped(self) -> Search[dict[str, Any]]:
        """Give documents as plain JSON, without a model: the same request, less work."""
        search: Search[dict[str, Any]] = Search.__new__(Search)
        search._parts = replace(self._parts, typed=False)
        return search

    def raw(self, body: Mapping[str, Any]) -> Search[D]:
        """Further keys of the request's body, in place of those that are made here: for what this class has no method for."""
        return self._option(**body)

    # --- how it is run ---

    def timeout(self, seconds: float) -> Search[D]:
        """Let shards give what they have found by then; the result says so (`timed_out`)."""
        return self._option(timeout=f"{round(seconds * 1000)}ms")

    def terminate_after(self, count: int) -> Search[D]:
        """Let each shard end after so many documents; the result says so (`terminated_early`)."""
        return self._option(terminate_after=count)

    def params(self, **params: Any) -> Search[D]:
        """Parameters of the request, such as `routing`, `preference`, `request_cache`, or opensearch-py's `request_timeout`."""
        return self._with(params={**self._parts.params, **params})

    # --- what is sent ---

    @property
    def types(self) -> tuple[type[Document], ...]:
        """The models, one for each index."""
        return self._parts.types

    @property
    def typed(self) -> bool:
        """Whether documents are given as models."""
        return self._parts.typed

    @property
    def request_params(self) -> Mapping[str, Any]:
        """Parameters of the request."""
        return self._parts.params

    @property
    def sorts(self) -> tuple[Sort, ...]:
        """The order."""
        return self._parts.sorts

    @property
    def projections(self) -> tuple[Tree, ...]:
        """The nested arrays that hits show in part, outer ones first."""
        return tree(self._parts.projections)

    def body(self, inner_window: int = 100) -> Json:
        """The body of the search; `inner_window` elements of a projected array are asked for where no size was given."""
        parts = self._parts
        body: Json = {"query": self._found()}
        trees = self.projections
        if trees:
            shown = [item.dsl(inner_window) for item in trees]
            body["query"] = {"bool": {"must": [body["query"]], "should": shown}}
        if parts.sorts:
            body["sort"] = [sort.dsl() for sort in parts.sorts]
        source = self._source(trees)
        if source is not None:
            body["_source"] = source
        if parts.aggregations:
            body["aggs"] = {item.name: item.dsl() for item in parts.aggregations}
        return {**body, **parts.options}

    def ids_body(self) -> Json:
        """The body of a search for ids: the same hits, without documents."""
        parts = self._parts
        body: Json = {"query": self._found()}
        if parts.sorts:
            body["sort"] = [sort.dsl() for sort in parts.sorts]
        options = {key: value for key, value in parts.options.items() if key not in _UNSEEN}
        return {**body, **options, "_source": False}

    def count_body(self) -> Json:
        """The body of a count: the query only."""
        return {"query": self._found()}

    def _found(self) -> Json:
        parts = self._parts
        clauses = {
            "must": parts.must,
            "filter": parts.filters,
            "should": parts.should,
            "must_not": parts.must_not,
        }
        body: Json = {
            name: [query.dsl() for query in queries] for name, queries in clauses.items() if queries
        }
        if not body:
            return match_all().dsl()
        return {"bool": {**body, **given({"minimum_should_match": parts.minimum})}}

    def _source(self, trees: tuple[Tree, ...]) -> Json | None:
        """Which parts of the documents are fetched; None for all."""
        types = self._parts.types
        source: Json = {}
        if not any(type_.__binding__.complete for type_ in types):
            # With several types each gets what any of them reads.
            read = {key for type_ in types for key in source_includes(type_)}
            source["includes"] = sorted({*read, *whole(trees)})
        if left_out := excluded(trees):
            source["excludes"] = left_out
        return source or None

    # --- the builder ---

    def _with(self, **changes: Any) -> Search[D]:
        search: Search[D] = Search.__new__(Search)
        search._parts = replace(self._parts, **changes)
        return search

    def _option(self, **options: Any) -> Search[D]:
        return self._with(options={**self._parts.options, **options})

    def _checked(self, queries: Sequence[Query[Root] | None]) -> tuple[Query[Root], ...]:
        chosen = tuple(query for query in queries if query is not None)
        self._check(joined(chosen))
        return chosen

    def _check(self, reach: Reach) -> None:
        if reach.levels:
            raise ScopeError(
                f"a search is of whole documents, and this is on {reach}: put it into `any(...)` or `all(...)` of the array"
            )
        searched = {type_.__binding__.index for type_ in self._parts.types}
        if not reach.indexes <= searched:
            raise ScopeError(
                f"this is on fields of {', '.join(sorted(reach.indexes))}, and the search is of {', '.join(sorted(searched))}"
            )

    def __repr__(self) -> str:
        return f"Search({', '.join(type_.__name__ for type_ in self._parts.types)}): {self.body()}"
