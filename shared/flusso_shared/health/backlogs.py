"""What waits to be acknowledged: one backlog per generation in a worker, one in capture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flusso_shared.health.decide import Waiting
from flusso_shared.names import GenerationName


class Backlog:
    """What one pipeline, or capture, has not had acknowledged.  Any thread may write and read it, without a lock."""

    __slots__ = (
        "_now",
        "acknowledged_at",
        "oldest_commit",
        "records",
        "statement_since",
        "waiting_since",
        "what",
    )

    def __init__(self, what: str, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.what = what
        self.records = 0
        self.oldest_commit: float | None = None
        """Seconds since the epoch: the commit of the oldest change that waits, where it is known."""
        self.acknowledged_at: float | None = None
        """Monotonic seconds of the last acknowledgement; None before the first."""
        self.waiting_since: float | None = None
        """Monotonic seconds: since when there has been something that waits."""
        self.statement_since: Callable[[], float | None] = lambda: None
        """Gives monotonic seconds: since when Postgres has worked on a statement for it; None while it does not."""

    def set(self, records: int, oldest_commit: float | None) -> None:
        """`records` wait now.  Without a commit time that of before stays, as long as something waits."""
        if not records:
            self.oldest_commit = self.waiting_since = None
        else:
            self.oldest_commit = oldest_commit or self.oldest_commit
            if self.waiting_since is None:
                self.waiting_since = self._now()
        self.records = records

    def acknowledge(self) -> None:
        """Something was acknowledged by its destination."""
        self.acknowledged_at = self._now()

    def waiting(self) -> Waiting | None:
        """What waits, for the decision over the health."""
        since = self.waiting_since
        if since is None:
            return None
        since = max(since, self.acknowledged_at or since)
        return Waiting(self.what, self.records, since, self.statement_since())


@dataclass(frozen=True, slots=True)
class Lag:
    """How far an index is behind, as this process knows."""

    records: int
    """Changes that wait, in the partitions that this process reads."""
    seconds: float | None
    """Since the commit of the oldest of them, by the clocks of this machine and of Postgres; 0 when none waits."""
    acknowledged_seconds_ago: float | None


class Backlogs:
    """The backlogs of a process.  Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._of_index: dict[str, dict[GenerationName, Backlog]] = {}
        self._capture: Backlog | None = None

    def of_generation(self, name: GenerationName) -> Backlog:
        """The backlog of a generation, which stays when its pipeline ends, until `keep_only`."""
        with self._lock:
            of_index = self._of_index.setdefault(name.index, {})
            return of_index.setdefault(name, Backlog(f"index {name.index}", self._now))

    def of_capture(self) -> Backlog:
        """What capture has published, and the change log has not acknowledged."""
        with self._lock:
            self._capture = self._capture or Backlog("capture", self._now)
            return self._capture

    def keep_only(self, index: str, names: set[GenerationName]) -> None:
        """Forget the generations of `index` that are not in `names`."""
        with self._lock:
            of_index = self._of_index.get(index, {})
            for name in of_index.keys() - names:
                del of_index[name]

    def is_visible(self, name: GenerationName) -> bool:
        """Whether it is the oldest generation of its index here: the one that queries see, or will see."""
        with self._lock:
            known = self._of_index.get(name.index, {})
            return all(name.number <= other.number for other in known)

    def lag(self, index: str) -> Lag | None:
        """The lag of the generation that queries see: the oldest one.  None while there is none."""
        with self._lock:
            of_index = self._of_index.get(index)
            if not of_index:
                return None
            backlog = of_index[min(of_index, key=lambda name: name.number)]
        return _lag(backlog, self._now())

    def waiting(self, stopped: set[str]) -> list[Waiting]:
        """What waits, but for the indexes in `stopped`."""
        with self._lock:
            backlogs = [
                backlog
                for index, of_index in self._of_index.items()
                if index not in stopped
                for backlog in of_index.values()
            ]
            if self._capture is not None:
                backlogs.append(self._capture)
        found = [backlog.waiting() for backlog in backlogs]
        return [item for item in found if item is not None]


def _lag(backlog: Backlog, now: float) -> Lag:
    records, oldest, at = backlog.records, backlog.oldest_commit, backlog.acknowledged_at
    seconds = None if records else 0.0
    if records and oldest is not None:
        seconds = max(0.0, time.time() - oldest)
    return Lag(records, seconds, None if at is None else now - at)
