"""Makes what a worker runs: the sinks of its options, and a runner and a verification per index over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from flusso_shared.clock import Clock
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.seams import Sink
from flusso_worker.generations.applied import AppliedPositions, AppliedRecords
from flusso_worker.generations.keeper import Active, GenerationKeeper, Names, Telemetry
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.record import Generation
from flusso_worker.generations.registration import Registration
from flusso_worker.generations.shared_readings import LogView, SharedStore
from flusso_worker.generations.steps import Bookkeeping
from flusso_worker.generations.store import GenerationStore
from flusso_worker.index_runner import IndexRunner
from flusso_worker.maintenance.document_writer import WriterDependencies
from flusso_worker.maintenance.periodic_verification import (
    PeriodicVerification,
    VerificationDependencies,
    lease_patience,
)
from flusso_worker.maintenance.verification_lease import VerificationLease
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.assembly import Dependencies, WriteDependencies, assemble_pipeline
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext
from flusso_worker.postgres.sessions import Sessions
from flusso_worker.quarantine.quarantine import Policy
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.opensearch import OpenSearchSink, indexed_ids
from flusso_worker.sinks.stdout import StdoutSink

_CONNECTIONS_PER_INDEX = 6
"""Threads of one index that use a cluster at the same time: a pipeline and two flushes, of two generations while one
replaces the other."""
_OTHER_CONNECTIONS = 8
_MOMENT_SECONDS = 0.25
"""How old a reading of the bookkeeping or of the log may be that the keeper of one index has made for all."""


class Destinations:
    """Owns the connections to the servers, and makes what uses them; a context manager."""

    def __init__(
        self,
        options: WorkerOptions,
        context: WorkerContext,
        clock: Clock,
        indexes: int,
        local: LocalStore,
    ) -> None:
        """`indexes`: how many, for the size of the connection pools.  `local` is used where there is no cluster."""
        self._options = options
        self._context = context
        self._clock = clock
        self._local = local
        self.clusters = [
            Cluster(connection, _OTHER_CONNECTIONS + _CONNECTIONS_PER_INDEX * indexes)
            for connection in options.opensearch
        ]
        self.sessions = Sessions(options.conninfo)
        self.quarantine = (
            QuarantineStore(self.clusters[0], options.index_prefix) if self.clusters else None
        )
        self._stdout = [StdoutSink(config) for config in options.stdout]

    def __enter__(self) -> Destinations:
        return self

    def __exit__(self, *_: object) -> None:
        self.sessions.close()
        for cluster in self.clusters:
            cluster.close()

    def known_indexes(self) -> list[str]:
        """The indexes that `flusso_meta` contains."""
        if not self.clusters:
            return []
        return GenerationStore(self.clusters[0], self._options.index_prefix).indexes()

    def registration(self, plan: Plan) -> Registration | None:
        """The entry of this process in `flusso_meta`; None without a cluster."""
        if not self.clusters:
            return None
        store = GenerationStore(self.clusters[0], self._options.index_prefix)
        schemas = {index.name: index.hash for index in plan.indexes}
        return Registration(store, schemas, self._options.applied(plan))

    def applied(self, live: Callable[[], Iterable[Generation]]) -> AppliedPositions | None:
        """What records which commits the `live` generations have applied; None without a cluster."""
        if not self.clusters:
            return None
        options = self._options
        records = [AppliedRecords(cluster, options.index_prefix) for cluster in self.clusters]
        return AppliedPositions(records, self._context.log, options.topic_prefix, live)

    def verifications(self, plan: Plan) -> list[PeriodicVerification]:
        """The verifications of the indexes that have `verify_every`."""
        if not self.clusters:
            return []
        options, context, clock = self._options, self._context, self._clock
        dependencies = VerificationDependencies(
            writer=self._writer_dependencies,
            store=GenerationStore(self.clusters[0], options.index_prefix),
            log=context.log,
            topic_prefix=options.topic_prefix,
            status=context.status,
            clock=clock,
        )
        return [
            PeriodicVerification(
                index,
                dependencies,
                VerificationLease(
                    self.clusters[0],
                    options.index_prefix,
                    index.name,
                    lease_patience(index.verify_every),
                    clock,
                ),
            )
            for index in plan.indexes
            if index.verify_every
        ]

    def _writer_dependencies(self, index: str) -> WriterDependencies:
        skips = self._options.policy(index) == "skip"
        quarantine = self.quarantine if skips else None
        return WriterDependencies(self._options.conninfo, self.clusters, quarantine, self._clock)

    def runners(self, plan: Plan) -> list[IndexRunner]:
        """A runner for each index of `plan`; all of one thread."""
        options, context, clock = self._options, self._context, self._clock
        # One index has nothing to gain from what is read for others.
        moment = _MOMENT_SECONDS if len(plan.indexes) > 1 else 0.0
        view = LogView(context.log, plan.tables, clock, moment)
        store: Bookkeeping = self._local
        if self.clusters:
            names = [index.name for index in plan.indexes]
            store = SharedStore(self.clusters[0], options.index_prefix, names, clock, moment)
        return [self._runner(index, store, view) for index in plan.indexes]

    def _runner(self, index: IndexPlan, store: Bookkeeping, view: LogView) -> IndexRunner:
        options, context = self._options, self._context
        keeper = GenerationKeeper(
            index,
            self.clusters,
            context.log,
            Names(options.topic_prefix, options.index_prefix),
            Telemetry(context.metrics, context.status, self._clock),
            options.heartbeat,
            store,
            view,
        )
        return IndexRunner(index.name, keeper, self._pipeline, context)

    def _pipeline(self, active: Active) -> Pipeline:
        # A stream has no versions: the order of writes decides which document is the last.
        flushes = 1 if self._stdout else 2
        spec = PipelineSpec(
            active.name, active.plan, active.group, created_at=active.created_at, flushes=flushes
        )
        write = WriteDependencies(
            sessions=self.sessions,
            sinks=self._sinks,
            policy=self._policy,
            quarantine=self.quarantine,
            metrics=self._context.metrics,
            status=self._context.status,
        )
        dependencies = Dependencies(write, self._indexed_ids)
        return Pipeline(
            spec, self._context, partial(assemble_pipeline, spec, self._context, dependencies)
        )

    def _policy(self, index: str) -> Policy:
        return Policy(self._options.policy(index), self._options.limit(index))

    def _sinks(self, clock: Clock) -> Sequence[Sink]:
        sinks: list[Sink] = [
            OpenSearchSink(
                cluster, clock, status=self._context.status, metrics=self._context.metrics
            )
            for cluster in self.clusters
        ]
        sinks.extend(self._stdout)
        return sorted(sinks, key=lambda sink: sink.name)

    def _indexed_ids(self, generation: GenerationName) -> Iterable[list[str]]:
        """The ids of every cluster: one may contain documents that another lacks."""
        for cluster in self.clusters:
            yield from indexed_ids(cluster, generation.write_alias)
