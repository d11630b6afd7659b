"""Keeps the generations of one index: makes, seeds, promotes and retires them, a step at a time.

Any number of workers run the same steps at once and any may die anywhere: every step may be repeated, and
what must happen once is a compare-and-set in the bookkeeping of the first sink.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.control_records import Lineage, TableSnapshot, lineage_of, snapshots_of
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan import IndexPlan
from flusso_shared.seams import ChangeLog, Offsets
from flusso_shared.status import Progress, Status
from flusso_worker import generation_plan as plan
from flusso_worker.generation_indexes import GenerationIndexes
from flusso_worker.generation_record import Generation, State, Stored
from flusso_worker.generation_store import GenerationStore, LocalStore
from flusso_worker.opensearch import Cluster

logger = logging.getLogger(__name__)

_RECENT = 60.0
"""Seconds: a change published earlier is visible to every read that follows."""
_INSPECT_EVERY = 10.0
_MOST_ACTIONS = 10


@dataclass(frozen=True, slots=True)
class Active:
    """A generation to be run now."""

    name: GenerationName
    plan: IndexPlan
    state: State
    group: str
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Names:
    """Prefixes of everything that is made."""

    topic_prefix: str
    index_prefix: str


@dataclass(frozen=True, slots=True)
class Teller:
    """Where a keeper tells what it does."""

    metrics: Metrics
    status: Status
    clock: Clock


class GenerationKeeper:
    """Looks after one index.  Owned by one thread."""

    def __init__(
        self,
        index: IndexPlan,
        clusters: Sequence[Cluster],
        log: ChangeLog,
        names: Names,
        teller: Teller,
    ) -> None:
        """`clusters` are the OpenSearch sinks by name; the first one's bookkeeping is the truth."""
        self._plan = index
        self._log = log
        self._names = names
        self._teller = teller
        stores = [GenerationStore(cluster, names.index_prefix) for cluster in clusters]
        self._store: GenerationStore | LocalStore = stores[0] if stores else LocalStore()
        self._mirrors = stores[1:]
        self._indexes = [GenerationIndexes(cluster) for cluster in clusters]
        self._started_at = teller.clock.time()
        self._damaged: dict[str, str] = {}
        self._inspect_at = 0.0
        self._begun = False
        self._missed = False
        self._wanted: TableName | None = None

    # --- what the worker asks -------------------------------------------------------------------

    def step(self) -> list[Active]:
        """One round: do what can be done now; gives the generations to run.

        Empty while it waits for capture.  Raises `RetryableError` and `FatalError`.
        """
        records = self._log.control.load()
        lineage = lineage_of(records)
        if lineage is None:
            return self._wait("flusso-capture to create the slot")
        if missing := self._log.missing(self._plan.tables):
            return self._wait(f"flusso-capture to create the topics {', '.join(missing)}")
        self._teller.status.waiting(None)
        snapshot = snapshots_of(records).get(self._plan.root)
        if not self._begun:
            self._begin()
        facts = self._facts(lineage, snapshot)
        for _ in range(_MOST_ACTIONS):
            action = plan.decide(facts)
            if action is None:
                break
            if not self._act(action, lineage):
                break
            facts = self._facts(lineage, snapshot)
        self._wanted = self._root_wanted(facts)
        return self._active(facts)

    def wanted_snapshot(self) -> TableName | None:
        """The root table, while its newest generation is seeded and no complete snapshot is known."""
        return self._wanted

    def streaming_began(self) -> None:
        """For a log that does not outlive the process: changes flow from now on.

        A keeper that has not begun by then holds nothing of them, and will have to seed anew.
        """
        self._missed = not self._begun

    # --- facts ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """The first round of this process."""
        self._store.ensure()
        for mirror in self._mirrors:
            mirror.ensure()
        if not self._log.durable:
            for stored in self._store.load(self._plan.name):
                self._begin_anew(stored)
        self._begun = True

    def _begin_anew(self, stored: Stored) -> None:
        """Positions of an earlier process mean nothing in a log that went with it."""
        generation = stored.generation
        if self._missed:
            self._damaged[generation.name.physical] = "changes passed while it could not be kept"
            return
        self._log.groups.reset(
            self._group(generation), self._log.groups.ends(generation.plan.tables)
        )
        if generation.targets is not None and generation.state != "live":
            self._store.update(stored, generation.evolve(targets=None))

    def _facts(self, lineage: Lineage, snapshot: TableSnapshot | None) -> plan.Facts:
        stored = self._store.load(self._plan.name)
        now = self._teller.clock.monotonic()
        if now >= self._inspect_at:
            self._inspect_at = now + _INSPECT_EVERY
            self._inspect(stored)
        physical = self._store.numbers(self._plan.name) if not stored else {}
        numbers = [item.generation.name.number for item in stored] + list(physical.values())
        return plan.Facts(
            hash=self._plan.hash,
            started_at=self._started_at,
            lineage=lineage,
            stored=stored,
            damaged=self._damaged,
            highest=max(numbers, default=0),
            snapshot_complete=snapshot is not None and snapshot.state == "complete",
            reached=bool(stored) and self._reached(stored[-1].generation),
        )

    def _inspect(self, stored: Sequence[Stored]) -> None:
        """Notice what was removed by hand (I6)."""
        for item in stored:
            generation = item.generation
            if generation.state not in ("seeding", "live"):
                continue
            for indexes in self._indexes:
                found = indexes.damage(generation.name, live=generation.state == "live")
                if found is not None:
                    self._damaged[generation.name.physical] = found

    def _reached(self, generation: Generation) -> bool:
        if generation.state != "seeding" or generation.targets is None:
            return False
        committed = self._committed(generation)
        return all(committed.get(at, 0) >= offset for at, offset in generation.targets.items())

    def _committed(self, generation: Generation) -> Offsets:
        return self._log.groups.committed(self._group(generation), generation.plan.tables)

    # --- actions --------------------------------------------------------------------------------

    def _act(self, action: plan.Action, lineage: Lineage) -> bool:
        """Carry one action out; False when it has to be looked at again later."""
        match action:
            case plan.Create(number, reason):
                return self._create(number, reason, lineage)
            case plan.Prepare(stored):
                return self._prepare(stored)
            case plan.Aim(stored):
                generation = stored.generation
                targets = dict(self._log.groups.ends(generation.plan.tables))
                return self._put(stored, generation.evolve(targets=targets))
            case plan.Promote(stored):
                return self._promote(stored)
            case plan.Retire(stored):
                return self._retire(stored)

    def _create(self, number: int, reason: str, lineage: Lineage) -> bool:
        name = GenerationName(self._plan.name, self._plan.hash, number, self._names.index_prefix)
        others = set(self._plan.tables) - {self._plan.root}
        starts = self._log.groups.starts({self._plan.root}, others, _RECENT)
        now = self._teller.clock.time()
        generation = Generation(name, "creating", lineage, self._plan, dict(starts), None, now)
        made = self._store.create(generation)
        if made:
            logger.info(
                "index %s: making generation %s: %s",
                self._plan.name,
                name.physical,
                reason,
                extra={"action": "create_generation", "index": self._plan.name},
            )
        return True

    def _prepare(self, stored: Stored) -> bool:
        generation = stored.generation
        for indexes in self._indexes:
            indexes.create(generation.name, generation.plan)
        group = self._group(generation)
        kept = not self._indexes and bool(self._committed(generation))
        if not kept:
            self._log.groups.reset(group, generation.starts)
        return self._put(stored, generation.evolve(state="seeding"))

    def _promote(self, stored: Stored) -> bool:
        generation = stored.generation
        for indexes in self._indexes:
            indexes.publish(generation.name)
        if not self._put(stored, generation.evolve(state="live")):
            return True
        self._teller.metrics.indexes_seeded.labels(self._plan.name).inc()
        logger.info(
            "index %s: %s is seeded and live",
            self._plan.name,
            generation.name.physical,
            extra={"action": "promote_generation", "index": self._plan.name},
        )
        return True

    def _retire(self, stored: Stored) -> bool:
        """Two rounds: say so, and once every worker has stopped its pipeline, delete."""
        generation = stored.generation
        if generation.state != "retired":
            self._put(stored, generation.evolve(state="retired"))
            return False
        self._log.groups.forget(self._group(generation))
        for indexes in self._indexes:
            indexes.delete(generation.name.physical)
        self._store.delete(stored)
        self._damaged.pop(generation.name.physical, None)
        logger.info(
            "index %s: deleted generation %s",
            self._plan.name,
            generation.name.physical,
            extra={"action": "delete_generation", "index": self._plan.name},
        )
        return True

    def _put(self, stored: Stored, generation: Generation) -> bool:
        done = self._store.update(stored, generation)
        if done:
            for mirror in self._mirrors:
                mirror.mirror(generation)
        return done

    # --- what follows ---------------------------------------------------------------------------

    def _wait(self, what: str) -> list[Active]:
        self._teller.status.waiting(what)
        return []

    def _root_wanted(self, facts: plan.Facts) -> TableName | None:
        seeding = [
            item.generation
            for item in facts.stored
            if item.generation.state == "seeding" and item.generation.targets is None
        ]
        return self._plan.root if seeding and not facts.snapshot_complete else None

    def _active(self, facts: plan.Facts) -> list[Active]:
        return [
            Active(
                name=item.generation.name,
                plan=item.generation.plan,
                state=item.generation.state,
                group=self._group(item.generation),
                progress=self._progress(item.generation),
            )
            for item in facts.stored
            if item.generation.state in ("seeding", "live")
            and item.generation.name.physical not in self._damaged
        ]

    def _progress(self, generation: Generation) -> Progress | None:
        if generation.state != "seeding":
            return None
        goal = generation.targets or self._log.groups.ends(generation.plan.tables)
        committed, starts = self._committed(generation), generation.starts
        total = sum(max(0, end - starts.get(at, 0)) for at, end in goal.items())
        done = sum(
            max(0, min(committed.get(at, 0), end) - starts.get(at, 0)) for at, end in goal.items()
        )
        return Progress(done, total)

    def _group(self, generation: Generation) -> str:
        return generation.name.group(self._names.topic_prefix)
