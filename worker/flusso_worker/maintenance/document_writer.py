"""Builds and writes documents of one generation beside the pipelines, with the same versions and the same assembly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.seams import Batch, Operation
from flusso_shared.status import Status
from flusso_worker.documents.built import BuildQueue, Built, Causes, Key
from flusso_worker.generations.record import Generation
from flusso_worker.pipeline.assembly import WriteDependencies, assemble_documents
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.sessions import Sessions
from flusso_worker.quarantine.quarantine import Policy
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.opensearch import OpenSearchSink

_NO_LIMIT = 10**9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WriterDependencies:
    """Where a document writer reads and writes."""

    conninfo: Conninfo
    clusters: Sequence[Cluster]
    quarantine: QuarantineStore | None
    """Where rejected documents go; None where they are only reported."""
    clock: Clock


class DocumentWriter:
    """The writer of one generation.  Owned by one thread; to be closed at the end."""

    def __init__(self, generation: Generation, dependencies: WriterDependencies) -> None:
        """Connects and reads the catalog.  Raises `RetryableError` or `FatalError`."""
        self.generation = generation
        self.clusters = dependencies.clusters
        self._clock = dependencies.clock
        application = f"flusso {generation.name.index}"
        self._sessions = Sessions(dependencies.conninfo)
        self.database = Database(self._sessions, application, dependencies.clock)
        write = WriteDependencies(
            sessions=self._sessions,
            sinks=lambda clock: [OpenSearchSink(cluster, clock) for cluster in self.clusters],
            policy=lambda _index: Policy("skip", _NO_LIMIT),
            quarantine=dependencies.quarantine,
            metrics=Metrics(),
            status=Status(),
        )
        self._documents = assemble_documents(
            generation.name,
            generation.plan,
            write,
            [self.database],
            dependencies.clock,
            application,
        )
        self.catalog, self.sql = self._documents.catalog, self._documents.sql
        self.builder = self._documents.builder

    def with_retries(self, action: Callable[[], T], doing: str) -> T:
        """Run `action` until the servers answer."""
        return retry.forever(action, doing=doing, clock=self._clock)

    def build(self, keys: Sequence[Key]) -> Iterator[Built]:
        """Yield the documents of root keys, built in new snapshots; rows that cannot be built are in `failed`."""
        queue = BuildQueue(keys)
        while chunk := queue.next_chunk(self.builder.chunk.keys):
            built, left = self.with_retries(partial(self._build_some, chunk), "build documents")
            queue.put_back(left)
            yield from built

    def _build_some(self, keys: Sequence[Key]) -> tuple[list[Built], Sequence[Key]]:
        snapshot = self.database.begin()
        try:
            built, left = self.builder.build(self.database, snapshot, keys)
        except RowError:
            return list(self.builder.isolate(self.database, keys)), ()
        self.database.finish()
        return [built], left

    def write(self, built: Built, causes: Causes | None = None) -> None:
        """Write a chunk to every sink; documents with a newer version there stay."""
        self._documents.flusher.flush(replace(built, causes=causes))

    def delete(self, documents: Sequence[str], version: int, taken_at: float) -> set[str]:
        """Delete documents that no row has in the snapshot of `version`, taken at `taken_at` (`Clock.monotonic()`).

        Returns the ids that a later snapshot has to delete: the sink did not accept this one (`Written.again`), or
        their stored versions are ahead of the database.
        """
        again: set[str] = set()
        operations = [Operation(document, version, None) for document in documents]
        for sink in self._documents.flusher.sinks:
            written = sink.write(Batch(self.generation.name, operations, taken_at))
            again |= written.again
            if written.conflicts:
                again |= self._documents.rebuilder.versions_ahead(written.conflicts)
        return again

    def close(self) -> None:
        self.database.close()
        self._documents.close()
        self._sessions.close()
