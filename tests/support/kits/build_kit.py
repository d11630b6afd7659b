"""Builds documents of one index as a pipeline does, and flushes them to sinks that follow a script."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from fakes.scripted_sink import ScriptedSink, Verdict
from flusso_shared.change import Change, Position, Record
from flusso_shared.clock import Clock, SystemClock
from flusso_shared.config.model import OnError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import Sink
from flusso_shared.status import Status
from flusso_worker.documents.binding import bind_to
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Built, ChunkSize
from flusso_worker.documents.change_batch import gather
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.documents.rebuild import Rebuilder
from flusso_worker.documents.resolve import Resolver
from flusso_worker.pipeline.build_batch import BatchBuilder, Connections
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.postgres.visibility_gate import Gate
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.quarantine.store import QuarantineStore
from support.documents import run
from support.kits.own_database import OwnDatabase
from support.stores.small import PLAN


class BuildKit:
    """What builds and flushes documents of `plan`."""

    def __init__(
        self,
        url: str,
        plan: IndexPlan = PLAN,
        on_error: OnError = "stop",
        chunk: ChunkSize | None = None,
    ) -> None:
        self.url, self.plan = url, plan
        self.clock = SystemClock(threading.Event())
        self.metrics, self.status = Metrics(), Status()
        self.indexed: list[list[str]] = []
        """The ids that the index contains."""
        self.connections = Connections(
            OwnDatabase(url, "test", self.clock), OwnDatabase(url, "test later", self.clock)
        )
        self._again = OwnDatabase(url, "test again", self.clock)
        catalog, sql = prepare_sql(plan, self.connections.reading)
        binding = bind_to(self.connections.reading, plan, catalog)
        for each in (self.connections.reading, self.connections.later, self._again):
            each.hold(catalog.tables, binding)
        self.builder = Builder(sql, self.metrics, chunk or ChunkSize())
        self._batch_builder = BatchBuilder(
            connections=self.connections,
            gate=Gate(self.connections.reading, self.clock, self.metrics, self.status, plan.name),
            resolver=Resolver(plan, catalog, sql.all_keys),
            builder=self.builder,
            clock=self.clock,
            indexed_ids=lambda: self.indexed,
            on_error=on_error,
        )

    def build(self, *changes: Change) -> list[Built]:
        """The chunks of one batch."""
        return list(self.built(*changes))

    def built(self, *changes: Change) -> Iterator[Built]:
        """The same one by one, in the steps of the pipeline's loop: visibility gate, resolve, build."""
        batch = gather([Record(Position("t", 0, at), each) for at, each in enumerate(changes)])
        snapshot = self._batch_builder.open_visibility_gate(batch)
        resolved = self._batch_builder.resolve(batch, snapshot)
        yield from self._batch_builder.build(batch, resolved, snapshot)

    def end_transactions(self) -> None:
        """As the loop does before it waits for capacity."""
        self._batch_builder.end_transactions()

    def build_keys(self, *keys: object) -> Built:
        """The chunk of some root keys of one column, in a snapshot of its own."""
        reading = self.connections.reading
        built, _ = self.builder.build(reading, reading.begin(), [(str(key),) for key in keys])
        reading.finish()
        return built

    def flusher(
        self, *script: Verdict, policy: OnError = "skip", store: QuarantineStore | None = None
    ) -> tuple[Flusher, ScriptedSink]:
        """What flushes to a sink that answers as in `script`."""
        sink = ScriptedSink(*script)
        name = GenerationName(self.plan.name, self.plan.hash, 1)
        quarantine = Quarantine(name, Policy(policy), store, self.metrics, self.status, self.clock)
        return self.flusher_to(sink, quarantine, name, self.clock), sink

    def flusher_to(
        self, sink: Sink, quarantine: Quarantine, name: GenerationName, clock: Clock
    ) -> Flusher:
        """What flushes the generation `name` to a sink; `clock` is that of its rebuilds."""
        rebuilder = Rebuilder(self._again, self.builder, clock, name.index)
        return Flusher(name, [sink], self.builder, rebuilder, quarantine, self.metrics, self.status)

    def sql(self, *statements: str) -> None:
        """Run SQL, as another session."""
        run(self.url, *statements)

    def close(self) -> None:
        self.connections.close()
        self._again.close()
