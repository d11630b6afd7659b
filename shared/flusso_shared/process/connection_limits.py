"""Connections to an HTTP surface, limited in number and in the time that they may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients of one surface may take."""

    connections: int = 200
    """At the same time; above that, the one that has been without a request for the longest is closed."""
    idle: float = 15.0
    """Seconds until the whole head of a request is there, from the start or from the last answer."""
    request: float = 60.0
    """Seconds until its answer has been read as well."""


class LimitedConnection(H11Protocol):
    """One connection.  Owned by the event loop."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when it has no request; None while it has one."""
        busy = self.cycle is not None and not self.cycle.response_complete
        return None if busy else self._since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look()
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        limit = self._limits.request if self.idle_since is None else self._limits.idle
        left = self._since + limit - self.loop.time()
        if left <= 0:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(left, self._look)

    def _make_room(self) -> None:
        idle = [
            (item.idle_since, number, item)
            for number, item in enumerate(self.connections)
            if isinstance(item, LimitedConnection) and item.idle_since is not None
        ]
        _, _, oldest = min(idle)  # this one has no request yet
        self.connections.discard(oldest)
        oldest.transport.abort()
