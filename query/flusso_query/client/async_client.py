"""The client of asynchronous code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from opensearchpy.exceptions import OpenSearchException

from flusso_query.aggregations.buckets import Bucket
from flusso_query.aggregations.composite import Composite
from flusso_query.client import operations
from flusso_query.client.operations import Options
from flusso_query.client.transport import Operation, Pause, failed, replied
from flusso_query.client.wait import Committed, wait_for
from flusso_query.client.walk import Walk
from flusso_query.document import Document
from flusso_query.search.builder import Search
from flusso_query.search.result import Hit, Result

if TYPE_CHECKING:
    # Without aiohttp opensearch-py has no such class, and the rest of this package works.
    from opensearchpy import AsyncOpenSearch

T = TypeVar("T")
M = TypeVar("M", bound=Document)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")


class AsyncClient:
    """`Client` for asyncio: the same methods, awaited."""

    def __init__(
        self, opensearch: AsyncOpenSearch, *, prefix: str = "", inner_window: int = 100
    ) -> None:
        """`prefix` is the configuration's index prefix.

        `inner_window` is how many elements of a nested array are asked for where no size is given: not more than the indexes'
        `index.max_inner_result_window`, which is 100 unless it was raised.
        """
        self._opensearch = opensearch
        self._options = Options(prefix, inner_window)

    async def get(self, type_: type[M], id_: str) -> M | None:
        """The document with this id; None when there is none.  It is as it was last written, whether searches see it or not."""
        return await self._run(operations.get(type_, id_, self._options))

    async def mget(self, type_: type[M], ids: Sequence[str]) -> list[M | None]:
        """The documents with these ids, in order; None for each that there is not."""
        return await self._run(operations.mget(type_, ids, self._options))

    async def search(self, search: Search[D], /) -> Result[D]:
        """Hits, and what comes with them.  Whether all shards answered is in the result: `is_partial`."""
        return await self._run(operations.search(search, self._options))

    async def ids(self, search: Search[Any], /) -> list[str]:
        """The ids of the hits, in order.  Raises `PartialResultError` when a shard failed or ran out of time."""
        return await self._run(operations.ids(search, self._options))

    async def count(self, search: Search[Any], /) -> int:
        """How many documents match the query.  Raises `PartialResultError` when a shard failed."""
        return await self._run(operations.count(search, self._options))

    @overload
    async def msearch(self, a: Search[A], /) -> tuple[Result[A]]: ...
    @overload
    async def msearch(self, a: Search[A], b: Search[B], /) -> tuple[Result[A], Result[B]]: ...
    @overload
    async def msearch(
        self, a: Search[A], b: Search[B], c: Search[C], /
    ) -> tuple[Result[A], Result[B], Result[C]]: ...
    @overload
    async def msearch(
        self, a: Search[A], b: Search[B], c: Search[C], d: Search[D], /
    ) -> tuple[Result[A], Result[B], Result[C], Result[D]]: ...
    @overload
    async def msearch(
        self, a: Search[A], b: Search[B], c: Search[C], d: Search[D], e: Search[E], /
    ) -> tuple[Result[A], Result[B], Result[C], Result[D], Result[E]]: ...
    @overload
    async def msearch(
        self, a: Search[A], b: Search[B], c: Search[C], d: Search[D], e: Search[E], f: Search[F], /
    ) -> tuple[Result[A], Result[B], Result[C], Result[D], Result[E], Result[F]]: ...
    @overload
    async def msearch(
        self,
        a: Search[A],
        b: Search[B],
        c: Search[C],
        d: Search[D],
        e: Search[E],
        f: Search[F],
        g: Search[G],
        /,
    ) -> tuple[Result[A], Result[B], Result[C], Result[D], Result[E], Result[F], Result[G]]: ...
    @overload
    async def msearch(
        self,
        a: Search[A],
        b: Search[B],
        c: Search[C],
        d: Search[D],
        e: Search[E],
        f: Search[F],
        g: Search[G],
        h: Search[H],
        /,
    ) -> tuple[
        Result[A], Result[B], Result[C], Result[D], Result[E], Result[F], Result[G], Result[H]
    ]: ...
    async def msearch(self, *searches: Search[Any]) -> tuple[Result[Any], ...]:
        """Up to eight searches in one request, each with its own type.  One that fails raises `MsearchError` with its place."""
        return tuple(await self._run(operations.msearch(searches, self._options)))

    async def msearch_all(self, searches: Sequence[Search[D]], /) -> list[Result[D]]:
        """Any number of searches in one request; without any, no request."""
        return await self._run(operations.msearch(searches, self._options))

    async def iterate(
        self, search: Search[D], /, *, page: int = 1000, keep_alive: str = "5m"
    ) -> AsyncGenerator[Hit[D]]:
        """All hits, however many, each document once, in the order of the search.

        They are those of the moment of the first page.  When the index is rebuilt meanwhile, or `keep_alive` passes between two pages, it goes on with
        the index as it is then: a document that was there all the time is given, and none twice; but the order begins again.
        `from_` and `size` of the search do not count.  Close it when you leave before the end (`contextlib.aclosing`), and OpenSearch
        need not keep the moment until `keep_alive` has passed.
        """
        walk = Walk(search, self._options, page, keep_alive)
        try:
            while (hits := await self._run(walk.next_page())) is not None:
                for hit in hits:
                    yield hit
        finally:
            await self._run(walk.close())

    async def buckets(
        self, search: Search[Any], groups: Composite[Any], /
    ) -> AsyncGenerator[Bucket[dict[str, Any]]]:
        """All groups of a composite aggregation over the documents that a search finds, page by page."""
        after: Mapping[str, Any] | None = None
        while True:
            asked = groups if after is None else groups.after(after)
            page, after = await self._run(operations.page_of(search, asked, self._options))
            for bucket in page:
                yield bucket
            if after is None:
                return

    async def refresh(self, *types: type[Document]) -> None:
        """Let searches see all that is written by now."""
        await self._run(operations.refresh(types, self._options))

    async def wait_for(
        self,
        type_: type[Document],
        lsn: int | str | Committed,
        /,
        *others: type[Document],
        timeout: float = 10.0,
        refresh: bool = False,
    ) -> None:
        """Return when the index, and those of `others`, have applied a commit, and everything before it.

        `lsn` is what `SELECT pg_current_wal_insert_lsn()` gives after the commit, or a change of the change log.  From then on `get` and
        `mget` give at least that state; searches do after the index's next refresh, or at once with `refresh`.  Raises `WaitTimeout`.
        """
        types = (type_, *others)
        await self._run(wait_for(types, lsn, timeout, refresh, self._options))

    async def _run(self, operation: Operation[T]) -> T:
        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    reply = await self._opensearch.transport.perform_request(
                        step.method, step.path, **step.arguments()
                    )
                except OpenSearchException as error:
                    step = failed(operation, step, error)
                else:
                    step = replied(operation, step, reply)
        except StopIteration as end:
            result: T = end.value
            return result
