"""Built chunks -> every sink, until each document is acknowledged or quarantined (I7)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from flusso_shared import failpoints
from flusso_shared.errors import StaleBatchError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.seams import Batch, Sink
from flusso_shared.status import Status
from flusso_worker.aftermath import Aftermath
from flusso_worker.build import Builder
from flusso_worker.chunks import Built
from flusso_worker.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Flusher:
    """Writes the documents of one generation.  Thread-safe."""

    generation: GenerationName
    sinks: Sequence[Sink]
    """In the order of their names."""
    builder: Builder
    aftermath: Aftermath
    quarantine: Quarantine
    metrics: Metrics
    status: Status

    def flush(self, built: Built) -> None:
        """Returns once every sink has every document of the chunk, or a newer one, or refused it for good.

        Raises `PoisonError` when a refusal stops the index, `StoppedError` on shutdown, `FatalError`.
        """
        started = time.monotonic()
        failpoints.hit("before_bulk")
        for sink in self.sinks:
            self._write(sink, built)
        failpoints.hit("after_bulk_ack")
        seconds = time.monotonic() - started
        self.metrics.flush_duration.observe(seconds)
        self.metrics.batches.inc()
        self.metrics.documents_built.labels(self.generation.index).inc(len(built.operations))
        self.status.flushed(seconds)
        self.status.add("documents_built", len(built.operations))

    def _write(self, sink: Sink, built: Built) -> None:
        waiting = [built]
        while waiting:
            waiting.extend(self._write_once(sink, waiting.pop()))

    def _write_once(self, sink: Sink, built: Built) -> list[Built]:
        """Write one chunk; gives what has to be written after it."""
        if not built.operations:
            return []
        try:
            written = sink.write(Batch(self.generation, built.operations, built.taken_at))
        except StaleBatchError:
            return self.aftermath.rebuild(built.keys)
        for rejection in written.rejected:
            self.quarantine.reject(rejection.id, f"{rejection.status}: {rejection.reason}")
        if not written.conflicts:
            return []
        behind = self.aftermath.behind(written.conflicts)
        self.metrics.version_conflicts.labels(self.generation.index).inc(
            len(written.conflicts) - len(behind)
        )
        if not behind:
            return []
        id_of = self.builder.sql.id_of
        return self.aftermath.rebuild([key for key in built.keys if id_of(key) in behind])
