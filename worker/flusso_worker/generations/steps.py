"""Carries out what `decide` decides.  Any process may repeat each step, from any point at which it was interrupted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from flusso_shared import failpoints
from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog, TopicPartition
from flusso_shared.status import Status
from flusso_worker.generations import decide
from flusso_worker.generations.applied import AppliedRecords
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.physical import GenerationIndexes, creation_settings
from flusso_worker.generations.progress import changes_between
from flusso_worker.generations.record import Generation, Known, Seeding, Stored
from flusso_worker.generations.store import GenerationStore
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster

logger = logging.getLogger(__name__)

_VISIBLE_AFTER_SECONDS = 60.0
"""A change that was published so long before the newest one is visible to every later read."""


@dataclass(frozen=True, slots=True)
class Names:
    """Prefixes of the topics and indexes that are created."""

    topic_prefix: str
    index_prefix: str


Bookkeeping = GenerationStore | LocalStore


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where a keeper reports what it does, and its clock."""

    metrics: Metrics
    status: Status
    clock: Clock


class GenerationSteps:
    """The steps of one index's generations, over all clusters.  Owned by one thread."""

    def __init__(
        self,
        index: IndexPlan,
        clusters: Sequence[Cluster],
        log: ChangeLog,
        names: Names,
        telemetry: Telemetry,
        store: Bookkeeping | None = None,
    ) -> None:
        """The bookkeeping of the first cluster counts; that of the others is a copy, for information.

        `store` is that bookkeeping where others read it as well, or where there is no cluster.
        """
        self._plan = index
        self._log = log
        self._names = names
        self._telemetry = telemetry
        stores = [GenerationStore(cluster, names.index_prefix) for cluster in clusters]
        self.store: Bookkeeping = store or (stores[0] if stores else LocalStore())
        self._mirrors = stores[1:]
        self.indexes = [GenerationIndexes(cluster) for cluster in clusters]
        self._applied = [AppliedRecords(cluster, names.index_prefix) for cluster in clusters]
        self._settings = {cluster.name: creation_settings(cluster.config) for cluster in clusters}
        self._quarantine = QuarantineStore(clusters[0], names.index_prefix) if clusters else None

    def ensure(self) -> None:
        """Create the bookkeeping where it is missing."""
        self.store.ensure()
        for mirror in self._mirrors:
            mirror.ensure()

    def load(self) -> list[Stored]:
        """The recorded generations, by number, then hash."""
        return self.store.load(self._plan.name)

    def read_index(self) -> Known:
        """Everything that is recorded of the index."""
        return self.store.read_index(self._plan.name)

    def finish_reindex(self, known: Known) -> None:
        """Remove a request once a newer generation is live."""
        asked, live = known.asked, known.live
        if (
            asked is not None
            and live is not None
            and live.generation.name.number > known.superseded
        ):
            self.store.withdraw(asked)

    def group(self, generation: Generation) -> str:
        """The consumer group of a generation."""
        return generation.name.group(self._names.topic_prefix)

    def run_action(self, action: decide.Action, facts: decide.Facts) -> bool:
        """Run one action; False when there is nothing more to do before the next round."""
        match action:
            case decide.Create():
                return self._create(action, facts)
            case decide.Prepare(stored):
                return self._prepare(stored)
            case decide.Aim(stored):
                targets = dict(self._log.groups.ends(stored.generation.plan.tables))
                return self.put(stored, stored.generation.evolve(targets=targets))
            case decide.Promote(stored):
                return self._promote(stored)
            case decide.Retire(stored, heir):
                return self._retire(stored, heir)

    def put(self, stored: Stored, generation: Generation) -> bool:
        """Change what is recorded; False when another process has changed it meanwhile."""
        done = self.store.update(stored, generation)
        if done:
            for mirror in self._mirrors:
                mirror.mirror(generation)
        return done

    def sweep(self, stored: Sequence[Stored], newest: GenerationName) -> None:
        """Delete older indexes that are not recorded, as after the bookkeeping was lost."""
        known = {item.generation.name for item in stored}
        for name in self._physical():
            if name.number < newest.number and name not in known:
                self._log.groups.forget(name.group(self._names.topic_prefix))
                self._delete_indexes(name, newest)

    def _create(self, action: decide.Create, facts: decide.Facts) -> bool:
        known = self.read_index()
        if list(known.stored) != list(facts.stored) or known.superseded != facts.superseded:
            return True  # another worker was faster, or this process was suspended meanwhile
        lineage, physical = facts.lineage, self._physical()
        names = [item.generation.name for item in facts.stored]
        number = max([facts.superseded, *(name.number for name in [*names, *physical])]) + 1
        name = GenerationName(self._plan.name, self._plan.hash, number, self._names.index_prefix)
        starts = self._starts()
        now = self._telemetry.clock.time()
        generation = Generation(
            name,
            "creating",
            lineage,
            self._plan,
            starts,
            created_at=now,
            durable=self._log.durable,
            settings=self._settings,
        )
        if not self.store.create(generation):
            return True
        failpoints.hit("generation_created")
        for mirror in self._mirrors:
            mirror.mirror(generation)
        self._tell_created(action, name, orphaned=bool(physical) and not names)
        return True

    def _starts(self) -> dict[TopicPartition, int]:
        others = set(self._plan.tables) - {self._plan.root}
        return dict(self._log.groups.starts({self._plan.root}, others, _VISIBLE_AFTER_SECONDS))

    def _tell_created(self, action: decide.Create, name: GenerationName, *, orphaned: bool) -> None:
        reason = "the bookkeeping has no record of the older ones" if orphaned else action.reason
        logger.log(
            logging.WARNING if action.noticed or orphaned else logging.INFO,
            "index %s: making generation %s: %s",
            name.index,
            name.physical,
            reason,
            extra={"action": "create_generation", "index": name.index},
        )

    def _prepare(self, stored: Stored) -> bool:
        generation = stored.generation
        for indexes in self.indexes:
            indexes.create(generation.name, generation.plan)
        tables = generation.plan.tables
        starts = dict(self._log.groups.resumed_starts(generation.starts, tables))
        generation = generation.evolve(starts=starts)
        # Without a cluster, the committed offsets are all that is left of an earlier process.
        committed = self._log.groups.committed(self.group(generation), generation.plan.tables)
        if self.indexes or not committed:
            try:
                self._log.groups.reset(self.group(generation), generation.starts)
            except RetryableError:
                if self.load_one(stored) == stored:
                    raise
                return True  # another worker has done it, and its pipeline reads already
        failpoints.hit("generation_prepared")
        self.put(stored, generation.evolve(state="seeding"))
        return True

    def load_one(self, stored: Stored) -> Stored | None:
        """What is recorded of the same generation now, or None."""
        found = [item for item in self.load() if item.generation.name == stored.generation.name]
        return found[0] if found else None

    def _promote(self, stored: Stored) -> bool:
        """Record that the aliases are about to be moved, so that it cannot be cancelled meanwhile; then move them."""
        generation = stored.generation
        if not generation.promoting:
            for indexes in self.indexes:
                indexes.require_free_aliases(generation.name)
                indexes.refresh(generation.name)
            self.put(stored, generation.evolve(promoting=True))
            failpoints.hit("generation_promoting")
            return True
        for indexes in self.indexes:
            indexes.publish(generation.name)
        failpoints.hit("generation_published")
        seeding = Seeding(
            changes_between(generation.starts, generation.targets or {}),
            max(0.0, self._telemetry.clock.time() - generation.created_at),
        )
        live = generation.evolve(state="live", promoting=False, seeding=seeding)
        if not self.put(stored, live):
            return True
        self._telemetry.metrics.counter("flusso_indexes_seeded_total", self._plan.name).inc()
        logger.info(
            "index %s: %s is seeded and live",
            self._plan.name,
            generation.name.physical,
            extra={"action": "promote_generation", "index": self._plan.name},
        )
        return True

    def _retire(self, stored: Stored, heir: GenerationName | None) -> bool:
        """Record that it is retired; delete it once every worker has seen that and has stopped its pipeline.

        An index that queries see stays until another one can take its aliases.
        """
        generation = stored.generation
        if generation.state != "retired":
            self.put(stored, generation.evolve(state="retired"))
            return False
        try:
            self._log.groups.forget(self.group(generation))
        except RetryableError as error:
            logger.debug("cannot delete %s yet: %s", generation.name.physical, error)
            return False
        if not self._delete_indexes(generation.name, heir):
            return False
        failpoints.hit("generation_retired")
        self.store.delete(stored)
        for mirror in self._mirrors:
            mirror.forget(generation.name)
        for applied in self._applied:
            applied.forget(generation.name)
        return True

    def _delete_indexes(self, name: GenerationName, heir: GenerationName | None) -> bool:
        if not all([indexes.delete(name, heir) for indexes in self.indexes]):
            return False
        if self._quarantine is not None:
            self._quarantine.forget(name.physical)
        logger.info(
            "index %s: deleted generation %s",
            name.index,
            name.physical,
            extra={"action": "delete_generation", "index": name.index},
        )
        return True

    def _physical(self) -> list[GenerationName]:
        """The indexes in any cluster that are named like a generation of this index, recorded or not."""
        found: set[GenerationName] = set()
        for store in (self.store, *self._mirrors):
            found |= set(store.physical(self._plan.name))
        return sorted(found, key=lambda name: (name.number, name.hash))
