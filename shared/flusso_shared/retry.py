"""The one back-off policy: exponential, with jitter, by default without an end."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.status import Status

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOLD_AFTER = 3
"""Failed attempts after which the error is shown in `/status`."""


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
    action: Callable[[], T],
    *,
    doing: str,
    clock: Clock,
    backoff: Backoff | None = None,
    status: Status | None = None,
    index: str | None = None,
    deadline: float = math.inf,
) -> T:
    """Run `action` until it succeeds, waiting between `RetryableError`s; every other error passes through.

    `doing` completes the sentence "cannot ... yet" in the log, and in `status` after `TOLD_AFTER` attempts, until
    this returns; `index` is the one that it is done for.  From `deadline` (of `clock.monotonic()`) on, a `RetryableError` passes through too.
    `StoppedError` ends the wait.
    """
    delays = backoff or Backoff()
    try:
        while True:
            try:
                return action()
            except RetryableError as error:
                left = deadline - clock.monotonic()
                if left <= 0:
                    raise
                delay = min(delays.next(), left)
                log_next_try(
                    logger, f"cannot {doing} yet", delay, error, {"attempt": delays.attempt}
                )
                if status is not None and delays.attempt >= TOLD_AFTER:
                    status.retrying(doing, f"cannot {doing} yet: {error}", index=index)
                clock.wait(delay)
    finally:
        if status is not None:
            status.retried(doing)


def log_next_try(
    log: logging.Logger,
    what: str,
    delay: float,
    reason: object,
    fields: Mapping[str, object] | None = None,
    *,
    level: int = logging.WARNING,
) -> None:
    """Log, as the module of `log`, that `what` failed for this reason and is tried again after `delay` seconds.

    `fields` are added to the line where lines are JSON objects; `action` is `retry` unless they contain one.
    """
    extra = {"action": "retry", **(fields or {})}
    log.log(level, "%s, next try in %.1f s: %s", what, delay, reason, extra=extra)
