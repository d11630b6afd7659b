"""What the process is doing, for `/status`, `/healthz`, `/readyz` and the progress line.  Thread-safe."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flusso_shared import release
from flusso_shared.health.backlogs import Backlogs
from flusso_shared.health.decide import DEFAULT_STALL_TIMEOUT, Facts, Health, decide
from flusso_shared.health.servers import Servers

Phase = Literal["starting", "backfilling", "live", "stopped"]
IndexState = Literal["pending", "backfilling", "seeded", "standby", "stopped", "paused"]


_NOT_RUNNING: frozenset[IndexState] = frozenset({"stopped", "paused"})


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a seeding or a snapshot, in rows or changes."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SlotState:
    """The replication slot, as Postgres reports it.  Sizes in bytes."""

    name: str
    wal_status: str
    """As in `pg_replication_slots`: reserved, extended, unreserved, lost."""
    lag_bytes: int | None
    """Log after the confirmed LSN; None for a slot that is lost."""
    retained_bytes: int | None
    """Log that Postgres keeps for it."""
    safe_bytes: int | None
    """What can still be written before the slot is invalidated; None without a limit."""


@dataclass(frozen=True, slots=True)
class _Retried:
    """An operation that failed several times and is tried again."""

    message: str
    sink: str | None
    """The sink that it writes to, where that is why it failed."""
    index: str | None


class Status:
    """Mutable state of one process, read as one consistent dictionary."""

    def __init__(
        self,
        stall_timeout: float = DEFAULT_STALL_TIMEOUT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stall_timeout`: see `health.decide`; `now` gives monotonic seconds."""
        self._now = now
        self.id = uuid.uuid4().hex
        """Of this process: no other one, and no later start, has it."""
        self._stall_timeout = stall_timeout
        self.servers = Servers(now)
        self.backlogs = Backlogs(now)
        self._lock = threading.Lock()
        self._started = self._now()
        self._phase: Phase = "starting"
        self._waiting_for: str | None = None
        self._indexes: dict[str, IndexState] = {}
        self._progress: dict[str, Progress] = {}
        self._numbers = {
            "changes_captured": 0,
            "changes_committed": 0,
            "changes_in_flight": 0,
            "documents_built": 0,
            "documents_quarantined": 0,
            "batches": 0,
            "last_flush_micros": 0,
            "errors": 0,
        }
        self._slot: SlotState | None = None
        self._last_error: str | None = None
        self._index_errors: dict[str, str] = {}
        self._quarantine: dict[str, int] = {}
        self._retried: dict[str, _Retried] = {}
        self._hindered_until = 0.0
        """Monotonic seconds: until when something was retried, or an index did not run: nothing could be acknowledged."""
        self._retries: Counter[str] = Counter()
        self._sinks: tuple[str, ...] = ()
        self._sink_retries: Counter[str] = Counter()
        self._ended_threads: dict[str, str] = {}
        self._lost_position: str | None = None

    @property
    def phase(self) -> Phase:
        with self._lock:
            return self._phase

    def set_phase(self, phase: Phase) -> None:
        with self._lock:
            self._phase = phase

    def waiting(self, what: str | None) -> None:
        """Set what the process waits for (`Postgres at ...`); None when it continues."""
        with self._lock:
            self._waiting_for = what

    def set_index(self, name: str, state: IndexState, progress: Progress | None = None) -> None:
        with self._lock:
            if self._indexes.get(name) in _NOT_RUNNING and state not in _NOT_RUNNING:
                self._hindered_until = self._now()
            self._indexes[name] = state
            if state != "stopped":
                self._index_errors.pop(name, None)
            if progress is None:
                self._progress.pop(name, None)
            else:
                self._progress[name] = progress

    def set_progress(self, name: str, progress: Progress | None) -> None:
        """Set the progress of something that is not an index (the snapshot of a table); None when it is over."""
        with self._lock:
            if progress is None:
                self._progress.pop(name, None)
            else:
                self._progress[name] = progress

    def stopped(self) -> list[str]:
        """The indexes that have stopped, and are tried again."""
        with self._lock:
            return sorted(name for name, state in self._indexes.items() if state == "stopped")

    def add(self, counter: str, amount: int = 1) -> None:
        """Add to a counter; `counter` is one of the names in `/status`."""
        with self._lock:
            self._numbers[counter] += amount

    def flushed(self, seconds: float) -> None:
        """A batch was flushed in `seconds`."""
        with self._lock:
            self._numbers["batches"] += 1
            self._numbers["last_flush_micros"] = int(seconds * 1_000_000)

    def set_slot(self, slot: SlotState | None) -> None:
        """Set what is known of the slot; None when it does not exist, or while Postgres cannot be asked."""
        with self._lock:
            self._slot = slot

    def set_sinks(self, names: Collection[str]) -> None:
        """Set the names of the sinks that the process writes to."""
        with self._lock:
            self._sinks = tuple(sorted(names))

    def set_quarantine(self, index: str, documents: int) -> None:
        """Set how many documents of the index are in quarantine."""
        with self._lock:
            self._quarantine[index] = documents

    def failed(self, message: str) -> None:
        """An error stopped something; `message` is kept as `last_error`."""
        with self._lock:
            self._numbers["errors"] += 1
            self._last_error = message

    def index_failed(self, index: str, error: str) -> None:
        """An error stopped the index, for which it is kept until the index is in another state."""
        self.failed(f"index {index}: {error}")
        with self._lock:
            self._index_errors[index] = error

    def retry(self, what: str) -> None:
        """Count an attempt that failed and is repeated."""
        with self._lock:
            self._retries[what] += 1

    def retry_sink(self, sink: str) -> None:
        """Count a request to a sink, or a part of one, that is repeated."""
        with self._lock:
            self._sink_retries[sink] += 1

    def retrying(
        self, doing: str, message: str, *, sink: str | None = None, index: str | None = None
    ) -> None:
        """`doing` has failed several times and is tried again; `message` is `last_error` until `retried`.

        The process is degraded meanwhile, and `sink` too where that is why it failed.
        """
        with self._lock:
            self._retried[doing] = _Retried(message, sink, index)

    def retried(self, doing: str) -> None:
        """`doing` has succeeded."""
        if self._retried:
            with self._lock:
                if self._retried.pop(doing, None) is not None:
                    self._hindered_until = self._now()

    @property
    def lost_position(self) -> str | None:
        """Why everything is read again, while it is."""
        return self._lost_position

    def position_lost(self, reason: str) -> None:
        """The position in the log was lost, and everything is read again, until `position_found`."""
        self.failed(f"everything is read again: {reason}")
        with self._lock:
            self._lost_position = reason

    def position_found(self) -> None:
        """Everything has been read again."""
        with self._lock:
            self._lost_position = None

    def thread_ended(self, name: str, error: BaseException) -> None:
        """A thread of the process has ended with an error."""
        with self._lock:
            self._ended_threads[name] = str(error) or type(error).__name__

    def health(self) -> Health:
        """Whether the process works (`health.decide`)."""
        outages = self.servers.outages()
        with self._lock:
            states = dict(sorted(self._indexes.items()))
            stopped = {
                name: self._index_errors.get(name)
                for name, state in states.items()
                if state == "stopped"
            }
            not_running = {name for name, state in states.items() if state in _NOT_RUNNING}
            slot = self._slot
            facts = Facts(
                waiting=self.backlogs.waiting(not_running),
                outages=tuple(dict.fromkeys(outages.values())),
                retried=tuple(dict.fromkeys(item.message for item in self._retried.values())),
                outage_ended_at=max(self._hindered_until, self.servers.outage_ended_at),
                stopped=stopped,
                ended_threads=dict(self._ended_threads),
                lost_position=self._lost_position,
                lost_slot=slot.name if slot is not None and slot.wal_status == "lost" else None,
            )
        return decide(facts, self._now(), self._stall_timeout)

    def progress(self) -> dict[str, Progress]:
        """Per index or table what is being seeded now."""
        with self._lock:
            return dict(self._progress)

    def to_json(self) -> dict[str, Any]:
        """The `/status` document."""
        health, outages = self.health(), self.servers.outages()
        with self._lock:
            n = self._numbers
            retried = [item.message for item in self._retried.values()]
            return {
                "phase": self._phase,
                "uptime_seconds": int(self._now() - self._started),
                "indexes": dict(sorted(self._indexes.items())),
                "changes_captured": n["changes_captured"],
                "changes_committed": n["changes_committed"],
                "changes_in_flight": n["changes_in_flight"],
                "documents_built": n["documents_built"],
                "documents_quarantined": n["documents_quarantined"],
                "batches": n["batches"],
                "last_flush_micros": n["last_flush_micros"],
                "slot_lag_bytes": None if self._slot is None else self._slot.lag_bytes,
                "errors": n["errors"],
                "last_error": retried[-1] if retried else self._last_error,
                "waiting_for": self._waiting_for,
                "progress": {
                    name: {"done": item.done, "total": item.total}
                    for name, item in sorted(self._progress.items())
                },
                "id": self.id,
                "version": release.version(),
                "revision": release.revision(),
                "health": health.to_json(),
                "servers": self.servers.versions(),
                "sinks": {name: self._sink(name, outages) for name in self._sinks},
                "retries": dict(sorted(self._retries.items())),
                "lag": {name: self._lag(name) for name in sorted(self._indexes)},
                "slot": None if self._slot is None else asdict(self._slot),
            }

    def _sink(self, name: str, outages: Mapping[str, str]) -> dict[str, Any]:
        errors = [item.message for item in self._retried.values() if item.sink == name]
        error = outages.get(f"opensearch {name}") or next(iter(errors), None)
        return {
            "state": "degraded" if error else "ok",
            "last_error": error,
            "retries": self._sink_retries[name],
        }

    def _lag(self, index: str) -> dict[str, Any]:
        lag = self.backlogs.lag(index)
        errors = [item.message for item in self._retried.values() if item.index == index]
        return {
            "records": lag.records if lag else None,
            "seconds": lag.seconds if lag else None,
            "acknowledged_seconds_ago": lag.acknowledged_seconds_ago if lag else None,
            "last_error": self._index_errors.get(index) or next(iter(errors), None),
            "quarantine": self._quarantine.get(index, 0),
        }


class Tally:
    """Counts the changes of one reader or writer in a `Status`.  Owned by one thread."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._open = 0

    def take(self, changes: int) -> None:
        """`changes` were read."""
        self._open += changes
        self._status.add("changes_captured", changes)
        self._status.add("changes_in_flight", changes)

    def finish(self, changes: int) -> None:
        """`changes` are durable at their destination."""
        self._open -= changes
        self._status.add("changes_committed", changes)
        self._status.add("changes_in_flight", -changes)

    def give_up(self) -> None:
        """Take back what is not finished: the next reader reads it again."""
        self._status.add("changes_in_flight", -self._open)
        self._open = 0
