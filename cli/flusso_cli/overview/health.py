"""The health of a deployment, from what is known of its parts.  Pure.

*failing*: something does not go on without an operator.  *degraded*: it goes on by itself or later, or goes on worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flusso_cli.overview.model import Index, Process, Queue, Sink, Source
from flusso_shared.health.decide import Health

_RANK = {"failing": 0, "degraded": 1}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the health is derived from."""

    source: Source
    queue: Queue
    sinks: Sequence[Sink]
    processes: Sequence[Process]
    indexes: Sequence[Index]
    registry_read: bool
    """Whether `processes` are all processes.  Without a registry, or while it does not answer, others may run."""


@dataclass(frozen=True, slots=True)
class _Finding:
    state: Literal["failing", "degraded"]
    reason: str


def derive(parts: Parts) -> Health:
    """The health: the worst finding decides, and all are reasons, failures first."""
    found = sorted(_findings(parts), key=lambda item: _RANK[item.state])
    reasons = tuple(dict.fromkeys(item.reason for item in found))
    return Health(found[0].state if found else "ok", reasons)


def _findings(parts: Parts) -> Iterator[_Finding]:
    yield from _of_slot(parts)
    yield from _of_missing_processes(parts)
    for index in parts.indexes:
        yield from _of_index(index)
    yield from _of_processes(parts)
    if parts.source.error is not None:
        yield _Finding("degraded", parts.source.error)
    if parts.queue.error is not None:
        yield _Finding("degraded", parts.queue.error)
    for sink in parts.sinks:
        if sink.error is not None:
            yield _Finding("degraded", f"sink {sink.name}: {sink.error}")


def _of_slot(parts: Parts) -> Iterator[_Finding]:
    source = parts.source
    if source.wal_status == "lost":
        yield _Finding(
            "failing",
            f"slot {source.slot} is lost: Postgres removed log that it needs; `flusso slot status` says what follows",
        )
    elif source.wal_status == "unreserved":
        yield _Finding(
            "degraded",
            f"slot {source.slot} is about to be lost: Postgres removes log that it needs at the next checkpoint; raise"
            " max_slot_wal_keep_size, and find what delays capture",
        )
    if source.active is False and any(_captures(process) for process in parts.processes):
        yield _Finding("degraded", f"no process reads from slot {source.slot}")


def _of_missing_processes(parts: Parts) -> Iterator[_Finding]:
    """The parts of which no process runs."""
    if not parts.registry_read:
        return
    living = [process for process in parts.processes if process.lives]
    if parts.source.active is not True and not any(_captures(process) for process in living):
        command = "flusso run" if parts.queue.kind == "memory" else "flusso-capture"
        yield _Finding(
            "failing", f"no {command} runs: changes wait in the write-ahead log; start it"
        )
    if parts.queue.kind == "memory" or any(process.part == "worker" for process in living):
        return
    yield _Finding("failing", "no flusso-worker runs: changes wait in Kafka; start one")


def _captures(process: Process) -> bool:
    return process.lives and process.part in ("capture", "run")


def _of_index(index: Index) -> Iterator[_Finding]:
    name = f"index {index.index}"
    if index.state == "stopped":
        yield _Finding("failing", f"{_stopped(index)}: {index.last_error or 'see the log'}")
    if index.paused:
        yield _Finding("degraded", f"{name} is paused; `flusso resume {index.index}` continues it")
    if index.quarantine:
        documents = "1 document" if index.quarantine == 1 else f"{index.quarantine:,} documents"
        yield _Finding(
            "degraded", f"{name} has {documents} in quarantine; see `flusso quarantine list`"
        )


def _stopped(index: Index) -> str:
    """As processes report it, too."""
    return f"index {index.index} has stopped"


def _of_processes(parts: Parts) -> Iterator[_Finding]:
    stopped = tuple(_stopped(index) for index in parts.indexes if index.state == "stopped")
    reported: dict[tuple[Literal["failing", "degraded"], str], list[str]] = {}
    for process in parts.processes:
        if process.state == "silent":
            ago = process.heartbeat_seconds_ago or 0.0
            yield _Finding(
                "degraded",
                f"{process.name} is silent: its last heartbeat was {ago:.0f} s ago; see its log, and start it again",
            )
        health = process.health or {}
        state = health.get("state")
        if state not in ("failing", "degraded"):
            continue
        for reason in health.get("reasons", ()):
            if reason.startswith(stopped):
                continue
            reported.setdefault((state, reason), []).append(process.name)
    for (state, reason), names in reported.items():
        whose = names[0] if len(names) == 1 else f"{len(names)} processes"
        yield _Finding(state, f"{whose}: {reason}")
