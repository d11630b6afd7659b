"""One batch of changes -> built chunks of documents: visibility gate, resolve, build.  Owns the transactions of both.

A batch that fits in memory is resolved and built in one snapshot.  Where a change fans out too far, or building
takes long, later chunks are built in later snapshots on a second connection: each chunk has the version of its own
snapshot, and a later snapshot of the same primary contains all that an earlier one contained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flusso_shared import failpoints
from flusso_shared.change import Record
from flusso_shared.clock import Clock
from flusso_shared.config.model import OnError
from flusso_shared.errors import PoisonError, RetryableError
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import BuildQueue, Built, Causes, Key
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.documents.resolve import Resolved, Resolver, Unresolved, unresolved_text
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.snapshot import Snapshot
from flusso_worker.postgres.visibility_gate import Gate

logger = logging.getLogger(__name__)

_SNAPSHOT_AGE_SECONDS = 15.0
"""How long documents are built in one snapshot."""
_REMEMBERED_KEYS = 200_000
"""Keys of a fan-out that are kept to avoid building them twice."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What reads for one pipeline."""

    reading: Database
    """The visibility gate's: a batch is resolved in its transaction."""
    later: Database
    """For later snapshots of the same batch."""

    def statement_since(self) -> float | None:
        """Monotonic seconds: since when the server has worked on a statement.  For any thread."""
        return self.reading.statement_since or self.later.statement_since

    def close(self) -> None:
        self.reading.close()
        self.later.close()


class BuildSnapshot:
    """The snapshot to build in: the first one while it is recent and open, then newer ones of `later`."""

    def __init__(self, later: Database, clock: Clock, database: Database, first: Snapshot) -> None:
        """`first` is open in `database`."""
        self._later = later
        self._clock = clock
        self._current = (database, first)

    def current(self) -> tuple[Database, Snapshot]:
        """The connection and its open snapshot, replaced when it is too old or no longer open.

        Raises `RetryableError` when the newer one is of another server: it may lack what the first one contained.
        """
        database, snapshot = self._current
        age = self._clock.monotonic() - snapshot.taken_at
        if database.in_transaction and age < _SNAPSHOT_AGE_SECONDS:
            return self._current
        database.finish()
        newer = self._later.begin()
        if newer.origin != snapshot.origin:
            self._later.close()
            raise RetryableError(
                "another Postgres server answers than at the beginning of the batch, which is built again"
            )
        self._current = (self._later, newer)
        return self._current

    def replace(self, snapshot: Snapshot) -> None:
        """Continue in a newer `snapshot` of the same connection."""
        self._current = (self._current[0], snapshot)


@dataclass(frozen=True, slots=True)
class BatchBuilder:
    """Builds the documents of one generation, batch by batch.  Owned by one thread.

    The steps are called in the order `open_visibility_gate`, `resolve`, `build`.  Each raises `RetryableError` when a
    connection fails: then the whole batch is to be built again from the first step, which is harmless.
    """

    connections: Connections
    gate: Gate
    resolver: Resolver
    builder: Builder
    clock: Clock
    indexed_ids: Callable[[], Iterable[list[str]]]
    """Lists the ids of all documents that the index contains."""
    trace: Callable[[Sequence[Record]], Causes] | None = None
    """Finds the change behind a document of a batch; None where documents are never quarantined."""
    on_error: OnError = "stop"

    def open_visibility_gate(self, batch: ChangeBatch) -> BuildSnapshot:
        """Begin a transaction whose snapshot contains all transactions of the batch (I2).

        Waits until there is one.  Raises `StoppedError` on shutdown.
        """
        snapshot = self.gate.open(batch.xids)
        reading = self.connections.reading
        return BuildSnapshot(self.connections.later, self.clock, reading, snapshot)

    def resolve(self, batch: ChangeBatch, snapshot: BuildSnapshot) -> Resolved:
        """Find the root keys of all documents that the batch touches, in the gate's transaction.

        Raises `PoisonError` when values cannot be compared and the index stops at such (`on_error = "stop"`).
        """
        reading = self.connections.reading
        failpoints.hit("before_build")
        try:
            return self.resolver.resolve(reading, batch)
        except RowError:
            # The failed statement has ended the transaction.
            snapshot.replace(self.gate.open(batch.xids))
            resolved = self.resolver.resolve(reading, batch, isolate=True)
            self._report_unresolved(resolved.unresolved)
            return resolved

    def build(
        self, batch: ChangeBatch, resolved: Resolved, snapshot: BuildSnapshot
    ) -> Iterator[Built]:
        """Build the documents of the resolved keys, chunk by chunk; ends the transactions at the end.

        After TRUNCATE of the root table all documents of the index are built: those without a row become deletes.
        """
        chunks = self._build_all(batch, resolved, snapshot)
        if self.trace is None or not batch.records:
            yield from chunks
            return
        causes = self.trace(batch.records)
        for built in chunks:
            yield replace(built, causes=causes)

    def end_transactions(self) -> None:
        """End the open transaction; what is built next is built in a newer one.

        To be called before waiting for anything else than Postgres: an open transaction holds locks that a migration
        waits for, and behind the migration all of the application; and it holds back vacuum.
        """
        self.connections.reading.finish()
        self.connections.later.finish()

    def _build_all(
        self, batch: ChangeBatch, resolved: Resolved, snapshot: BuildSnapshot
    ) -> Iterator[Built]:
        if resolved.fanouts:
            remembered = dict(resolved.keys)
            unresolved: list[Unresolved] = []
            reading = self.connections.reading
            for keys in self.resolver.stream(reading, resolved.fanouts, unresolved):
                yield from self._build_keys(snapshot, _unseen(keys, remembered))
            self._report_unresolved(unresolved)
        yield from self._build_keys(snapshot, resolved.keys)
        if self.resolver.root in batch.truncated:
            self.end_transactions()
            for ids in self.indexed_ids():
                yield from self._build_ids(snapshot, ids)
                self.end_transactions()
        self.end_transactions()

    def _build_keys(self, snapshots: BuildSnapshot, keys: Iterable[Key]) -> Iterator[Built]:
        queue = BuildQueue(keys)
        while chunk := queue.next_chunk(self.builder.chunk.keys):
            database, snapshot = snapshots.current()
            try:
                built, left = self.builder.build(database, snapshot, chunk)
            except RowError:
                yield from self.builder.isolate(self.connections.later, chunk)
                continue
            queue.put_back(left)
            yield built

    def _build_ids(self, snapshots: BuildSnapshot, ids: Iterable[str]) -> Iterator[Built]:
        queue = BuildQueue(ids)
        while chunk := queue.next_chunk(self.builder.chunk.keys):
            database, snapshot = snapshots.current()
            try:
                built, left = self.builder.build_ids(database, snapshot, chunk)
            except RowError:
                yield from self.builder.isolate_ids(self.connections.later, chunk)
                continue
            queue.put_back(left)
            yield built

    def _report_unresolved(self, failed: Sequence[Unresolved]) -> None:
        """Log values that could not be compared; raises `PoisonError` where the index stops at such."""
        for item in failed:
            reason = f"cannot find the documents of {unresolved_text(item)}"
            if self.on_error == "stop":
                raise PoisonError(
                    f"index {self.gate.index}: {reason}. Repair the row or the types of the columns, or set"
                    ' on_error = "skip" to go on without it'
                )
            logger.warning(
                "index %s: %s",
                self.gate.index,
                reason,
                extra={"action": "unresolved", "index": self.gate.index},
            )


def _unseen(keys: Iterable[Key], remembered: dict[Key, None]) -> list[Key]:
    """The keys not remembered yet; remembers them while there is room."""
    new = [key for key in dict.fromkeys(keys) if key not in remembered]
    if len(remembered) < _REMEMBERED_KEYS:
        remembered.update(dict.fromkeys(new))
    return new
