"""The one back-off policy: exponential, with full jitter, without an end."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Backoff:
    """Delays that double from `first` up to `ceiling` seconds, each drawn from the upper half of its range."""

    first: float = 0.2
    ceiling: float = 15.0
    attempt: int = 0
    random: Callable[[], float] = field(default=random.random)

    def next(self) -> float:
        """The next delay in seconds."""
        full = min(self.ceiling, self.first * 2.0 ** min(self.attempt, 30))
        self.attempt += 1
        return full * (0.5 + 0.5 * self.random())

    def reset(self) -> None:
        """Start over, after a success."""
        self.attempt = 0


def forever(
    action: Callable[[], T], *, doing: str, clock: Clock, backoff: Backoff | None = None
) -> T:
    """Run `action` until it succeeds, waiting between `RetryableError`s; every other error passes through.

    `doing` completes the sentence "cannot ... yet" in the log.  `StoppedError` ends the wait.
    """
    delays = backoff or Backoff()
    while True:
        try:
            return action()
        except RetryableError as error:
            delay = delays.next()
            logger.warning(
                "cannot %s yet, next try in %.1f s: %s",
                doing,
                delay,
                error,
                extra={"action": "retry", "attempt": delays.attempt},
            )
            clock.wait(delay)
