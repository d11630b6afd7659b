"""What the process is doing, for `/status`, `/readyz` and the progress line.  Thread-safe."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

Phase = Literal["starting", "backfilling", "live", "stopped"]
IndexState = Literal["pending", "backfilling", "seeded", "standby", "stopped", "paused"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a seeding or a snapshot, in rows or changes."""

    done: int
    total: int


class Status:
    """Mutable state of one process, read as one consistent dictionary."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        """Of this process: no other one, and no later start, has it."""
        self._lock = threading.Lock()
        self._started = time.monotonic()
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
        self._slot_lag: int | None = None
        self._last_error: str | None = None
        self._retried: dict[str, str] = {}

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
            self._indexes[name] = state
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

    def set_slot_lag(self, lag: int | None) -> None:
        with self._lock:
            self._slot_lag = lag

    def failed(self, message: str) -> None:
        """An error stopped something; `message` is kept as `last_error`."""
        with self._lock:
            self._numbers["errors"] += 1
            self._last_error = message

    def retrying(self, doing: str, message: str) -> None:
        """`doing` has failed several times and is tried again; `message` is `last_error` until `retried`."""
        with self._lock:
            self._retried[doing] = message

    def retried(self, doing: str) -> None:
        """`doing` has succeeded."""
        if self._retried:
            with self._lock:
                self._retried.pop(doing, None)

    def progress(self) -> dict[str, Progress]:
        """Per index or table what is being seeded now."""
        with self._lock:
            return dict(self._progress)

    def to_json(self) -> dict[str, Any]:
        """The `/status` document."""
        with self._lock:
            n = self._numbers
            retried = list(self._retried.values())
            return {
                "phase": self._phase,
                "uptime_seconds": int(time.monotonic() - self._started),
                "indexes": dict(sorted(self._indexes.items())),
                "changes_captured": n["changes_captured"],
                "changes_committed": n["changes_committed"],
                "changes_in_flight": n["changes_in_flight"],
                "documents_built": n["documents_built"],
                "documents_quarantined": n["documents_quarantined"],
                "batches": n["batches"],
                "last_flush_micros": n["last_flush_micros"],
                "slot_lag_bytes": self._slot_lag,
                "errors": n["errors"],
                "last_error": retried[-1] if retried else self._last_error,
                "waiting_for": self._waiting_for,
                "progress": {
                    name: {"done": item.done, "total": item.total}
                    for name, item in sorted(self._progress.items())
                },
                "id": self.id,
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
