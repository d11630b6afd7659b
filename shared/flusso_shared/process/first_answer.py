"""Waits for a server's first answer at the start of a process, and reports which one.

Later outages are waited for without a limit (`retry`); only a server that never answered ends the start.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.postgres.connection import Conninfo, address
from flusso_shared.status import Status

T = TypeVar("T")

_POLL_SECONDS = 0.1
_SILENCE = "it accepted no connection, or accepted one and sent nothing"


@dataclass(slots=True)
class _Attempt(Generic[T]):
    """One attempt in a thread of its own, because some libraries have calls without a time-out."""

    action: Callable[[], T]
    done: threading.Event = field(default_factory=threading.Event)
    answers: list[T] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.answers.append(self.action())
        except BaseException as error:  # noqa: BLE001 - `result` raises it in the waiting thread
            self.failure = error
        finally:
            self.done.set()

    def result(self) -> T:
        if self.failure is not None:
            raise self.failure
        return self.answers[0]


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """Bounds the wait for each server."""

    clock: Clock
    status: Status
    timeout: float | None
    """Seconds for each server to answer for the first time; None waits for ever."""

    def wait_for_postgres(self, conninfo: Conninfo, attempt: Callable[[], T]) -> T:
        """`wait_for`, with the name that messages give the database of `conninfo`."""
        return self.wait_for(f"Postgres at {address(conninfo)}", attempt)

    def wait_for(self, what: str, attempt: Callable[[], T]) -> T:
        """Repeat `attempt` until it succeeds.  Raises `FatalError` after the time-out, `StoppedError` on a stop.

        An attempt that does not return in time is abandoned: it must own what it uses, and close it itself.
        """
        clock = self.clock
        deadline = math.inf if self.timeout is None else clock.monotonic() + self.timeout
        reason = _SILENCE

        def one_attempt() -> T:
            nonlocal reason
            running = _Attempt(attempt)
            threading.Thread(target=running.run, name="first-answer", daemon=True).start()
            if self._ended(running.done, what, deadline):
                try:
                    return running.result()
                except RetryableError as error:
                    reason = str(error)
            self.status.waiting(what)
            raise RetryableError(reason)

        try:
            answer = retry.forever(
                one_attempt, doing=f"reach {what}", clock=clock, deadline=deadline
            )
        except RetryableError:
            raise FatalError(f"{what} did not answer within {self.timeout:g} s: {reason}") from None
        self.status.waiting(None)
        return answer

    def _ended(self, done: threading.Event, what: str, deadline: float) -> bool:
        """Wait for an attempt; False at the deadline."""
        while not done.wait(_POLL_SECONDS):
            self.status.waiting(what)
            self.clock.wait(0.0)
            if self.clock.monotonic() >= deadline:
                return False
        return True
