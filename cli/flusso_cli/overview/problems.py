"""What is wrong with a deployment and what an operator does about it, from what is known of its parts.  Pure.

*failing*: something does not go on without an operator.  *degraded*: it goes on by itself or later, or goes on worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flusso_cli.overview.model import Index, Problem, Process, Queue, Sink, Source
from flusso_shared.health.decide import Health

_RANK = {"failing": 0, "degraded": 1}
_AGAIN = "The processes try again by themselves, and nothing is lost meanwhile."


@dataclass(frozen=True, slots=True)
class Parts:
    """What the problems are derived from."""

    source: Source
    queue: Queue
    sinks: Sequence[Sink]
    processes: Sequence[Process]
    indexes: Sequence[Index]
    registry_read: bool
    """Whether `processes` are all processes.  Without a registry, or while it does not answer, others may run."""


def problems(parts: Parts) -> list[Problem]:
    """What is wrong, failures first."""
    found = sorted(_problems(parts), key=lambda item: _RANK[item.level])
    return list(dict.fromkeys(found))


def health(found: Sequence[Problem]) -> Health:
    """The health: the worst problem decides, and all are reasons.  `found` has failures first."""
    return Health(found[0].level if found else "ok", tuple(str(item) for item in found))


def _problems(parts: Parts) -> Iterator[Problem]:
    yield from _of_source(parts)
    yield from _of_missing_processes(parts)
    for index in parts.indexes:
        yield from _of_index(index)
    if parts.queue.error is not None:
        yield Problem(
            "degraded",
            "Kafka",
            parts.queue.error,
            f"Check that the brokers of [queue] run and accept this user. {_AGAIN}",
        )
    for sink in parts.sinks:
        yield from _of_sink(sink)
    for process in parts.processes:
        yield from _of_presence(process)
    yield from _of_reports(parts)


def _of_source(parts: Parts) -> Iterator[Problem]:
    source, slot = parts.source, f"slot {parts.source.slot}"
    if source.error is not None:
        yield Problem(
            "degraded",
            "Postgres",
            source.error,
            f"Check that Postgres runs and accepts the address and the role of [source]; `flusso check` says which part fails. {_AGAIN}",
        )
    if source.wal_status == "lost":
        yield Problem(
            "failing",
            slot,
            "it is lost: Postgres removed log that was not read yet",
            "Raise max_slot_wal_keep_size; then start capture, or restart it where it hangs. It replaces the slot and rebuilds"
            " every index by itself, and queries are answered meanwhile. Where on_lost_position is"
            ' "stop", start it once with --on-lost-position=rebuild.',
        )
    elif source.wal_status == "unreserved":
        yield Problem(
            "degraded",
            slot,
            "it is about to be lost: Postgres removes log that was not read yet at its next checkpoint",
            "Raise max_slot_wal_keep_size now, and reload Postgres; then see what delays capture.",
        )
    if source.active is False and any(_captures(process) for process in parts.processes):
        yield Problem(
            "degraded",
            slot,
            "no process reads from it, and Postgres keeps the log for it",
            "Capture runs: its log and `waiting_for` in its `/status` say what it waits for.",
        )


def _of_missing_processes(parts: Parts) -> Iterator[Problem]:
    """The parts of which no process runs."""
    if not parts.registry_read:
        return
    living = [process for process in parts.processes if process.lives]
    start = "Start it. Where it ended by itself, the last lines of its log say why, and what to do."
    if parts.source.active is not True and not any(_captures(process) for process in living):
        command = "flusso run" if parts.queue.kind == "memory" else "flusso-capture"
        what = f"no {command} runs: changes wait in the write-ahead log"
        yield Problem("failing", "processes", what, start)
    if parts.queue.kind == "memory" or any(process.part == "worker" for process in living):
        return
    what = "no flusso-worker runs: changes wait in Kafka"
    yield Problem("failing", "processes", what, start)


def _captures(process: Process) -> bool:
    return process.lives and process.part in ("capture", "run")


def _of_index(index: Index) -> Iterator[Problem]:
    where = f"index {index.index}"
    if index.state == "stopped":
        yield Problem(
            "failing",
            where,
            f"it has stopped: {(index.last_error or 'see the log').removeprefix(f'{where}: ')}",
            "Repair what the message names. The index keeps its position, and goes on by itself within a minute.",
        )
    if index.paused:
        yield Problem(
            "degraded", where, "it is paused", f"`flusso resume {index.index}` continues it."
        )
    if index.quarantine:
        counted = (
            "1 document is" if index.quarantine == 1 else f"{index.quarantine:,} documents are"
        )
        yield Problem(
            "degraded",
            where,
            f"{counted} in quarantine: the index has an earlier version, or none",
            f"`flusso quarantine list --index {index.index}` has the reasons. Repair the rows or the schema; then"
            f" `flusso quarantine retry --index {index.index}`.",
        )


def _of_sink(sink: Sink) -> Iterator[Problem]:
    if sink.error is not None:
        yield Problem(
            "degraded",
            f"sink {sink.name}",
            sink.error,
            f"Check that it runs at the address of [sinks.{sink.name}], has disk space, and accepts this user. {_AGAIN}",
        )


def _of_presence(process: Process) -> Iterator[Problem]:
    if process.state == "silent":
        ago = process.heartbeat_seconds_ago or 0.0
        others = (
            "Other workers take over its part of the indexes."
            if process.part == "worker"
            else "Until then changes wait in the write-ahead log."
        )
        yield Problem(
            "degraded",
            process.name,
            f"it is silent: its last heartbeat was {ago:.0f} s ago",
            f"It hangs, or it and its machine are gone: restart it. {others}",
        )
    elif process.lives and not process.answers:
        yield Problem(
            "degraded",
            process.name,
            f"it does not answer at its public address {process.public}",
            "Check that the address can be reached from here (a firewall, 127.0.0.1 of another machine: --public-address). If"
            " it can, the process hangs or is very busy: its log says more.",
        )


def _of_reports(parts: Parts) -> Iterator[Problem]:
    """What the processes say of themselves.  While a server does not answer, what waits for it is no problem of its own."""
    stopped = tuple(
        f"index {index.index} has stopped" for index in parts.indexes if index.state == "stopped"
    )
    errors = (parts.source.error, parts.queue.error, *(sink.error for sink in parts.sinks))
    away = any(error is not None for error in errors)
    reported: dict[tuple[Literal["failing", "degraded"], str], list[str]] = {}
    for process in parts.processes:
        found = process.health or {}
        state = found.get("state")
        if state not in ("failing", "degraded") or (away and state == "degraded"):
            continue
        for reason in found.get("reasons", ()):
            if not reason.startswith(stopped):
                reported.setdefault((state, reason), []).append(process.name)
    for (state, reason), names in reported.items():
        where = names[0] if len(names) == 1 else f"{len(names)} processes"
        yield Problem(state, where, reason, _TODO[state])


_TODO = {
    "failing": "Restart the process, unless it is restarted by itself; its log says more.",
    "degraded": "Repair what the message names. A restart does not help: the process tries again by itself.",
}
