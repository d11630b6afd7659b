"""A clock that stands still until it is moved."""

from __future__ import annotations


class StillClock:
    """`Clock`; nothing may wait by it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        raise AssertionError(f"waits for {seconds} s")
