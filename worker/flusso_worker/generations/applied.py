"""Which commits an index has applied: recorded in the bookkeeping, for readers that wait for what they wrote.

Capture records up to which LSN every change is in the log.  The ends of the topics, read after that, are offsets after all these changes.  When the group of
a generation has committed up to them, the generation has applied everything up to that LSN.  Nothing is recorded earlier: a
group commits what every sink has acknowledged (I7).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flusso_shared.changelog.control_records import (
    Checkpoint,
    checkpoint_of,
    lineage_of,
    resync_tables,
)
from flusso_shared.errors import FlussoError
from flusso_shared.names import GenerationName, TableName
from flusso_shared.seams import ChangeLog, Offsets
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, path

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 0.2
_MOST_MARKS = 64
_LAST_ROUND_SECONDS = 5.0


class AppliedRecords:
    """The records of one cluster: a document per generation in the bookkeeping index, `applied:<physical name>`."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._meta = f"{prefix}flusso_meta"
        self._store = GenerationStore(cluster, prefix)

    def put(self, applied: Collection[Applied]) -> None:
        """Record them; an older one never replaces a newer one, whichever worker writes last."""
        if not applied:
            return
        self._store.ensure()
        lines: list[Any] = []
        for item in applied:
            version = (item.timeline << 48) | (item.lsn >> 3)
            where = {"_id": _id(item.generation), "version": version}
            lines += [{"index": {**where, "version_type": "external_gte"}}, item.to_json()]
        body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        self._cluster.request("POST", path(self._meta, "_bulk"), body)

    def forget(self, generation: GenerationName) -> None:
        """Remove the record of a generation that is deleted."""
        where = path(self._meta, "_doc", _id(generation))
        self._cluster.request("DELETE", where, allow=(HTTPStatus.NOT_FOUND,))


@dataclass(frozen=True, slots=True)
class Applied:
    """A generation has applied every commit that ends at `lsn` or before, on this timeline."""

    generation: GenerationName
    lsn: int
    timeline: int

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "applied",
            "index": self.generation.index,
            "lsn": self.lsn,
            "timeline": self.timeline,
        }


def _id(generation: GenerationName) -> str:
    return f"applied:{generation.physical}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Offsets after all changes up to an LSN."""

    lsn: int
    ends: Offsets


@dataclass(slots=True)
class Marks:
    """The marks of one generation that its group has not reached, oldest first.  Pure."""

    _waiting: list[Mark] = field(default_factory=list)
    applied: int = 0
    """The LSN of the last mark that was reached."""

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def add(self, mark: Mark) -> None:
        """Add a later mark.  Of many, every second one is given up: a backlog needs no more."""
        if len(self._waiting) >= _MOST_MARKS:
            del self._waiting[::2]
        self._waiting.append(mark)

    def reach(self, committed: Offsets, ends: Offsets) -> bool:
        """Note how far the group has come; whether it has reached a further mark.

        `ends` are those of now.  An offset beyond them is of a topic that was deleted and created again, and says nothing.
        """
        if any(offset > ends.get(at, 0) for at, offset in committed.items()):
            return False
        reached = 0
        for mark in self._waiting:
            if any(committed.get(at, 0) < offset for at, offset in mark.ends.items()):
                break
            reached += 1
            self.applied = mark.lsn
        del self._waiting[:reached]
        return reached > 0


@dataclass(slots=True)
class _Followed:
    """A live generation."""

    generation: Generation
    marks: Marks = field(default_factory=Marks)
    seen: int = 0
    """The LSN of its last mark."""


class AppliedPositions:
    """A thread that records for each live generation up to which LSN it has applied all commits."""

    def __init__(
        self,
        records: Sequence[AppliedRecords],
        log: ChangeLog,
        topic_prefix: str,
        live: Callable[[], Iterable[Generation]],
    ) -> None:
        """`records` of each cluster; `live` gives the generations that queries see, and is called from the thread."""
        self._records = records
        self._log = log
        self._topic_prefix = topic_prefix
        self._live = live
        self._followed: dict[str, _Followed] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="applied", daemon=True)
        self.failure: BaseException | None = None
        """An unexpected error that ended the thread."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish(self) -> None:
        """Stop the thread, waiting a few seconds at most for a server that does not answer."""
        self._stop.set()
        self._thread.join(_LAST_ROUND_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_INTERVAL_SECONDS):
                try:
                    self.step()
                except FlussoError as error:
                    # Others report servers that do not answer.
                    logger.debug("cannot record what is applied: %s", error)
        except BaseException as error:  # noqa: BLE001 - the worker raises it
            self.failure = error

    def step(self) -> None:
        """One round.  Raises `FlussoError` while a server does not answer."""
        self._follow([item for item in self._live() if not item.missed])
        if not self._followed:
            return
        # What is in the log is read before the ends of the log.
        records = self._log.control.load()
        lineage = lineage_of(records)
        checkpoint = None if lineage is None else checkpoint_of(records, lineage)
        if checkpoint is None:
            return
        incomplete = resync_tables(records)
        reached = [
            Applied(item.generation.name, item.marks.applied, checkpoint.timeline)
            for item in self._followed.values()
            if self._advance(item, checkpoint, incomplete)
        ]
        for each in self._records:
            each.put(reached)

    def _follow(self, generations: Iterable[Generation]) -> None:
        before, self._followed = self._followed, {}
        for generation in generations:
            name = generation.name.physical
            item = self._followed[name] = before.get(name) or _Followed(generation)
            item.generation = generation

    def _advance(
        self, item: _Followed, checkpoint: Checkpoint, incomplete: Collection[TableName]
    ) -> bool:
        """Whether the generation has reached a further mark."""
        generation = item.generation
        marked = (
            checkpoint.acknowledged != item.seen
            and checkpoint.lineage == generation.lineage
            # Until its resync is in the log, changes of such a table may be missing from it.
            and not any(table in incomplete for table in generation.plan.tables)
        )
        if not marked and not item.marks.waiting:
            return False
        group = generation.name.group(self._topic_prefix)
        if not self._log.groups.retains(group):
            return False
        committed = self._log.groups.committed(group, generation.plan.tables)
        ends = self._log.groups.ends(generation.plan.tables)
        if marked:
            item.marks.add(Mark(checkpoint.acknowledged, ends))
            item.seen = checkpoint.acknowledged
        return item.marks.reach(committed, ends)
