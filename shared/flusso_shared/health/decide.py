"""Facts about a process -> its health.  Pure.

failing    restarting the process may help: it makes no progress and no server explains that, one of its threads has ended,
           or the slot is lost
degraded   it waits: a server does not answer, refuses or is busy, a statement takes long, an operation is retried, or an
           index has stopped at an error that an operator has to repair.  Restarting it does not help.  Or everything is
           read again, because the position in the log was lost
ok         everything else
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "degraded", "failing"]

DEFAULT_STALL_TIMEOUT = 60.0
"""Seconds with a backlog and without an acknowledgement after which a process fails."""
_LONG_STATEMENT_SECONDS = 5.0
"""A statement that has run for so long explains why nothing was acknowledged."""
_SHOWN_REASONS = 5


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a process, with the reasons for anything but ok."""

    state: State
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.reasons:
            return self.state
        shown = self.reasons[:_SHOWN_REASONS]
        left = len(self.reasons) - len(shown)
        return f"{self.state}: {'; '.join(shown)}{f'; and {left} more' if left else ''}"

    def to_json(self) -> dict[str, Any]:
        """As `/status` shows it."""
        return {"state": self.state, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits to be acknowledged."""

    what: str
    """`index users`, `capture`."""
    records: int
    since: float
    """Monotonic seconds: when it began to wait, or when something of it was acknowledged last, whichever is later."""
    statement_since: float | None = None
    """Monotonic seconds: since when Postgres has worked on a statement for it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a process knows of itself at one moment."""

    waiting: Sequence[Waiting] = ()
    """What waits, without indexes that have stopped or are paused."""
    outages: Sequence[str] = ()
    """Why servers do not answer, or refuse."""
    retried: Sequence[str] = ()
    """Operations that are retried, and why."""
    outage_ended_at: float = 0.0
    """Monotonic seconds: when the last outage ended.  Nothing could be acknowledged before."""
    stopped: Mapping[str, str | None] = field(default_factory=dict)
    """Indexes that have stopped at an error, and the error."""
    ended_threads: Mapping[str, str] = field(default_factory=dict)
    """Threads that ended although no stop was requested, and the error."""
    lost_position: str | None = None
    """Why everything is read again, while it is."""
    lost_slot: str | None = None
    """The name of a slot whose log the server has removed."""


def decide(facts: Facts, now: float, stall_timeout: float) -> Health:
    """The health at `now` (monotonic seconds).  `stall_timeout` is in seconds; 0 means that nothing counts as a stall."""
    failing = [f"thread {name} has ended: {error}" for name, error in facts.ended_threads.items()]
    if facts.lost_slot is not None:
        failing.append(
            f"replication slot {facts.lost_slot} is lost: the server removed log that it needs"
        )
    degraded = [*facts.outages, *_unexplained(facts.retried, facts.outages)]
    if stall_timeout and not degraded:
        for item in facts.waiting:
            if now - (begun := max(item.since, facts.outage_ended_at)) < stall_timeout:
                continue
            stalled = f"{item.what}: {_changes(item.records)}, and none was acknowledged for {now - begun:.0f} s"
            if item.statement_since is None or now - item.statement_since < _LONG_STATEMENT_SECONDS:
                failing.append(f"{stalled}; a restart may help")
            else:
                ran = now - item.statement_since
                degraded.append(
                    f"{stalled}: Postgres has worked on a statement of it for {ran:.0f} s; `flusso explain` shows the plan of"
                    " a document, pg_stat_activity what the statement waits for"
                )
    if facts.lost_position is not None:
        degraded.append(f"everything is read again: {facts.lost_position}")
    degraded += [
        f"index {name} has stopped{f': {error}' if error else ''}"
        for name, error in facts.stopped.items()
    ]
    if failing:
        return Health("failing", (*failing, *degraded))
    return Health("degraded", tuple(degraded)) if degraded else Health("ok")


def _changes(number: int) -> str:
    return "1 change waits" if number == 1 else f"{number} changes wait"


def _unexplained(messages: Sequence[str], outages: Sequence[str]) -> list[str]:
    """Those of the messages that end with the reason of no outage: the others would hide them."""
    # Without the time that `Servers` appends.
    plain = [outage.rpartition(" (since ")[0] or outage for outage in outages]
    reasons = tuple(outage.partition(": ")[2] or outage for outage in plain)
    return [message for message in messages if not message.endswith(reasons)]
