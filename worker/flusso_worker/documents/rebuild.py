"""After a write: builds documents again that are too old, or whose stored version is ahead of the database (I3)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError
from flusso_shared.seams import Conflict
from flusso_shared.status import Status
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import BuildQueue, Built, Item, Key
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.snapshot import split_version

logger = logging.getLogger(__name__)

T = TypeVar("T")

LARGEST_GAP = 100_000
"""Transaction ids that may be used up to pass a version from before a crash."""


class Rebuilder:
    """Builds documents of one generation again.  Thread-safe."""

    def __init__(
        self,
        database: Database,
        builder: Builder,
        clock: Clock,
        index: str,
        status: Status | None = None,
    ) -> None:
        self._database = database
        self._builder = builder
        self._clock = clock
        self._index = index
        self._status = status
        self._lock = threading.Lock()

    def rebuild(self, keys: Sequence[Key]) -> Iterator[Built]:
        """Build the documents of `keys` in new snapshots, each when it is asked for."""
        return self._in_chunks(keys, self._builder.isolate)

    def rebuild_ids(self, ids: Sequence[str]) -> Iterator[Built]:
        """Build the documents of `ids` like `rebuild`; those without a row become deletes."""
        return self._in_chunks(ids, self._builder.isolate_ids)

    def _in_chunks(
        self, items: Sequence[Item], isolate: Callable[[Database, Sequence[Item]], Iterator[Built]]
    ) -> Iterator[Built]:
        def build(chunk: Sequence[Item]) -> list[Built]:
            parts = isolate(self._database, chunk)
            return [replace(part, cause="rebuild") for part in parts]

        # Halved each time, so that documents that were too old to be written are so in the end alone.
        half = max(1, len(items) // 2)
        queue = BuildQueue(items)
        while chunk := queue.next_chunk(min(half, self._builder.chunk.keys)):
            yield from self._with_retries(
                partial(build, chunk), f"build documents of index {self._index} again"
            )

    def versions_ahead(self, conflicts: Sequence[Conflict]) -> set[str]:
        """Ids of documents whose stored version is ahead of every snapshot so far: they are to be built again.

        All others have a newer document already: success.  After a crash Postgres may assign transaction ids
        a second time, so the count of completed transactions falls back a little.  It is advanced past the stored
        versions here.  Raises `FatalError` when the gap is larger than such a crash leaves (`LARGEST_GAP`).
        """
        return self._with_retries(
            lambda: self._versions_ahead(conflicts), f"compare versions of index {self._index}"
        )

    def in_snapshot(self, question: Callable[[Database], T]) -> T:
        """Run `question` in a new snapshot.  Raises `RowError` as `Database.run` does."""

        def ask() -> T:
            self._database.begin()
            try:
                return question(self._database)
            finally:
                self._database.finish()

        return self._with_retries(ask, f"look into the tables of index {self._index}")

    def _with_retries(self, action: Callable[[], T], doing: str) -> T:
        with self._lock:
            return retry.forever(action, doing=doing, clock=self._clock, status=self._status)

    def _versions_ahead(self, conflicts: Sequence[Conflict]) -> set[str]:
        # Taken after the conflict: in this history, the snapshot of the stored version is an earlier one.
        snapshot = self._database.begin()
        self._database.finish()
        ahead = {item.id: item.stored for item in conflicts if item.stored > snapshot.version}
        if ahead:
            timeline, completed = split_version(max(ahead.values()))
            gap = completed - snapshot.completed
            if timeline != snapshot.origin.timeline or gap > LARGEST_GAP:
                raise FatalError(
                    f"index {self._index} holds document versions of another history (timeline {timeline}, "
                    f"{completed} transactions; the database is at timeline {snapshot.origin.timeline}, "
                    f"{snapshot.completed}): the database was restored or replaced. "
                    f"Rebuild the index with `flusso reindex {self._index}`"
                )
            self._use_up_transaction_ids(gap)
        return set(ahead)

    def _use_up_transaction_ids(self, gap: int) -> None:
        logger.warning(
            "index %s: document versions are %d transactions ahead of the database, as after a crash of Postgres; "
            "using up that many transaction ids and building again",
            self._index,
            gap,
            extra={"action": "burn_transactions", "index": self._index, "gap": gap},
        )
        for _ in range(gap):
            self._database.run(b"SELECT pg_current_xact_id()")
        self._database.finish()

    def cancel(self) -> None:
        """Interrupt a statement in progress, from any thread."""
        self._database.cancel()

    def close(self) -> None:
        """Close the session that it has."""
        self._database.close()
