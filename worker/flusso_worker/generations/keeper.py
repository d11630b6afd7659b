"""Keeps the generations of one index: makes, seeds, promotes and retires them, a step at a time.

Any number of workers run the same steps at once and any may die anywhere: every step may be repeated, and
what must happen once is a compare-and-set in the bookkeeping of the first sink.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flusso_shared.changelog.control_records import Lineage, TableSnapshot, lineage_of, snapshots_of
from flusso_shared.errors import RetryableError
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan.bind import same_names
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog, Offsets
from flusso_shared.status import Progress
from flusso_worker.generations import decide as plan
from flusso_worker.generations.eviction import Eviction
from flusso_worker.generations.leadership import Leadership
from flusso_worker.generations.record import Generation, Known, State, Stored
from flusso_worker.generations.schema_order import DEFAULT_HEARTBEAT, HeartbeatOptions
from flusso_worker.generations.steps import GenerationSteps, Names, Telemetry
from flusso_worker.sinks.cluster import Cluster

__all__ = ["Active", "GenerationKeeper", "Names", "Telemetry"]

_INSPECT_EVERY = 10.0
_MOST_ACTIONS = 10
_REFRESH_EVERY = 0.4
"""Parts of a seeding after which what is there is refreshed."""
_ASK_FOR, _PAUSE = 25.0, 5.0
"""Seconds that a snapshot is asked for, and not asked for: one is taken again only after a pause."""
_RENAMED = plan.Damage(
    "names in its schema mean other tables or columns of the database now", writable=True
)


@dataclass(frozen=True, slots=True)
class Active:
    """A generation to be run now."""

    name: GenerationName
    plan: IndexPlan
    state: State
    group: str
    progress: Progress | None


class GenerationKeeper:
    """Looks after one index.  Owned by one thread."""

    def __init__(
        self,
        index: IndexPlan,
        clusters: Sequence[Cluster],
        log: ChangeLog,
        names: Names,
        telemetry: Telemetry,
        heartbeat: HeartbeatOptions = DEFAULT_HEARTBEAT,
    ) -> None:
        """`clusters` are the OpenSearch sinks by name; the first one's bookkeeping is the truth."""
        self._plan = index
        self._log = log
        self._steps = GenerationSteps(index, clusters, log, names, telemetry)
        self._status, self._clock = telemetry.status, telemetry.clock
        self._leadership = Leadership(
            index.name, index.hash, self._steps, telemetry.clock, heartbeat
        )
        self._found: frozenset[GenerationName] | None = None
        """Generations that were there before this process's first step."""
        self._damaged: dict[str, plan.Damage] = {}
        self._inspect_at = 0.0
        self._ensured = self._begun = False
        self._eviction = Eviction(log, self._steps, telemetry.clock)
        self._known = Known()
        self._swept: GenerationName | None = None
        self._wanted: TableName | None = None
        self._refreshed: tuple[GenerationName, float] | None = None
        """How much of which seeding had been committed at the last refresh."""
        self._wanted_since: float | None = None
        self._committed: dict[GenerationName, Offsets] = {}

    def step(self) -> list[Active]:
        """One round: do what can be done now; gives the generations to run.

        Empty while it waits for capture.  Raises `RetryableError` and `FatalError`.
        """
        try:
            return self._round()
        except RetryableError as error:
            self._status.waiting(str(error))
            raise

    def wanted_snapshot(self) -> TableName | None:
        """The root table, while its newest generation is seeded and needs a snapshot of it."""
        return self._wanted

    @property
    def standby(self) -> bool:
        """Whether this process's schema was superseded, by one that living workers carry."""
        return self._leadership.standby

    def before_streaming(self) -> None:
        """Changes flow as soon as all keepers have been told.

        In a log that does not outlive the process, a keeper that has not begun by then holds none of them: that it
        will have to seed anew is durable when this returns.  Raises `RetryableError` while it cannot be.
        """
        if not self._begun and not self._log.durable:
            self._eviction.mark_all_missed()

    def evict(self, stopped: Collection[GenerationName]) -> None:
        """The pipelines of these generations have ended: do not let others wait for them."""
        if not self._log.durable and stopped:
            self._eviction.evict(stopped)

    # --- one round ------------------------------------------------------------------------------

    def _round(self) -> list[Active]:
        if not self._ensured:
            self._steps.ensure()
            self._ensured = True
        records = self._log.control.load()
        lineage = lineage_of(records)
        if lineage is None:
            return self._wait("flusso-capture to create the slot")
        if missing := self._log.missing(self._plan.tables):
            return self._wait(f"flusso-capture to create the topics {', '.join(missing)}")
        snapshot = snapshots_of(records).get(self._plan.root)
        if not self._begun:
            self._begin()
        elif not self._log.durable:
            self._eviction.restart_due()
        facts = self._facts(lineage, snapshot)
        for _ in range(_MOST_ACTIONS):
            action = plan.decide(facts)
            if action is None:
                break
            go_on = self._steps.take(action, facts)
            facts = self._facts(lineage, snapshot)
            if not go_on:
                break
        self._sweep(facts.stored)
        self._steps.finish_reindex(self._known)
        self._want(facts)
        self._status.waiting(None)
        active = self._active(facts)
        self._refresh_ahead(active)
        return active

    def _refresh_ahead(self, active: Sequence[Active]) -> None:
        """Make a seeding searchable while it goes on: the refresh before the swap, a single thread's work, is short then."""
        for item in active:
            progress = item.progress
            if progress is None or not progress.total:
                continue
            part = progress.done / progress.total
            name, before = self._refreshed or (item.name, 0.0)
            if part - (before if name == item.name else 0.0) >= _REFRESH_EVERY:
                self._refreshed = (item.name, part)
                for indexes in self._steps.indexes:
                    indexes.refresh(item.name)

    def _wait(self, what: str) -> list[Active]:
        self._status.waiting(what)
        return []

    def _begin(self) -> None:
        """The first round of this process in which capture is there."""
        if not self._log.durable:
            self._eviction.restart_all()
        self._begun = True

    def _sweep(self, stored: Sequence[Stored]) -> None:
        """Once for each generation that this process finds live."""
        newest = stored[-1].generation if stored else None
        if newest is not None and newest.state == "live" and self._swept != newest.name:
            self._steps.sweep(stored, newest.name)
            self._swept = newest.name

    # --- facts ----------------------------------------------------------------------------------

    def _facts(self, lineage: Lineage, snapshot: TableSnapshot | None) -> plan.Facts:
        self._known = known = self._leadership.look()
        stored = known.stored
        if self._found is None:
            self._found = frozenset(item.generation.name for item in stored)
        now = self._clock.monotonic()
        if now >= self._inspect_at:
            self._damaged = self._inspect(stored)
            self._inspect_at = now + _INSPECT_EVERY
        seeding = [item.generation for item in stored if item.generation.state == "seeding"]
        self._committed = {item.name: self._read_committed(item) for item in seeding}
        return plan.Facts(
            hash=self._plan.hash,
            leading=self._leadership.leading,
            lineage=lineage,
            stored=stored,
            superseded=known.superseded,
            damaged=self._damaged,
            complete={
                item.name.physical for item in seeding if self._will_read_all(item, snapshot)
            },
            reached={item.name.physical for item in seeding if self._reached(item)},
        )

    def _inspect(self, stored: Sequence[Stored]) -> dict[str, plan.Damage]:
        """Notice what was removed by hand (I6), and names that mean something else now."""
        found: dict[str, plan.Damage] = {}
        # While the aliases move, an older generation may lack them.
        moving = [
            item.generation.name.number
            for item in stored
            if item.generation.promoting and item.generation.state != "live"
        ]
        for item in stored:
            generation = item.generation
            published = generation.state == "live" and not any(
                number > generation.name.number for number in moving
            )
            if generation.state not in ("seeding", "live"):
                continue
            if self._means_others(generation):
                found[generation.name.physical] = _RENAMED
            for indexes in self._steps.indexes:
                damage = indexes.damage(generation.name, live=published)
                earlier = found.get(generation.name.physical)
                if damage is not None and (earlier is None or earlier.writable):
                    found[generation.name.physical] = damage
        return found

    def _means_others(self, generation: Generation) -> bool:
        """Whether names of the schema were bound differently when an earlier process made the generation."""
        earlier = self._found is not None and generation.name in self._found
        if generation.name.hash != self._plan.hash or not earlier:
            return False
        return not same_names(generation.plan, self._plan)

    def _will_read_all(self, generation: Generation, snapshot: TableSnapshot | None) -> bool:
        """Whether the snapshot is complete and all of it stands after the generation's start."""
        if snapshot is None or snapshot.state != "complete" or generation.missed:
            return False
        # A topic keeps what was published before, unless somebody lets it delete; a log in memory has it only
        # for groups that were there.
        return all(offset >= generation.starts.get(at, 0) for at, offset in snapshot.begun.items())

    def _reached(self, generation: Generation) -> bool:
        if generation.targets is None:
            return False
        committed = self._committed[generation.name]
        return all(committed.get(at, 0) >= offset for at, offset in generation.targets.items())

    def _read_committed(self, generation: Generation) -> Offsets:
        group = self._steps.group(generation)
        return self._log.groups.committed(group, generation.plan.tables)

    # --- what follows ---------------------------------------------------------------------------

    def _want(self, facts: plan.Facts) -> None:
        """Ask for the root's snapshot while a seeding generation needs one."""
        wanting = any(
            item.generation.state == "seeding"
            and item.generation.targets is None
            and not item.generation.missed
            and item.generation.name.physical not in facts.complete
            for item in facts.stored
        )
        now = self._clock.monotonic()
        if not wanting:
            self._wanted_since = None
        elif self._wanted_since is None:
            self._wanted_since = now
        asked = self._wanted_since is not None and (
            (now - self._wanted_since) % (_ASK_FOR + _PAUSE) < _ASK_FOR
        )
        self._wanted = self._plan.root if asked else None

    def _active(self, facts: plan.Facts) -> list[Active]:
        return [
            Active(
                name=item.generation.name,
                plan=item.generation.plan,
                state=item.generation.state,
                group=self._steps.group(item.generation),
                progress=self._progress(item.generation),
            )
            for item in facts.stored
            if item.generation.state in ("seeding", "live")
            and not item.generation.missed
            and _writable(facts.damaged.get(item.generation.name.physical))
        ]

    def _progress(self, generation: Generation) -> Progress | None:
        if generation.state != "seeding":
            return None
        goal = generation.targets or self._log.groups.ends(generation.plan.tables)
        committed, starts = self._committed[generation.name], generation.starts
        total = sum(max(0, end - starts.get(at, 0)) for at, end in goal.items())
        done = sum(
            max(0, min(committed.get(at, 0), end) - starts.get(at, 0)) for at, end in goal.items()
        )
        return Progress(done, total)


def _writable(damage: plan.Damage | None) -> bool:
    return damage is None or damage.writable
