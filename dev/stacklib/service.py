"""What the three servers have in common."""

from __future__ import annotations

import signal
from typing import Protocol

from stacklib.daemon import Launch


class Service(Protocol):
    """How one server is prepared, started and asked whether it is ready.  Holds no process."""

    name: str
    stop_signal: signal.Signals

    def check(self) -> None:
        """Fail if a program is missing that this server needs."""
        ...

    def prepare(self) -> None:
        """Download and set up what it needs before it can start.  Safe to be interrupted and repeated."""
        ...

    def launch(self, port: int) -> Launch:
        """How to start it."""
        ...

    def ready(self, port: int) -> bool:
        """Whether it answers requests."""
        ...

    def address(self, port: int) -> str:
        """What a client is told to connect to."""
        ...

    def wipe(self) -> None:
        """Remove its data.  It does not run."""
        ...
