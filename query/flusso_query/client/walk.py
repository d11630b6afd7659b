"""Any number of hits, page by page, each document once, whatever happens to the index meanwhile.

A walk reads a point in time: what is written after its first page does not show.  Within one shard the order of documents is then fixed
and distinct (`_doc`), so each page begins exactly after the one before.  Over several shards it is not distinct; so each shard is read as
a slice of its own, and where hits have an order the slices are merged.

A reindex removes the index of a point in time, and a pause longer than `keep_alive` the point itself.  The walk then begins again on
what the alias has now, and leaves out what it has already given.  For that it keeps 16 bytes for each document.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from flusso_query.client.operations import Options, address
from flusso_query.client.transport import Operation, Request, path
from flusso_query.errors import RequestError
from flusso_query.search.builder import Search
from flusso_query.search.decode import Reader, require_whole
from flusso_query.search.result import Hit
from flusso_query.sorting import Sort

D = TypeVar("D")
Json = dict[str, Any]

_DIGEST = 16
_MOST_LOSSES = 5
"""Points in time that may be lost one after the other without a page of any."""
_UNUSABLE = ("from", "size", "search_after", "aggs", "suggest", "collapse")


@dataclass(slots=True)
class _Slice:
    """One shard of a point in time."""

    number: int
    buffer: deque[Json] = field(default_factory=deque)
    after: list[Any] | None = None
    ended: bool = False


class Walk(Generic[D]):
    """The state of one walk over the documents of one search."""

    def __init__(self, searched: Search[D], options: Options, page: int, keep_alive: str) -> None:
        if len(searched.types) > 1 and searched.sorts:
            raise TypeError(
                "documents of several indexes are given one index after the other: leave out the order, or ask for one type"
            )
        self._search = searched
        self._options = options
        self._page = page
        self._keep_alive = keep_alive
        self._reader = Reader(searched, options.prefix)
        body = searched.body(options.inner_window)
        self._body = {key: value for key, value in body.items() if key not in _UNUSABLE}
        self._order: list[Json] = self._body.get("sort", [])
        self._types = deque(self._search.types)
        self._point: str | None = None
        self._slices: list[_Slice] = []
        self._given = bytearray()
        """Digests of the ids of the documents of the current type that were given."""
        self._skip: set[bytes] = set()
        """Those that were given before the walk began again."""
        self._losses = 0

    def next_page(self) -> Operation[list[Hit[D]] | None]:
        """Further hits, perhaps none; None at the end."""
        while self._types:
            try:
                if self._point is None:
                    yield from self._open()
                found = yield from self._advance()
            except RequestError as error:
                lost = error.status == HTTPStatus.NOT_FOUND and self._point is not None
                self._losses += 1
                if not lost or self._losses > _MOST_LOSSES:
                    raise
                self._begin_again()
                continue
            self._losses = 0
            if found is not None:
                return self._reader.hits(self._new(found))
            yield from self.close()
            self._types.popleft()
            self._given.clear()
            self._skip.clear()
        return None

    def close(self) -> Operation[None]:
        """Give back what OpenSearch keeps for the walk."""
        point, self._point = self._point, None
        if point is not None:
            body = {"pit_id": [point]}
            where = "/_search/point_in_time"
            # It may be gone by itself.
            yield Request(
                "end of a point in time", "DELETE", where, body, allow=(HTTPStatus.NOT_FOUND,)
            )

    def _open(self) -> Operation[None]:
        alias = address([self._types[0]], self._options)
        params = {
            **self._search.request_params,
            "keep_alive": self._keep_alive,
            "allow_partial_pit_creation": False,
        }
        where = path(alias, "_search", "point_in_time")
        reply = yield Request(f"point in time of {alias}", "POST", where, None, params)
        self._point = reply["pit_id"]
        self._slices = [_Slice(number) for number in range(reply["_shards"]["total"])]

    def _begin_again(self) -> None:
        digests = bytes(self._given)
        self._skip = {digests[place : place + _DIGEST] for place in range(0, len(digests), _DIGEST)}
        self._point = None

    def _advance(self) -> Operation[list[Json] | None]:
        """The next hits of the current point in time; None when there are no more."""
        if not self._order:
            for slice_ in self._slices:
                if not slice_.ended:
                    yield from self._fill(slice_)
                    found = list(slice_.buffer)
                    slice_.buffer.clear()
                    return found
            return None
        for slice_ in self._slices:
            if not slice_.ended and not slice_.buffer:
                yield from self._fill(slice_)
        if not any(slice_.buffer for slice_ in self._slices):
            return None
        return self._merged()

    def _merged(self) -> list[Json]:
        """Hits of all slices in order, as far as the next of each is known."""
        key = order_key(self._search.sorts)
        found: list[Json] = []
        while all(slice_.buffer or slice_.ended for slice_ in self._slices):
            filled = [slice_ for slice_ in self._slices if slice_.buffer]
            if not filled:
                break
            first = min(filled, key=lambda slice_: key(slice_.buffer[0]["sort"]))
            found.append(first.buffer.popleft())
        return found

    def _fill(self, slice_: _Slice) -> Operation[None]:
        body = {
            **self._body,
            "pit": {"id": self._point, "keep_alive": self._keep_alive},
            "sort": [*self._order, {"_doc": {"order": "asc"}}],
            "size": self._page,
            # Not False: OpenSearch then passes over shards that have only documents without a value left.
            "track_total_hits": 1,
        }
        if len(self._slices) > 1:
            body["slice"] = {"id": slice_.number, "max": len(self._slices)}
        if slice_.after is not None:
            body["search_after"] = slice_.after
        params = {
            key: value
            for key, value in self._search.request_params.items()
            if key == "request_timeout"
        }
        params["allow_partial_search_results"] = False
        request = Request("page of a point in time", "POST", "/_search", body, params)
        reply = yield request
        require_whole(request.what, reply, body)
        self._point = reply.get("pit_id", self._point)
        hits = reply["hits"]["hits"]
        slice_.buffer.extend(hits)
        slice_.ended = len(hits) < self._page
        if hits:
            slice_.after = hits[-1]["sort"]

    def _new(self, hits: Sequence[Json]) -> list[Json]:
        """Without those that were given before; notes the others."""
        fresh: list[Json] = []
        for hit in hits:
            digest = blake2b(hit["_id"].encode(), digest_size=_DIGEST).digest()
            if digest not in self._skip:
                fresh.append(hit)
                self._given += digest
        return fresh


def order_key(sorts: Sequence[Sort]) -> Callable[[Sequence[Any]], Any]:
    """How hits of several shards compare, by their `sort` values."""

    def compare(one: Sequence[Any], other: Sequence[Any]) -> int:
        for sort, mine, its in zip(sorts, one, other, strict=False):
            found = _compared(sort, mine, its)
            if found:
                return found
        return 0

    return functools.cmp_to_key(compare)


def _compared(sort: Sort, mine: Any, its: Any) -> int:
    if mine == its:
        return 0
    if mine is None or its is None:
        # Only texts have no value: of numbers OpenSearch gives the least or the greatest.
        first = sort.options.get("missing") == "_first"
        return -1 if (mine is None) == first else 1
    if isinstance(mine, str) != isinstance(its, str):
        # Infinity is spelled as text.
        mine, its = float(mine), float(its)
    less = mine < its
    return -1 if less == (sort.direction == "asc") else 1
