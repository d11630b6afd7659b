"""Manages the generations of one index: creates, seeds, promotes and retires them, one step at a time.

Any number of workers run the same steps concurrently, and any of them may crash at any point.  So every step may be
repeated, and what must happen once is a compare-and-set in the bookkeeping of the first sink.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flusso_shared.changelog.control_records import Lineage, TableSnapshot
from flusso_shared.errors import RetryableError
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan.bind import same_names
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog, Offsets
from flusso_shared.status import Progress
from flusso_worker.generations import decide
from flusso_worker.generations.eviction import Eviction
from flusso_worker.generations.leadership import Leadership
from flusso_worker.generations.progress import seeding_progress
from flusso_worker.generations.record import Generation, Known, State, Stored
from flusso_worker.generations.schema_order import DEFAULT_HEARTBEAT, HeartbeatOptions
from flusso_worker.generations.shared_readings import LogView
from flusso_worker.generations.steps import Bookkeeping, GenerationSteps, Names, Telemetry
from flusso_worker.sinks.cluster import Cluster

__all__ = ["Active", "GenerationKeeper", "Names", "Telemetry"]

_INSPECTION_INTERVAL_SECONDS = 10.0
_MAX_ACTIONS_PER_ROUND = 10
_REFRESH_AFTER_PART = 0.4
"""Part of a seeding, between 0 and 1, after which the index is refreshed again."""
_REQUEST_SECONDS, _REQUEST_PAUSE_SECONDS = 25.0, 5.0
"""A snapshot is requested for the first and not requested for the second, in turn: capture takes one again only after
a pause."""
_LONGEST_HELD_SECONDS = 3600.0
"""A log in memory holds changes for a paused index so long, and the slot with them; a log in Kafka ignores it."""
_RENAMED = decide.Damage(
    "names in its schema refer to other tables or columns of the database now", writable=True
)


@dataclass(frozen=True, slots=True)
class Active:
    """A generation that needs a running pipeline."""

    name: GenerationName
    plan: IndexPlan
    state: State
    group: str
    progress: Progress | None
    created_at: float = 0.0
    """Seconds since the epoch."""


class GenerationKeeper:
    """Manages one index.  Owned by one thread."""

    def __init__(
        self,
        index: IndexPlan,
        clusters: Sequence[Cluster],
        log: ChangeLog,
        names: Names,
        telemetry: Telemetry,
        heartbeat: HeartbeatOptions = DEFAULT_HEARTBEAT,
        store: Bookkeeping | None = None,
        view: LogView | None = None,
    ) -> None:
        """`clusters` are the OpenSearch sinks in the order of their names; the bookkeeping of the first one counts.

        `store` is that bookkeeping, and `view` the log, where other keepers read them as well.
        """
        self._plan = index
        self._log = log
        self._view = view or LogView(log, index.tables, telemetry.clock, moment=0.0)
        self._steps = GenerationSteps(index, clusters, log, names, telemetry, store)
        self._status, self._clock = telemetry.status, telemetry.clock
        self._leadership = Leadership(
            index.name, index.hash, self._steps, telemetry.clock, heartbeat
        )
        self._found: frozenset[GenerationName] | None = None
        """Generations that existed before the first step of this process."""
        self._damaged: dict[str, decide.Damage] = {}
        self._inspect_at = 0.0
        self._ensured = self._begun = False
        self._eviction = Eviction(log, self._steps, telemetry.clock)
        self._known = Known()
        self._swept: GenerationName | None = None
        self._wanted: TableName | None = None
        self._refreshed: tuple[GenerationName, float] | None = None
        """The seeding that was refreshed last, and the part of it that was committed then."""
        self._wanted_since: float | None = None
        self._committed: dict[GenerationName, Offsets] = {}
        self._paused_since: float | None = None
        self._snapshot_runs = False
        """Whether a table that the index reads is being read for a seeding, of this index or another."""

    def step(self) -> list[Active]:
        """Run one round: do what can be done now; return the generations to run.

        Empty while it waits for capture.  Raises `RetryableError` and `FatalError`.
        """
        try:
            return self._round()
        except RetryableError as error:
            self._status.waiting(str(error))
            raise

    def wanted_snapshot(self) -> TableName | None:
        """The root table, while the newest generation is being seeded and needs a snapshot of it; else None."""
        return self._wanted

    @property
    def standby(self) -> bool:
        """Whether the schema of this process was superseded by one that living workers have."""
        return self._leadership.standby

    @property
    def paused(self) -> bool:
        """Whether an operator has paused the index: none of its generations is to run."""
        return self._known.paused is not None

    @property
    def live(self) -> Generation | None:
        """The generation that queries see, as of the last round."""
        stored = self._known.live
        return None if stored is None else stored.generation

    def before_streaming(self) -> None:
        """Prepare for changes, which capture streams once this has returned for every keeper.

        A log in memory retains no changes for a keeper that has not started by then.  That its generations must be
        seeded again is durable when this returns.  Raises `RetryableError` while it cannot be recorded.
        """
        if not self._begun:
            self._eviction.mark_all_missed()

    def evict(self, stopped: Collection[GenerationName]) -> None:
        """Evict these generations, whose pipelines have ended, if other indexes wait for them.

        All of a paused index: none of its pipelines runs.
        """
        if not self.paused:
            self._paused_since = None
            self._eviction.evict(stopped, snapshot_runs=self._snapshot_runs)
            return
        now = self._clock.monotonic()
        if self._paused_since is None:
            self._paused_since = now
        names = {item.generation.name for item in self._known.stored}
        overdue = now - self._paused_since > _LONGEST_HELD_SECONDS
        self._eviction.evict(names, snapshot_runs=self._snapshot_runs, overdue=overdue)

    # --- one round ------------------------------------------------------------------------------

    def _round(self) -> list[Active]:
        if not self._ensured:
            self._steps.ensure()
            self._ensured = True
        log = self._view.read()
        lineage = log.lineage
        if lineage is None:
            return self._wait("flusso-capture to create the slot")
        if missing := self._view.missing(self._plan.tables):
            return self._wait(f"flusso-capture to create the topics {', '.join(missing)}")
        snapshot = log.snapshots.get(self._plan.root)
        self._snapshot_runs = any(
            table in self._plan.tables and found.state == "running"
            for table, found in log.snapshots.items()
        )
        if not self._begun:
            self._begin()
        elif not self.paused:
            self._eviction.restart_due()
        facts = self._facts(lineage, snapshot)
        for _ in range(_MAX_ACTIONS_PER_ROUND):
            action = decide.decide(facts)
            if action is None:
                break
            go_on = self._steps.run_action(action, facts)
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
        """Refresh a seeding at intervals, so that the refresh before the swap of aliases, which one thread does, is short."""
        for item in active:
            progress = item.progress
            if progress is None or not progress.total:
                continue
            part = progress.done / progress.total
            name, before = self._refreshed or (item.name, 0.0)
            if part - (before if name == item.name else 0.0) >= _REFRESH_AFTER_PART:
                self._refreshed = (item.name, part)
                for indexes in self._steps.indexes:
                    indexes.refresh(item.name)

    def _wait(self, what: str) -> list[Active]:
        self._status.waiting(what)
        return []

    def _begin(self) -> None:
        """Run what the first round with a slot needs."""
        self._eviction.restart_all()
        self._begun = True

    def _sweep(self, stored: Sequence[Stored]) -> None:
        """Delete unknown older indexes, once for each generation that this process finds live."""
        newest = stored[-1].generation if stored else None
        if newest is not None and newest.state == "live" and self._swept != newest.name:
            self._steps.sweep(stored, newest.name)
            self._swept = newest.name

    # --- facts ----------------------------------------------------------------------------------

    def _facts(self, lineage: Lineage, snapshot: TableSnapshot | None) -> decide.Facts:
        self._known = known = self._leadership.observe()
        stored = known.stored
        if self._found is None:
            self._found = frozenset(item.generation.name for item in stored)
        now = self._clock.monotonic()
        if now >= self._inspect_at:
            self._damaged = self._inspect(stored)
            self._inspect_at = now + _INSPECTION_INTERVAL_SECONDS
        seeding = [item.generation for item in stored if item.generation.state == "seeding"]
        self._committed = {item.name: self._read_committed(item) for item in seeding}
        return decide.Facts(
            hash=self._plan.hash,
            leading=self._leadership.leading,
            lineage=lineage,
            stored=stored,
            superseded=known.superseded,
            paused=known.paused is not None,
            damaged=self._damaged,
            complete={
                item.name.physical for item in seeding if self._will_read_all(item, snapshot)
            },
            reached={item.name.physical for item in seeding if self._reached(item)},
        )

    def _inspect(self, stored: Sequence[Stored]) -> dict[str, decide.Damage]:
        """Detect what was removed by hand (I6), and names that refer to something else now."""
        found: dict[str, decide.Damage] = {}
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
            if self._refers_to_others(generation):
                found[generation.name.physical] = _RENAMED
            for indexes in self._steps.indexes:
                damage = indexes.damage(generation.name, live=published)
                earlier = found.get(generation.name.physical)
                if damage is not None and (earlier is None or earlier.writable):
                    found[generation.name.physical] = damage
        return found

    def _refers_to_others(self, generation: Generation) -> bool:
        """Whether names of the schema were bound differently when an earlier process created the generation."""
        earlier = self._found is not None and generation.name in self._found
        if generation.name.hash != self._plan.hash or not earlier:
            return False
        return not same_names(generation.plan, self._plan)

    def _will_read_all(self, generation: Generation, snapshot: TableSnapshot | None) -> bool:
        """Whether the snapshot is complete, and all of it comes after the offsets at which the generation starts."""
        if snapshot is None or snapshot.state != "complete" or generation.missed:
            return False
        # A topic retains what was published before, unless its retention is limited; a log in memory retains it only
        # for groups that existed then.
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

    def _want(self, facts: decide.Facts) -> None:
        """Request a snapshot of the root table while a seeding generation needs one."""
        wanting = not facts.paused and any(
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
            (now - self._wanted_since) % (_REQUEST_SECONDS + _REQUEST_PAUSE_SECONDS)
            < _REQUEST_SECONDS
        )
        self._wanted = self._plan.root if asked else None

    def _active(self, facts: decide.Facts) -> list[Active]:
        return [
            Active(
                name=item.generation.name,
                plan=item.generation.plan,
                state=item.generation.state,
                group=self._steps.group(item.generation),
                progress=self._progress(item.generation),
                created_at=item.generation.created_at,
            )
            for item in facts.stored
            if not facts.paused
            and item.generation.state in ("seeding", "live")
            and not item.generation.missed
            and _writable(facts.damaged.get(item.generation.name.physical))
        ]

    def _progress(self, generation: Generation) -> Progress | None:
        if generation.state != "seeding":
            return None
        ends = generation.targets or self._log.groups.ends(generation.plan.tables)
        return seeding_progress(generation, self._committed[generation.name], ends)


def _writable(damage: decide.Damage | None) -> bool:
    return damage is None or damage.writable
