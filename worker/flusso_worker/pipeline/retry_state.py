"""When a pipeline, or the management of an index's generations, is tried again after a failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from flusso_shared.retry import Backoff

_REPEATED_ATTEMPTS = 2
"""Failures in a row after which a failure counts as permanent."""


@dataclass(slots=True)
class RetryState:
    """When a failed step or pipeline is tried again."""

    backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, ceiling=60.0))
    passing: Backoff = field(default_factory=lambda: Backoff(first=0.1))
    at: float = 0.0
    failed: bool = False

    @property
    def repeated(self) -> bool:
        """Whether it failed again when it was tried again: it does not recover by itself."""
        return self.backoff.attempt >= _REPEATED_ATTEMPTS

    def postpone(self, now: float) -> float:
        """Record a temporary failure; returns the delay in seconds."""
        delay = self.passing.next()
        self.at = now + delay
        return delay

    def fail(self, now: float) -> float:
        """Record a failure; returns the delay in seconds."""
        delay = self.backoff.next()
        self.at, self.failed = now + delay, True
        return delay

    def succeed(self) -> None:
        self.backoff.reset()
        self.passing.reset()
        self.at, self.failed = 0.0, False
