"""One batch of changes -> built chunks of documents: gate, resolve, build.  Owns the transactions of it.

A batch that fits in memory is resolved and built in one snapshot.  Where a change fans out too far, or building
takes long, later chunks are built in later snapshots on a second connection: each carries its own version, and a
later snapshot of the same primary sees all that an earlier one saw.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flusso_shared import failpoints
from flusso_shared.change import Record
from flusso_shared.clock import Clock
from flusso_shared.config.model import OnError
from flusso_shared.errors import PoisonError
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, Causes, Key, Pending
from flusso_worker.documents.change_batch import Intake
from flusso_worker.documents.resolve import Resolver, Unresolved, unresolved_text
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.snapshot import Snapshot
from flusso_worker.postgres.visibility_gate import Gate

logger = logging.getLogger(__name__)

_FRESH = 15.0
"""Seconds that one snapshot is built in."""
_REMEMBERED = 200_000
"""Keys of a fan-out that are kept to avoid building them twice."""


@dataclass(frozen=True, slots=True)
class Connections:
    """Two connections of one pipeline."""

    reading: Database
    """The gate's: a batch is resolved in its transaction."""
    later: Database
    """For snapshots that are taken later in the same batch."""

    def close(self) -> None:
        self.reading.close()
        self.later.close()


class BuildSnapshot:
    """The snapshot to build in: the given one while it is young and open, then ever newer ones of `later`."""

    def __init__(
        self, later: Database, clock: Clock, first: tuple[Database, Snapshot] | None
    ) -> None:
        self._later = later
        self._clock = clock
        self._current = first

    def current(self) -> tuple[Database, Snapshot]:
        """The connection and its snapshot, renewed if need be."""
        if self._current is not None:
            database, snapshot = self._current
            age = self._clock.monotonic() - snapshot.taken_at
            if database.in_transaction and age < _FRESH:
                return self._current
            database.finish()
        self._current = (self._later, self._later.begin())
        return self._current


@dataclass(frozen=True, slots=True)
class Producer:
    """Produces the documents of one generation."""

    connections: Connections
    gate: Gate
    resolver: Resolver
    builder: Builder
    clock: Clock
    indexed_ids: Callable[[], Iterable[list[str]]]
    """Lists the ids of all documents that the index holds."""
    trace: Callable[[Sequence[Record]], Causes] | None = None
    """Makes what tells of a chunk what it was built for, if anybody may want to know."""
    on_error: OnError = "stop"

    def rest(self) -> None:
        """End the open transaction; what is built next is built in a newer one.

        Whoever waits for something else than Postgres does so without one: it holds locks that a migration waits
        for, and all of the application behind it, and it holds back vacuum.
        """
        self.connections.reading.finish()
        self.connections.later.finish()

    def produce(self, intake: Intake) -> Iterator[Built]:
        """Build every document that the changes touch.

        Raises `RetryableError` when a connection fails: then the whole batch is to be produced again, which
        is harmless.
        """
        if self.trace is None or not intake.records:
            yield from self._produce(intake)
            return
        causes = self.trace(intake.records)
        for built in self._produce(intake):
            yield replace(built, causes=causes)

    def _produce(self, intake: Intake) -> Iterator[Built]:
        reading = self.connections.reading
        snapshot = self.gate.open(intake.xids)
        failpoints.hit("before_build")
        try:
            resolved = self.resolver.resolve(reading, intake)
        except RowError:
            snapshot = self.gate.open(intake.xids)
            resolved = self.resolver.resolve(reading, intake, apart=True)
            self._refuse(resolved.unresolved)
        at = BuildSnapshot(self.connections.later, self.clock, (reading, snapshot))
        remembered = dict(resolved.keys)
        if resolved.fanouts:
            unresolved: list[Unresolved] = []
            for keys in self.resolver.stream(reading, resolved.fanouts, unresolved):
                yield from self._build(at, _unseen(keys, remembered))
            self._refuse(unresolved)
        yield from self._build(at, resolved.keys)
        if self.resolver.root in intake.truncated:
            self.rest()
            for ids in self.indexed_ids():
                yield from self._sweep(at, ids)
                self.rest()
        self.rest()

    def _build(self, at: BuildSnapshot, keys: Iterable[Key]) -> Iterator[Built]:
        pending = Pending(keys)
        while chunk := pending.take(self.builder.chunk.keys):
            database, snapshot = at.current()
            try:
                built, left = self.builder.build(database, snapshot, chunk)
            except RowError:
                yield from self.builder.isolate(self.connections.later, chunk)
                continue
            pending.give_back(left)
            yield built

    def _sweep(self, at: BuildSnapshot, ids: Iterable[str]) -> Iterator[Built]:
        pending = Pending(ids)
        while chunk := pending.take(self.builder.chunk.keys):
            database, snapshot = at.current()
            try:
                built, left = self.builder.sweep(database, snapshot, chunk)
            except RowError:
                yield from self.builder.isolate_ids(self.connections.later, chunk)
                continue
            pending.give_back(left)
            yield built

    def _refuse(self, failed: Sequence[Unresolved]) -> None:
        """Tell of values that could not be compared; raises `PoisonError` where the index is to stop at such."""
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
    if len(remembered) < _REMEMBERED:
        remembered.update(dict.fromkeys(new))
    return new
