"""What an operator can request of a worker, through `flusso_meta` of the first OpenSearch sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError
from flusso_shared.plan.model import Plan
from flusso_shared.seams import ChangeLog
from flusso_worker.generations import pause, reindex
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.store import GenerationStore
from flusso_worker.generations.view import views
from flusso_worker.maintenance.quarantine_administration import QuarantineAdministration
from flusso_worker.options import WorkerOptions
from flusso_worker.sinks.cluster import Cluster


class WorkerAdministration:
    """An `Administration`.  Thread-safe."""

    def __init__(
        self,
        options: WorkerOptions,
        plan: Plan,
        log: ChangeLog,
        clock: Clock,
        local: LocalStore,
    ) -> None:
        """Without an OpenSearch sink the bookkeeping is `local`, in the memory of a worker of this process."""
        self._plan = plan
        self._index_prefix, self._topic_prefix = options.index_prefix, options.topic_prefix
        self._cluster = Cluster(options.opensearch[0]) if options.opensearch else None
        self._log = log
        self._positions = pause.Positions(lambda: log.groups, self._topic_prefix)
        self._clock = clock
        self._local = local
        self.quarantine = _quarantine(options, clock)
        """None without an OpenSearch sink."""

    def knows(self, index: str) -> bool:
        return any(item.name == index for item in self._plan.indexes)

    def reindex(self, index: str) -> str:
        return reindex.ask(self._store(), index, self._clock.time())

    def cancel(self, index: str) -> str:
        return reindex.cancel(self._store(), index)

    def take_over(self, index: str) -> str:
        (hash,) = [item.hash for item in self._plan.indexes if item.name == index]
        return reindex.take_over(self._store(), index, hash)

    def pause(self, index: str) -> str:
        return pause.pause(self._store(), index, self._positions, self._clock.time())

    def resume(self, index: str) -> str:
        return pause.resume(self._store(), index, self._positions, self._clock.time())

    def generations(self) -> Sequence[Mapping[str, Any]]:
        store = self._local if self._cluster is None else self._store()
        return [
            view.to_json()
            for index in self._plan.indexes
            for view in views(store.read_index(index.name), self._log.groups, self._topic_prefix)
        ]

    def close(self) -> None:
        """Close the connections; no request is possible after that."""
        if self.quarantine is not None:
            self.quarantine.close()
        if self._cluster is not None:
            self._cluster.close()

    def _store(self) -> GenerationStore:
        if self._cluster is None:
            raise FatalError(
                "without an OpenSearch sink there is no index to rebuild or to pause; start the process again to print"
                " every document, or stop it"
            )
        return GenerationStore(self._cluster, self._index_prefix)


def _quarantine(options: WorkerOptions, clock: Clock) -> QuarantineAdministration | None:
    if not options.opensearch:
        return None
    return QuarantineAdministration(
        options.opensearch, options.conninfo, options.index_prefix, clock
    )
