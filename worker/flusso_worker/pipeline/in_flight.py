"""Chunks being flushed, bounded in number and, over all of a process, in bytes, and the threads that flush them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from flusso_shared.errors import FatalError, RetryableError, StoppedError
from flusso_worker.documents.built import Built
from flusso_worker.pipeline.offsets import Ticket

MAX_BYTES = 32 * 1024 * 1024
_AHEAD = 2
"""Chunks in the air per flush thread: enough that none waits for a build, few enough to land soon when
partitions are to be given up, and that a backlog gathers where it makes larger batches: in the log."""
_OPERATION_BYTES = 120
"""What an operation takes beside its document."""
_LOOK = 0.2


class Airspace:
    """The bytes that all flights of a process have in the air.  Thread-safe."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._bytes = 0

    def has_room(self, size: int) -> bool:
        """Whether `take` would have given it a moment ago."""
        return self._bytes + size <= self._most

    def take(self, size: int, *, first: bool) -> bool:
        """Count `size` if there is room; the first chunk of a flight always has."""
        with self._lock:
            if not first and not self.has_room(size):
                return False
            self._bytes += size
            return True

    def free(self, size: int) -> None:
        """What was taken has landed."""
        with self._lock:
            self._bytes -= size


class Flight:
    """Hands chunks to flush threads and keeps count for their tickets.  Owned by one thread.

    Chunks may land in any order: versions decide which document stays.
    """

    def __init__(
        self, name: str, flushes: int, flush: Callable[[Built], None], air: Airspace
    ) -> None:
        self._flush = flush
        self._air = air
        self._most = _AHEAD * flushes
        self._executor = ThreadPoolExecutor(flushes, thread_name_prefix=f"flush-{name}")
        self._pending: dict[Future[None], tuple[Ticket, int]] = {}

    @property
    def busy(self) -> bool:
        """Whether a chunk has not landed yet, as far as `reap` has seen."""
        return bool(self._pending)

    def has_room(self, built: Built) -> bool:
        """Whether `submit` would not wait.  Raises what a flush raised."""
        self.reap()
        return not self._pending or (
            len(self._pending) < self._most and self._air.has_room(_size(built))
        )

    def submit(self, ticket: Ticket, built: Built, stop: threading.Event) -> None:
        """Hand over a chunk; waits while too much is in the air (one chunk always fits).

        Raises what a flush raised, and `StoppedError` when `stop` is set while waiting.
        """
        size = _size(built)
        while not (self.has_room(built) and self._air.take(size, first=not self._pending)):
            if stop.is_set():
                raise StoppedError("stop requested")
            self._await(_LOOK)
        ticket.pending += 1
        self._pending[self._executor.submit(self._flush, built)] = (ticket, size)

    def reap(self) -> None:
        """Count what has landed; raises what a flush raised (its ticket stays open for ever)."""
        failure: BaseException | None = None
        for future in [future for future in self._pending if future.done()]:
            ticket, size = self._pending.pop(future)
            self._air.free(size)
            if future.cancelled():
                continue  # `close` gave it up before it began: its ticket stays open
            error = future.exception()
            if error is None:
                ticket.pending -= 1
            else:
                failure = failure or error
        if isinstance(failure, RetryableError):
            # Only a new start from the committed offsets does that chunk again.
            raise FatalError(f"a chunk of documents was not written: {failure}") from failure
        if failure is not None:
            raise failure

    def drain(self, seconds: float, stop: threading.Event) -> bool:
        """Wait until everything has landed, at most `seconds` or until `stop`; whether it has."""
        deadline = time.monotonic() + seconds
        while self._pending and time.monotonic() < deadline and not stop.is_set():
            self._await(min(_LOOK, max(0.0, deadline - time.monotonic())))
        return not self._pending

    def close(self) -> None:
        """Forget what has not started and wait for the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _await(self, seconds: float) -> None:
        wait(self._pending, timeout=seconds, return_when=FIRST_COMPLETED)
        self.reap()


def _size(built: Built) -> int:
    return built.size + _OPERATION_BYTES * len(built.operations)
