"""Connects a pipeline, or a document writer, to the real servers: its SQL from the plan and the catalog, its sinks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flusso_shared.change import Record
from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.seams import Sink
from flusso_shared.status import Status
from flusso_worker.documents.binding import bind_to
from flusso_worker.documents.build import Builder
from flusso_worker.documents.built import Causes, Key
from flusso_worker.documents.prepare import prepare_sql
from flusso_worker.documents.rebuild import Rebuilder
from flusso_worker.documents.resolve import Resolver
from flusso_worker.pipeline.build_batch import BatchBuilder, Connections
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.sessions import Sessions
from flusso_worker.postgres.visibility_gate import Gate
from flusso_worker.quarantine.causes import BatchCauses, last_reaching
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sql.document import DocumentSql


@dataclass(frozen=True, slots=True)
class WriteDependencies:
    """Where documents come from and go to."""

    sessions: Sessions
    sinks: Callable[[Clock], Sequence[Sink]]
    """Makes the sinks, in the order of their names; their waits end with the clock."""
    policy: Callable[[str], Policy]
    """What is done with documents of an index that cannot be written."""
    quarantine: QuarantineStore | None
    """Where they are kept; None without an OpenSearch sink."""
    metrics: Metrics
    status: Status


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the pipelines of a worker are assembled from."""

    write: WriteDependencies
    indexed_ids: Callable[[GenerationName], Iterable[list[str]]]
    """Lists the ids of all documents that a generation's index contains, after a refresh."""


@dataclass(frozen=True, slots=True)
class DocumentAssembly:
    """What builds and writes documents of one generation."""

    catalog: Catalog
    sql: DocumentSql
    builder: Builder
    rebuilder: Rebuilder
    flusher: Flusher
    policy: Policy

    def close(self) -> None:
        """Close the sessions that it has, and the sinks that were made for it."""
        self.rebuilder.close()
        for sink in self.flusher.sinks:
            sink.close()


@dataclass(frozen=True, slots=True)
class Assembly:
    """What one pipeline runs."""

    batch_builder: BatchBuilder
    """For the pipeline's thread."""
    flusher: Flusher
    """For the flush threads."""
    documents: DocumentAssembly

    def cancel(self) -> None:
        """Interrupt statements in progress, from any thread."""
        self.batch_builder.connections.reading.cancel()
        self.batch_builder.connections.later.cancel()
        self.documents.rebuilder.cancel()

    def close(self) -> None:
        self.batch_builder.connections.close()
        self.documents.close()


def assemble_pipeline(
    spec: PipelineSpec,
    context: WorkerContext,
    dependencies: Dependencies,
    reading: Clock,
    flushing: Clock,
) -> Assembly:
    """Read the catalog and assemble one pipeline.  Raises `RetryableError` or `FatalError`."""
    index = spec.generation.index
    application = f"flusso-worker {index}"
    sessions = dependencies.write.sessions
    connections = Connections(
        reading=Database(sessions, application, reading),
        later=Database(sessions, f"{application} later", reading),
    )
    documents = assemble_documents(
        spec.generation,
        spec.plan,
        dependencies.write,
        (connections.reading, connections.later),
        flushing,
        application,
    )
    resolver = Resolver(spec.plan, documents.catalog, documents.sql.all_keys)
    traced = documents.policy.on_error == "skip"
    batch_builder = BatchBuilder(
        connections=connections,
        gate=Gate(connections.reading, reading, context.metrics, context.status, index),
        resolver=resolver,
        builder=documents.builder,
        clock=reading,
        indexed_ids=partial(dependencies.indexed_ids, spec.generation),
        trace=_tracing(resolver, documents.rebuilder) if traced else None,
        on_error=documents.policy.on_error,
    )
    return Assembly(batch_builder, documents.flusher, documents)


def assemble_documents(
    generation: GenerationName,
    plan: IndexPlan,
    dependencies: WriteDependencies,
    reading: Sequence[Database],
    clock: Clock,
    application: str,
) -> DocumentAssembly:
    """Read the catalog over the first of the connections `reading`, and assemble what builds and writes documents.

    `clock` ends the waits of writes and of rebuilds.  Every snapshot checks that the tables are still those that the
    SQL was composed for (`SchemaChangedError`).  `reading` is closed when this fails.
    Raises `RetryableError` or `FatalError`.
    """
    try:
        catalog, sql = prepare_sql(plan, reading[0])
        binding = bind_to(reading[0], plan, catalog)
        reading[0].finish()
    except BaseException:
        for connection in reading:
            connection.close()
        raise
    policy = dependencies.policy(generation.index)
    quarantine = Quarantine(
        generation,
        policy,
        dependencies.quarantine,
        dependencies.metrics,
        dependencies.status,
        clock,
    )
    builder = Builder(sql, dependencies.metrics)
    again = Database(dependencies.sessions, f"{application} again", clock)
    for connection in (*reading, again):
        connection.hold(catalog.tables, binding)
    rebuilder = Rebuilder(again, builder, clock, generation.index, dependencies.status)
    flusher = Flusher(
        generation=generation,
        sinks=dependencies.sinks(clock),
        builder=builder,
        rebuilder=rebuilder,
        quarantine=quarantine,
        metrics=dependencies.metrics,
        status=dependencies.status,
    )
    return DocumentAssembly(catalog, sql, builder, rebuilder, flusher, policy)


def _tracing(resolver: Resolver, rebuilder: Rebuilder) -> Callable[[Sequence[Record]], Causes]:
    """Finds the change of a batch that a document of it was built for, in a new snapshot."""

    def trace(records: Sequence[Record], keys: Collection[Key]) -> Mapping[Key, Record]:
        try:
            return rebuilder.in_snapshot(
                lambda database: last_reaching(records, keys, partial(resolver.reached, database))
            )
        except RowError:
            return {}

    return lambda records: BatchCauses([resolver.links_only(item) for item in records], trace)
