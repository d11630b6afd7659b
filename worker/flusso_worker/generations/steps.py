"""Carries out what is decided in `decide`.  Each step may be repeated, by anybody, from anywhere it broke off."""

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
from flusso_worker.generations import decide as plan
from flusso_worker.generations.physical import GenerationIndexes
from flusso_worker.generations.record import Generation, Known, Stored
from flusso_worker.generations.store import GenerationStore, LocalStore
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster

logger = logging.getLogger(__name__)

_RECENT = 60.0
"""Seconds: a change published so long before the newest is visible to every read that follows."""


@dataclass(frozen=True, slots=True)
class Names:
    """Prefixes of everything that is made."""

    topic_prefix: str
    index_prefix: str


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where a keeper tells what it does."""

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
    ) -> None:
        """The first cluster's bookkeeping is the truth; the others' is for information."""
        self._plan = index
        self._log = log
        self._names = names
        self._telemetry = telemetry
        stores = [GenerationStore(cluster, names.index_prefix) for cluster in clusters]
        self.store: GenerationStore | LocalStore = stores[0] if stores else LocalStore()
        self._mirrors = stores[1:]
        self.indexes = [GenerationIndexes(cluster) for cluster in clusters]
        self._quarantine = QuarantineStore(clusters[0], names.index_prefix) if clusters else None

    def ensure(self) -> None:
        """Create the bookkeeping where it is missing."""
        self.store.ensure()
        for mirror in self._mirrors:
            mirror.ensure()

    def load(self) -> list[Stored]:
        """What is known, by number, then hash."""
        return self.store.load(self._plan.name)

    def look(self) -> Known:
        """What is known, and what was asked for."""
        return self.store.look(self._plan.name)

    def finish_reindex(self, known: Known) -> None:
        """Forget a request once a generation that came after it is live."""
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

    def take(self, action: plan.Action, facts: plan.Facts) -> bool:
        """Do it; False when there is nothing more to do before the next round."""
        match action:
            case plan.Create():
                return self._create(action, facts)
            case plan.Prepare(stored):
                return self._prepare(stored)
            case plan.Aim(stored):
                targets = dict(self._log.groups.ends(stored.generation.plan.tables))
                return self.put(stored, stored.generation.evolve(targets=targets))
            case plan.Promote(stored):
                return self._promote(stored)
            case plan.Retire(stored, heir):
                return self._retire(stored, heir)

    def put(self, stored: Stored, generation: Generation) -> bool:
        """Change what is known, unless somebody else has."""
        done = self.store.update(stored, generation)
        if done:
            for mirror in self._mirrors:
                mirror.mirror(generation)
        return done

    def sweep(self, stored: Sequence[Stored], newest: GenerationName) -> None:
        """Delete older indexes that nothing is known of any more, as after the bookkeeping was lost."""
        known = {item.generation.name for item in stored}
        for name in self._physical():
            if name.number < newest.number and name not in known:
                self._log.groups.forget(name.group(self._names.topic_prefix))
                self._delete_indexes(name, newest)

    def _create(self, action: plan.Create, facts: plan.Facts) -> bool:
        known = self.look()
        if list(known.stored) != list(facts.stored) or known.superseded != facts.superseded:
            return True  # somebody was quicker, or this process was stopped in between
        lineage, physical = facts.lineage, self._physical()
        names = [item.generation.name for item in facts.stored]
        number = max([facts.superseded, *(name.number for name in [*names, *physical])]) + 1
        name = GenerationName(self._plan.name, self._plan.hash, number, self._names.index_prefix)
        starts = self._starts()
        now = self._telemetry.clock.time()
        durable = self._log.durable
        generation = Generation(
            name, "creating", lineage, self._plan, starts, None, now, durable=durable
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
        return dict(self._log.groups.starts({self._plan.root}, others, _RECENT))

    def _tell_created(self, action: plan.Create, name: GenerationName, *, orphaned: bool) -> None:
        reason = "what was known of the older ones is gone" if orphaned else action.reason
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
        if not self._log.durable:
            # Chosen in an earlier process, perhaps: there is nothing older than now.
            generation = generation.evolve(starts=self._starts())
        # Without a cluster nothing is known of an earlier process but its offsets.
        committed = self._log.groups.committed(self.group(generation), generation.plan.tables)
        if self.indexes or not committed:
            try:
                self._log.groups.reset(self.group(generation), generation.starts)
            except RetryableError:
                if self.load_one(stored) == stored:
                    raise
                return True  # another worker has done it, and reads already
        failpoints.hit("generation_prepared")
        self.put(stored, generation.evolve(state="seeding"))
        return True

    def load_one(self, stored: Stored) -> Stored | None:
        """What is known of the same generation now."""
        found = [item for item in self.load() if item.generation.name == stored.generation.name]
        return found[0] if found else None

    def _promote(self, stored: Stored) -> bool:
        """Say that the aliases are about to be moved, so that no cancellation comes in between; then move them."""
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
        if not self.put(stored, generation.evolve(state="live", promoting=False)):
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
        """Say so; once every worker has seen it and stopped its pipeline, delete.

        An index that queries see stays until another can take the alias.
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
        """What has the name of a generation of this index, known or not, in any cluster."""
        found: set[GenerationName] = set()
        for store in (self.store, *self._mirrors):
            found |= set(store.physical(self._plan.name))
        return sorted(found, key=lambda name: (name.number, name.hash))
