"""Bulk requests in flight, and the threads that send them: bounded per pipeline in number, per process in bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from flusso_shared.errors import FatalError, RetryableError, StoppedError
from flusso_worker.documents.built import Built
from flusso_worker.pipeline.offsets import PendingBatch

MAX_BYTES = 32 * 1024 * 1024
_CHUNKS_PER_THREAD = 2
"""Chunks in flight per flush thread: enough that no thread waits for a build, few enough to drain quickly when
partitions are revoked.  A backlog then stays in the log, where it makes larger batches."""
_OPERATION_BYTES = 120
"""What an operation takes beside its document."""
_POLL_SECONDS = 0.2


class ByteBudget:
    """The bytes in flight of all pipelines of a process.  Thread-safe."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def reserved(self) -> int:
        """The bytes that are in flight."""
        return self._bytes

    def has_capacity(self, size: int) -> bool:
        """Whether `reserve` would have succeeded a moment ago."""
        return self._bytes + size <= self._most

    def reserve(self, size: int, *, first: bool) -> bool:
        """Count `size` bytes if there is capacity; the `first` chunk of a pipeline always succeeds."""
        with self._lock:
            if not first and not self.has_capacity(size):
                return False
            self._bytes += size
            return True

    def release(self, size: int) -> None:
        """Give back what was reserved."""
        with self._lock:
            self._bytes -= size


class InFlightRequests:
    """Submits chunks to flush threads and counts them for their batches.  Owned by one thread.

    Chunks may complete in any order: versions decide which document stays.
    """

    def __init__(
        self, name: str, flushes: int, flush: Callable[[Built], None], byte_budget: ByteBudget
    ) -> None:
        self._flush = flush
        self._byte_budget = byte_budget
        self._most = _CHUNKS_PER_THREAD * flushes
        self._executor = ThreadPoolExecutor(flushes, thread_name_prefix=f"flush-{name}")
        self._pending: dict[Future[None], tuple[PendingBatch, int]] = {}

    @property
    def busy(self) -> bool:
        """Whether a chunk was in flight at the last `reap`."""
        return bool(self._pending)

    def has_capacity(self, built: Built) -> bool:
        """Whether `submit` would not wait.  Raises what a flush raised."""
        self.reap()
        return not self._pending or (
            len(self._pending) < self._most and self._byte_budget.has_capacity(_size(built))
        )

    def submit(self, pending: PendingBatch, built: Built, stop: threading.Event) -> None:
        """Submit a chunk; waits while too much is in flight (one chunk is always admitted).

        Raises what a flush raised, and `StoppedError` when `stop` is set while waiting.
        """
        size = _size(built)
        while not (
            self.has_capacity(built) and self._byte_budget.reserve(size, first=not self._pending)
        ):
            if stop.is_set():
                raise StoppedError("stop requested")
            self._await_one(_POLL_SECONDS)
        pending.unflushed += 1
        self._pending[self._executor.submit(self._flush_for, built, pending)] = (pending, size)

    def _flush_for(self, built: Built, pending: PendingBatch) -> None:
        with pending.span.child("flush", documents=len(built.operations)):
            self._flush(built)
        pending.acknowledged_at = time.time()

    def reap(self) -> None:
        """Count the chunks that are done.  Raises what a flush raised; its batch is then never done."""
        failure: BaseException | None = None
        for future in [future for future in self._pending if future.done()]:
            pending, size = self._pending.pop(future)
            self._byte_budget.release(size)
            if future.cancelled():
                continue  # `close` cancelled it before it started: its batch is never done
            error = future.exception()
            if error is None:
                pending.unflushed -= 1
            else:
                failure = failure or error
        if isinstance(failure, RetryableError):
            # Only a new start from the committed offsets flushes that chunk again.
            raise FatalError(f"a chunk of documents was not written: {failure}") from failure
        if failure is not None:
            raise failure

    def drain(self, seconds: float, stop: threading.Event) -> bool:
        """Wait until nothing is in flight, at most `seconds` or until `stop`; whether nothing is.

        Raises what a flush raised.
        """
        deadline = time.monotonic() + seconds
        while self._pending and time.monotonic() < deadline and not stop.is_set():
            self._await_one(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        return not self._pending

    def close(self) -> None:
        """Cancel what has not started and wait for the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _await_one(self, seconds: float) -> None:
        wait(self._pending, timeout=seconds, return_when=FIRST_COMPLETED)
        self.reap()


def _size(built: Built) -> int:
    return built.size + _OPERATION_BYTES * len(built.operations)
