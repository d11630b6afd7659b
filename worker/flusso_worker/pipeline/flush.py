"""Built chunks -> every sink, until each document is acknowledged or quarantined (I7)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flusso_shared import failpoints
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.seams import (
    Batch,
    Conflict,
    Operation,
    Rejection,
    Sink,
)
from flusso_shared.status import Status
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, Failure
from flusso_worker.documents.rebuild import Rebuilder
from flusso_worker.quarantine.quarantine import Quarantine


@dataclass(slots=True)
class _Outcome:
    """The result of one chunk at all sinks, by document id."""

    versions: dict[str, int] = field(default_factory=dict)
    """The version of each document that all sinks accepted."""
    failures: dict[str, Failure] = field(default_factory=dict)
    """The newest failure of each document that some sink did not accept."""

    def add_written(self, sink: str, operations: Sequence[Operation]) -> None:
        if not self.failures:
            self.versions.update({item.id: item.version for item in operations})
            return
        for item in operations:
            failed = self.failures.get(item.id)
            if failed is not None and (
                failed.version > item.version or failed.sink not in ("", sink)
            ):
                continue
            self.failures.pop(item.id, None)
            self.versions[item.id] = item.version

    def add_failed(self, failures: Sequence[Failure]) -> None:
        for item in failures:
            earlier = self.failures.get(item.id)
            if earlier is None or item.version >= earlier.version:
                self.failures[item.id] = item
                self.versions.pop(item.id, None)


@dataclass(frozen=True, slots=True)
class Flusher:
    """Writes the documents of one generation.  Thread-safe."""

    generation: GenerationName
    sinks: Sequence[Sink]
    """In the order of their names."""
    builder: Builder
    rebuilder: Rebuilder
    quarantine: Quarantine
    metrics: Metrics
    status: Status

    def flush(self, built: Built) -> None:
        """Return once every sink has every document of the chunk, or a newer one, or has rejected it permanently.

        Raises `PoisonError` when a rejection stops the index, `StoppedError` on shutdown, `FatalError`.
        """
        started = time.monotonic()
        failpoints.hit("before_bulk")
        outcome = self._write_everywhere(built)
        failpoints.hit("after_bulk_ack")
        self._settle(built, outcome)
        seconds = time.monotonic() - started
        self.metrics.histogram("flusso_flush_duration_seconds").observe(seconds)
        self.metrics.counter("flusso_batches_total").inc()
        self._count(built)
        self.status.flushed(seconds)
        self.status.add("documents_built", len(built.operations))

    def _settle(self, built: Built, outcome: _Outcome) -> None:
        """Quarantine what could not be written, and build it once more.

        The last build is needed because another worker may have written a newer document meanwhile, and may have
        looked for a quarantine entry before it was stored here.  That worker's snapshot is earlier than that of the
        last build.
        """
        quarantine = self.quarantine
        failures = list(outcome.failures.values())
        while failures:
            quarantine.take(failures, built.causes)
            quarantine.clear(outcome.versions)
            earlier = {failure.id: failure for failure in failures}
            rebuilt = [
                _changed(part, earlier)
                for part in self.rebuilder.rebuild([failure.key for failure in failures])
            ]
            outcome = _Outcome()
            for part in rebuilt:
                self._count(part)
                self._merge(outcome, self._write_everywhere(part))
            failures = list(outcome.failures.values())
        quarantine.clear(outcome.versions)

    @staticmethod
    def _merge(outcome: _Outcome, other: _Outcome) -> None:
        outcome.versions.update(other.versions)
        outcome.failures.update(other.failures)

    def _write_everywhere(self, built: Built) -> _Outcome:
        outcome = _Outcome()
        for sink in self.sinks:
            waiting = [iter([built])]
            while waiting:
                part = next(waiting[-1], None)
                if part is None:
                    waiting.pop()
                else:
                    waiting.append(self._write_once(sink, part, outcome))
        return outcome

    def _write_once(self, sink: Sink, built: Built, outcome: _Outcome) -> Iterator[Built]:
        """Write one chunk to one sink; returns the chunks to be written after it, built when they are asked for."""
        outcome.add_failed(built.failed)
        if not built.operations:
            return iter(())
        written = sink.write(Batch(self.generation, built.operations, built.taken_at))
        again = written.again | self._versions_ahead(written.conflicts)
        failures = self._failures(sink, built, written.rejected)
        open_ids = again.union(item.id for item in failures)
        outcome.add_written(
            sink.name,
            [item for item in built.operations if item.id not in open_ids]
            if open_ids
            else built.operations,
        )
        outcome.add_failed(failures)
        return self._rebuilt(built, again) if again else iter(())

    def _versions_ahead(self, conflicts: Sequence[Conflict]) -> set[str]:
        """Ids whose stored version is ahead of the database.  All other conflicts mean a newer document."""
        if not conflicts:
            return set()
        ahead = self.rebuilder.versions_ahead(conflicts)
        self.metrics.counter("flusso_version_conflicts_total", self.generation.index).inc(
            len(conflicts) - len(ahead)
        )
        return ahead

    def _rebuilt(self, built: Built, only: Collection[str]) -> Iterator[Built]:
        """Some documents of a chunk, built again."""
        if built.ids:
            parts = self.rebuilder.rebuild_ids([name for name in built.ids if name in only])
        else:
            id_of = self.builder.sql.id_of
            parts = self.rebuilder.rebuild([key for key in built.keys if id_of(key) in only])
        for part in parts:
            self._count(part)
            yield part

    def _count(self, built: Built) -> None:
        index = self.generation.index
        counter = self.metrics.counter("flusso_documents_built_total", index, built.cause)
        counter.inc(len(built.operations))

    def _failures(self, sink: Sink, built: Built, rejections: Sequence[Rejection]) -> list[Failure]:
        if not rejections:
            return []
        names = {item.id for item in rejections}
        keys = {self.builder.sql.id_of(key): key for key in built.keys}
        operations = {item.id: item for item in built.operations if item.id in names}
        return [
            Failure(
                keys[item.id],
                item.id,
                operations[item.id].version,
                f"{item.status}: {item.reason}",
                operations[item.id].document,
                sink.name,
            )
            for item in rejections
        ]


def _changed(built: Built, earlier: Mapping[str, Failure]) -> Built:
    """What of a new build differs from what failed before."""
    operations = [
        item
        for item in built.operations
        if item.id not in earlier
        or not earlier[item.id].sink
        or item.document != earlier[item.id].document
    ]
    failed = [item for item in built.failed if item.id not in earlier or earlier[item.id].sink]
    return replace(built, operations=operations, failed=failed)
