"""Looks at a deployment: every server and every process at once, each within a limit, and what follows from it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from flusso_cli.overview import bookkeeping, indexes, processes, source
from flusso_cli.overview.assumed import assumed
from flusso_cli.overview.bookkeeping import Records
from flusso_cli.overview.model import Overview, Process, Queue, Sink
from flusso_cli.overview.offsets import LogOffsets, read_offsets
from flusso_cli.overview.problems import Parts, health, problems
from flusso_cli.overview.question import Answer, Question
from flusso_cli.overview.rates import Look, Looks, Position
from flusso_cli.overview.target import Target
from flusso_cli.registry.entry import Entry
from flusso_shared.errors import FatalError
from flusso_shared.names import GenerationName
from flusso_worker.generations.view import GenerationView, views

_RECORDS_SECONDS = 2.5
"""For OpenSearch: what the other questions are about is on record there."""
_ALL_SECONDS = 4.5
_STATUS_SECONDS = 1.8
_FRESH_SECONDS = 1.0
"""A look that is so recent answers the next request, too."""


@dataclass(slots=True)
class _Seen:
    """What was read last, for as long as OpenSearch does not answer: nothing can be changed there then."""

    records: Records = field(default_factory=Records)
    at: float = 0.0
    """When, in monotonic seconds."""


class Observer:
    """Looks again and again.  Thread-safe: looks that are requested at the same time are one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._newest: tuple[float, Overview] | None = None
        self._seen = _Seen()
        self._looks = Looks()
        self._heartbeats = processes.Heartbeats()
        self._pool = processes.status_pool()
        self._records: Question[Records] = Question("OpenSearch")
        self._quarantine: Question[Mapping[str, int] | None] = Question("OpenSearch")
        self._versions = {
            sink.name: Question[str | None](f"OpenSearch at {sink.address}")
            for sink, cluster in target.sinks
            if cluster is not None
        }
        self._slot: Question[source.Found] = Question("Postgres")
        self._offsets: Question[LogOffsets] = Question(target.log_name)

    def look(self) -> Overview:
        """The deployment as it is now.  Returns within about five seconds, whatever does not answer."""
        with self._lock:
            began = time.monotonic()
            if self._newest is not None and began - self._newest[0] < _FRESH_SECONDS:
                return self._newest[1]
            overview = self._look(began)
            self._newest = time.monotonic(), overview
            return overview

    def _look(self, began: float) -> Overview:
        target, deadline = self._target, began + _RECORDS_SECONDS
        self._ask_clusters()
        records, records_error = self._read_records(deadline)
        entries = self._entries(records)
        in_memory = _in_memory(target, records, entries)
        slot = source.named(target.slot, entries)
        self._slot.ask(partial(source.find, target.conninfo, slot))
        readable = not in_memory or target.in_memory
        if readable:
            self._offsets.ask(partial(_read_offsets, target, records))
        now = time.monotonic()
        statuses = processes.statuses(entries, self._pool, now + _STATUS_SECONDS)
        deadline = began + _ALL_SECONDS
        offsets: Answer[LogOffsets] = self._offsets.answer(deadline) if readable else Answer()
        quarantine = self._quarantine.answer(deadline) if target.bookkeeping else None
        positions = self._positions(offsets.value)
        self._remember(offsets.value, positions, statuses)
        names = [index.name for index in target.plan.indexes]
        found = indexes.indexes(
            indexes.Found(
                names=list(dict.fromkeys([*names, *records.known])),
                generations=self._generations(records, offsets.value),
                positions=positions,
                statuses=list(statuses.values()),
                quarantine=None if quarantine is None else quarantine.value,
                looks=self._looks,
            )
        )
        parts = Parts(
            source=source.described(slot, self._slot.answer(deadline)),
            queue=_queue(in_memory, offsets),
            sinks=self._sinks(deadline, records_error),
            processes=self._processes(entries, statuses),
            indexes=found,
            registry_read=_has_registry(target) and records_error is None,
        )
        wrong = problems(parts)
        return Overview(
            at=time.time(),
            health=health(wrong),
            problems=wrong,
            source=parts.source,
            queue=parts.queue,
            sinks=parts.sinks,
            processes=parts.processes,
            indexes=parts.indexes,
        )

    def _ask_clusters(self) -> None:
        target = self._target
        for sink, cluster in target.sinks:
            if cluster is not None:
                self._versions[sink.name].ask(partial(bookkeeping.version, cluster))
        if target.bookkeeping is not None:
            self._records.ask(target.bookkeeping.records)
            self._quarantine.ask(target.bookkeeping.quarantine)

    def _read_records(self, deadline: float) -> tuple[Records, str | None]:
        """The records, those of an earlier look if need be, and why they could not be read."""
        if self._target.bookkeeping is None:
            return Records(), None
        answer = self._records.answer(deadline)
        if answer.value is not None:
            now = time.monotonic()
            self._seen = _Seen(answer.value, now)
            self._heartbeats.observe(answer.value.entries, now, time.time())
        return self._seen.records, answer.error

    def _entries(self, records: Records) -> list[Entry]:
        """The entries of all processes; that of this one, too, where it is not registered."""
        entries = list(records.entries)
        own = self._target.own() if self._target.own is not None else None
        if own is not None and all(entry.id != own.id for entry in entries):
            entries.append(own)
        return entries

    def _positions(self, offsets: LogOffsets | None) -> dict[GenerationName, Position]:
        """Where the groups are that have committed something."""
        if offsets is None:
            return {}
        prefix = self._target.topic_prefix
        found = {item.name: offsets.position(item, prefix) for item in offsets.generations}
        return {name: position for name, position in found.items() if position is not None}

    def _remember(
        self,
        offsets: LogOffsets | None,
        positions: Mapping[GenerationName, Position],
        statuses: Mapping[str, processes.Status],
    ) -> None:
        """Keep the counters of this look, for rates."""
        self._looks.add(
            Look(
                at=time.monotonic() if offsets is None else offsets.at,
                groups={name.physical: position for name, position in positions.items()},
                captured={id: int(found["changes_captured"]) for id, found in statuses.items()},
                committed={id: int(found["changes_committed"]) for id, found in statuses.items()},
            )
        )

    def _generations(
        self, records: Records, offsets: LogOffsets | None
    ) -> dict[str, list[GenerationView]]:
        prefix = self._target.topic_prefix
        return {name: views(known, offsets, prefix) for name, known in records.known.items()}

    def _processes(
        self, entries: Sequence[Entry], statuses: Mapping[str, processes.Status]
    ) -> list[Process]:
        now = time.monotonic()
        found: list[Process] = []
        registered = {entry.id for entry in self._seen.records.entries}
        for entry in entries:
            age = self._heartbeats.age(entry.id, now) if entry.id in registered else None
            when_read = 0.0
            if age is not None:
                when_read = self._heartbeats.age(entry.id, self._seen.at)
            status = statuses.get(entry.id)
            found.append(processes.process(entry, status, age, when_read, self._looks))
        return processes.ordered(found)

    def _sinks(self, deadline: float, records_error: str | None) -> list[Sink]:
        found: list[Sink] = []
        for sink, cluster in self._target.sinks:
            if cluster is None:
                found.append(sink)
                continue
            answer = self._versions[sink.name].answer(deadline)
            # The records are in the first one.
            error = answer.error or (records_error if not found else None)
            found.append(Sink(sink.name, sink.kind, sink.address, answer.value, error))
        return found


def _in_memory(target: Target, records: Records, entries: Sequence[Entry]) -> bool:
    """Whether the change log is that of `flusso run`, by the process that started last, or the generations."""
    if target.in_memory is not None:
        return target.in_memory
    sources = [entry for entry in entries if entry.part in ("capture", "run")]
    if sources:
        return max(sources, key=lambda entry: entry.started_at).part == "run"
    generations = records.generations
    return bool(generations) and not any(item.durable for item in generations)


def _has_registry(target: Target) -> bool:
    return target.bookkeeping is not None and target.bookkeeping.has_registry


def _read_offsets(target: Target, records: Records) -> LogOffsets:
    log, prefix = target.log(), target.topic_prefix
    generations = records.generations
    if not records.known and log.durable:
        # The user may lack the right to list groups; the topics are worth showing without them.
        with contextlib.suppress(FatalError):
            names = log.groups.names()
            generations = assumed(target.plan, target.index_prefix, prefix, names)
    # Those on record have the names of the database, which may differ in case from those of the schema files.
    tables = () if records.known else target.plan.tables
    return read_offsets(log, prefix, tables, generations)


def _queue(in_memory: bool, answer: Answer[LogOffsets]) -> Queue:
    found = answer.value
    return Queue(
        "memory" if in_memory else "kafka",
        [] if found is None else found.shown(),
        answer.error if found is None else found.error,
    )
