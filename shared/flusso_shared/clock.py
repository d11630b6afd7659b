"""Time as an argument, so that tests and shutdown stay quick."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from flusso_shared.errors import StoppedError


class Clock(Protocol):
    """`monotonic` seconds for durations, `time` seconds since the epoch for records, `wait` instead of sleep."""

    def monotonic(self) -> float: ...

    def time(self) -> float: ...

    def wait(self, seconds: float) -> None:
        """Pass `seconds`; raises `StoppedError` as soon as a stop is requested."""
        ...


class SystemClock:
    """The machine's clock; `wait` ends early when `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError("stop requested")
