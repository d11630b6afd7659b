"""The processes of a deployment: their entries, what they answer, and whether they live.  Pure but for `statuses`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import urllib3
from urllib3.exceptions import HTTPError

from flusso_cli.overview.model import Process
from flusso_cli.overview.question import ask_all
from flusso_cli.overview.rates import Looks
from flusso_cli.registry.entry import MISSED_BEATS, Entry
from flusso_shared.errors import RetryableError

_TIMEOUT_SECONDS = 1.5
_OK = 200
_ORDER = ("capture", "run", "worker")

Status = Mapping[str, Any]
"""A `/status` document."""


def statuses(
    entries: Sequence[Entry], pool: urllib3.PoolManager, deadline: float
) -> dict[str, Status]:
    """By id the `/status` of each process that answers, asked all at once; `deadline` in monotonic seconds."""

    def ask(entry: Entry) -> Status:
        try:
            reply = pool.request("GET", f"{entry.public}/status")
            found = json.loads(reply.data)
        except (HTTPError, ValueError) as error:
            raise RetryableError(f"{entry.public} does not answer: {error}") from error
        # Another process may listen there: a loopback address is that of another machine's process here.
        if reply.status != _OK or not isinstance(found, Mapping) or found.get("id") != entry.id:
            raise RetryableError(f"another process answers at {entry.public}")
        return found

    asked = {entry.id: (lambda entry=entry: ask(entry)) for entry in entries if not entry.ended}
    answers = ask_all(asked, deadline)
    return {id: answer.value for id, answer in answers.items() if answer.value is not None}


def status_pool() -> urllib3.PoolManager:
    """Connections to the processes, which give up soon."""
    return urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False)


@dataclass(slots=True)
class _Beat:
    """The newest heartbeat of a process that an observer has seen."""

    sequence: int
    seen_at: float
    age: float
    """How old it was then."""


class Heartbeats:
    """How long ago each process wrote its entry, as one observer sees it.

    The first time the clocks of the two machines are compared; from then on the observer's own clock counts.
    """

    def __init__(self) -> None:
        self._beats: dict[str, _Beat] = {}

    def observe(self, entries: Sequence[Entry], now: float, wall: float) -> None:
        """Record one reading at `now` in monotonic seconds, which is `wall` in seconds since the epoch."""
        beats: dict[str, _Beat] = {}
        for entry in entries:
            known = self._beats.get(entry.id)
            if known is None:
                known = _Beat(entry.sequence, now, max(0.0, wall - entry.beat_at))
            elif known.sequence != entry.sequence:
                known = _Beat(entry.sequence, now, 0.0)
            beats[entry.id] = known
        self._beats = beats

    def age(self, id: str, now: float) -> float:
        """Seconds since the newest heartbeat, at `now` in monotonic seconds."""
        beat = self._beats[id]
        return beat.age + now - beat.seen_at


def process(
    entry: Entry, status: Status | None, age: float | None, age_when_read: float, looks: Looks
) -> Process:
    """One process.  `age` is that of its heartbeat now, `age_when_read` that when the registry was read last.

    While the registry does not answer, no process can write to it, and none becomes silent.
    """
    found: Status = status or {}
    return Process(
        id=entry.id,
        part=entry.part,
        host=entry.host,
        pid=entry.pid,
        version=entry.version,
        revision=entry.revision,
        public=entry.public,
        private=entry.private,
        started_at=entry.started_at,
        state=_state(entry, age_when_read, answers=status is not None),
        heartbeat_seconds_ago=age,
        answers=status is not None,
        phase=found.get("phase"),
        health=found.get("health"),
        uptime_seconds=found.get("uptime_seconds"),
        waiting_for=found.get("waiting_for"),
        last_error=found.get("last_error"),
        captured_per_second=looks.captured_per_second(entry.id),
        committed_per_second=looks.committed_per_second(entry.id),
    )


def ordered(processes: Sequence[Process]) -> list[Process]:
    """Capture first; of one part, those that run first."""
    states = ("alive", "silent", "ended")
    return sorted(
        processes,
        key=lambda item: (
            _ORDER.index(item.part),
            states.index(item.state),
            item.host,
            item.started_at,
        ),
    )


def _state(entry: Entry, age: float, *, answers: bool) -> Literal["alive", "silent", "ended"]:
    if answers:
        return "alive"
    if entry.ended:
        return "ended"
    return "silent" if age > MISSED_BEATS * entry.interval else "alive"
