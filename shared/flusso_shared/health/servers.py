"""Which servers answer, since when they do not, and which versions they have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

SILENCE_SECONDS = 3.0
"""After which a server that was asked and has not answered counts as one that does not answer."""


@dataclass(slots=True)
class _Server:
    """What is known of one server."""

    asked_at: float | None = None
    """When the question was asked that it has not answered yet."""
    reason: str | None = None
    """Why it does not answer, or refuses; None since its last answer."""
    out_since: str | None = None
    """The time of day when it was asked first of what it has not answered; None since its last answer."""
    version: str | None = None
    was_out: bool = False
    """Whether `outages` has counted it since its last answer."""


class Servers:
    """The servers of a process by their names in `/status`: `postgres`, `kafka`, `opensearch <sink>`.  Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._servers: dict[str, _Server] = {}
        self._ended_at = 0.0

    def asked(self, server: str) -> None:
        """The server is asked now; `answered` or `failed` follows."""
        with self._lock:
            found = self._of(server)
            found.asked_at = self._now()
            found.out_since = found.out_since or _time_of_day()

    def answered(self, server: str, version: str | None) -> None:
        """It has answered, and does what it is asked for."""
        with self._lock:
            found = self._of(server)
            if found.reason is not None or found.was_out or self._silent(found):
                self._ended_at = self._now()
            found.asked_at, found.reason, found.was_out = None, None, False
            found.out_since = None
            found.version = version or found.version

    def failed(self, server: str, reason: str) -> None:
        """It does not answer, or refuses, for this reason."""
        with self._lock:
            found = self._of(server)
            found.asked_at, found.reason = None, reason
            found.out_since = found.out_since or _time_of_day()

    def outages(self) -> dict[str, str]:
        """The servers that do not answer or refuse now, why, and since when."""
        with self._lock:
            found: dict[str, str] = {}
            for name, server in self._servers.items():
                if server.reason is not None:
                    found[name] = f"{server.reason} (since {server.out_since})"
                elif self._silent(server):
                    found[name] = f"{name} has not answered since {server.out_since}"
                server.was_out = server.was_out or name in found
            return found

    @property
    def outage_ended_at(self) -> float:
        """Monotonic seconds of the end of the last outage; 0 before the first."""
        with self._lock:
            return self._ended_at

    def versions(self) -> dict[str, str | None]:
        """The version of each server; None while it is not known."""
        with self._lock:
            return {name: server.version for name, server in sorted(self._servers.items())}

    def _of(self, server: str) -> _Server:
        return self._servers.setdefault(server, _Server())

    def _silent(self, server: _Server) -> bool:
        return server.asked_at is not None and self._now() - server.asked_at >= SILENCE_SECONDS


def _time_of_day() -> str:
    return f"{datetime.now(UTC):%H:%M:%S} UTC"
