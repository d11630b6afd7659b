"""Builds and writes documents of one generation beside the workers, with versions like theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.seams import Batch, Operation
from flusso_shared.status import Status
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, Causes, Key, Pending
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.documents.rebuild import Aftermath
from flusso_worker.generations.record import Generation
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.opensearch import OpenSearchSink
from flusso_worker.sql.document import DocumentSql

_NO_LIMIT = 10**9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a workbench works with."""

    conninfo: str
    clusters: Sequence[Cluster]
    quarantine: QuarantineStore | None
    """Where refused documents go; None where they are only told."""
    clock: Clock


class Workbench:
    """One generation's.  Owned by one thread; close it at the end."""

    def __init__(self, generation: Generation, tools: Tools) -> None:
        """Connects and reads the catalog.  Raises `RetryableError` or `FatalError`."""
        self.generation = generation
        self._clock = tools.clock
        self.clusters = tools.clusters
        index = generation.name.index
        self.database = Database(tools.conninfo, f"flusso {index}", tools.clock)
        self._writing = Database(tools.conninfo, f"flusso {index} again", tools.clock)
        self.catalog: Catalog
        self.sql: DocumentSql
        try:
            self.catalog, self.sql = prepare_sql(generation.plan, self.database)
        except BaseException:
            self.database.close()
            raise
        self.database.hold(self.catalog.tables)
        self._writing.hold(self.catalog.tables)
        metrics, status = Metrics(), Status()
        self.builder = Builder(self.sql, metrics)
        self._aftermath = Aftermath(self._writing, self.builder, tools.clock, index)
        self._sinks = [OpenSearchSink(cluster, tools.clock) for cluster in tools.clusters]
        quarantine = Quarantine(
            generation.name,
            Policy("skip", _NO_LIMIT),
            tools.quarantine,
            metrics,
            status,
            tools.clock,
        )
        self._flusher = Flusher(
            generation.name,
            self._sinks,
            self.builder,
            self._aftermath,
            quarantine,
            metrics,
            status,
        )

    def patiently(self, action: Callable[[], T], doing: str) -> T:
        """Run `action` until the servers answer."""
        return retry.forever(action, doing=doing, clock=self._clock)

    def build(self, keys: Sequence[Key]) -> Iterator[Built]:
        """Documents of root keys, in snapshots of now; rows that cannot be built are told as failed."""
        pending = Pending(keys)
        while chunk := pending.take(self.builder.chunk.keys):
            built, left = self.patiently(partial(self._some, chunk), "build documents")
            pending.give_back(left)
            yield from built

    def _some(self, keys: Sequence[Key]) -> tuple[list[Built], Sequence[Key]]:
        snapshot = self.database.begin()
        try:
            built, left = self.builder.build(self.database, snapshot, keys)
        except RowError:
            return list(self.builder.isolate(self.database, keys)), ()
        self.database.finish()
        return [built], left

    def write(self, built: Built, causes: Causes | None = None) -> None:
        """Write what was built, to every sink, unless something newer is there."""
        self._flusher.flush(replace(built, causes=causes))

    def delete(self, documents: Sequence[str], version: int, taken_at: float) -> set[str]:
        """Delete documents that no row has in the snapshot of `version`.

        Gives those that a later snapshot has to delete, because their stored versions meant nothing.
        """
        again: set[str] = set()
        operations = [Operation(document, version, None) for document in documents]
        for sink in self._sinks:
            written = sink.write(Batch(self.generation.name, operations, taken_at))
            if written.conflicts:
                again |= self._aftermath.behind(written.conflicts)
        return again

    def close(self) -> None:
        self.database.close()
        self._aftermath.close()
