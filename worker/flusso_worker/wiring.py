"""What a worker writes to: the clusters and streams of its options, and a runner per index over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from types import TracebackType

from flusso_shared.clock import Clock
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.seams import Sink
from flusso_worker.generations.keeper import Active, GenerationKeeper, Names, Telemetry
from flusso_worker.generations.registration import Registration
from flusso_worker.generations.store import GenerationStore
from flusso_worker.index_runner import IndexRunner
from flusso_worker.maintenance.document_writer import Tools
from flusso_worker.maintenance.periodic_verification import (
    PeriodicVerification,
    Place,
    lease_patience,
)
from flusso_worker.maintenance.verification_lease import VerificationLease
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.assembly import Surroundings, assemble
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.stages import Process, Subject
from flusso_worker.quarantine.quarantine import Policy
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.opensearch import OpenSearchSink, indexed_ids
from flusso_worker.sinks.stdout import StdoutSink

_USERS = 6
"""Threads of one index that talk to a cluster at the same time: a pipeline and two flushes, while one generation
replaces another."""
_OTHERS = 8


class Destinations:
    """Owns the connections to the sinks; use it as a context manager."""

    def __init__(
        self, options: WorkerOptions, process: Process, clock: Clock, indexes: int
    ) -> None:
        """For so many `indexes`."""
        self._options = options
        self._process = process
        self._clock = clock
        self.clusters = [
            Cluster(connection, _OTHERS + _USERS * indexes) for connection in options.opensearch
        ]
        self.quarantine = (
            QuarantineStore(self.clusters[0], options.index_prefix) if self.clusters else None
        )
        self._stdout = [StdoutSink(config) for config in options.stdout]

    def __enter__(self) -> Destinations:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for cluster in self.clusters:
            cluster.close()

    def known_indexes(self) -> list[str]:
        """The indexes that the bookkeeping has anything of."""
        if not self.clusters:
            return []
        return GenerationStore(self.clusters[0], self._options.index_prefix).indexes()

    def registration(self, plan: Plan) -> Registration | None:
        """The entry of this process in the bookkeeping; None where there is no cluster for it."""
        if not self.clusters:
            return None
        store = GenerationStore(self.clusters[0], self._options.index_prefix)
        return Registration(store, {index.name: index.hash for index in plan.indexes})

    def verifications(self, plan: Plan) -> list[PeriodicVerification]:
        """Those of the indexes that are to be verified at an interval."""
        if not self.clusters:
            return []
        options, process, clock = self._options, self._process, self._clock
        place = Place(
            tools=self._tools,
            store=GenerationStore(self.clusters[0], options.index_prefix),
            log=process.log,
            topic_prefix=options.topic_prefix,
            status=process.status,
            clock=clock,
        )
        return [
            PeriodicVerification(
                index,
                place,
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

    def _tools(self, index: str) -> Tools:
        skips = self._options.policy(index) == "skip"
        quarantine = self.quarantine if skips else None
        return Tools(self._options.conninfo, self.clusters, quarantine, self._clock)

    def runner(self, index: IndexPlan) -> IndexRunner:
        """What keeps `index`."""
        options, process = self._options, self._process
        keeper = GenerationKeeper(
            index,
            self.clusters,
            process.log,
            Names(options.topic_prefix, options.index_prefix),
            Telemetry(process.metrics, process.status, self._clock),
            options.heartbeat,
        )
        return IndexRunner(index.name, keeper, self._pipeline, process)

    def _pipeline(self, active: Active) -> Pipeline:
        # Without versions, as on a stream, the order of writes is all there is.
        flushes = 1 if self._stdout else 2
        subject = Subject(active.name, active.plan, active.group, flushes)
        surroundings = Surroundings(
            conninfo=self._options.conninfo,
            sinks=self._sinks,
            indexed_ids=self._indexed_ids,
            policy=self._policy,
            quarantine=self.quarantine,
        )
        return Pipeline(
            subject, self._process, partial(assemble, subject, self._process, surroundings)
        )

    def _policy(self, index: str) -> Policy:
        return Policy(self._options.policy(index), self._options.limit(index))

    def _sinks(self, clock: Clock) -> Sequence[Sink]:
        sinks: list[Sink] = [
            OpenSearchSink(cluster, clock, status=self._process.status) for cluster in self.clusters
        ]
        sinks.extend(self._stdout)
        return sorted(sinks, key=lambda sink: sink.name)

    def _indexed_ids(self, generation: GenerationName) -> Iterable[list[str]]:
        """Of every cluster: what one lacks, another may hold."""
        for cluster in self.clusters:
            yield from indexed_ids(cluster, generation.write_alias)
