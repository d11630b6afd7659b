"""One generation's pipeline and its threads: poll -> resolve and build -> flush -> commit, flushes overlapping builds.

    pipeline thread   owns the reader and the build connections; the only one that polls and commits
    flush threads     write built chunks to the sinks, a few at a time

Shutdown: stop reading, drain the flushes, commit, close.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from flusso_shared import retry
from flusso_shared.clock import Clock, SystemClock
from flusso_shared.errors import StoppedError
from flusso_worker.pipeline.assembly import Assembly
from flusso_worker.pipeline.loop import Loop
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext

_HEALTHY_AFTER_SECONDS = 10.0


class Pipeline:
    """Runs in threads of its own from `start` until `stop` or a failure."""

    def __init__(
        self,
        spec: PipelineSpec,
        context: WorkerContext,
        assemble: Callable[[Clock, Clock], Assembly],
    ) -> None:
        """`assemble` is called in the pipeline's thread, with the clocks of reading and of flushing.

        `stop` ends the waits of the first; the second ends only when the drain's budget is used up.
        """
        self.spec = spec
        self._context = context
        self._assemble = assemble
        self._finish = threading.Event()
        self._abort = threading.Event()
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix=f"pipeline-{spec.generation.physical}"
        )
        self._done: Future[None] | None = None
        self._started_at = 0.0
        self._assembly: Assembly | None = None
        self.reading = threading.Event()
        """Set once the pipeline is a member of its group."""

    def start(self) -> None:
        """Begin, in the background."""
        self._started_at = time.monotonic()
        self._done = self._executor.submit(self._run)

    @property
    def running(self) -> bool:
        return self._done is not None and not self._done.done()

    @property
    def healthy(self) -> bool:
        """Whether it has been reading for a while without a failure."""
        return (
            self.running
            and self.reading.is_set()
            and time.monotonic() - self._started_at > _HEALTHY_AFTER_SECONDS
        )

    @property
    def failure(self) -> BaseException | None:
        """What ended the pipeline, if it was not `stop`."""
        if self._done is None or not self._done.done():
            return None
        return self._done.exception()

    def stop(self) -> None:
        """Ask to stop reading, drain and commit; returns at once."""
        self._finish.set()

    def join(self, seconds: float) -> None:
        """After `stop`: wait until it ended; after `seconds`, interrupt what it is doing."""
        if self._done is not None:
            wait([self._done], seconds)
        self._abort.set()
        if self._assembly is not None and self.running:
            self._assembly.cancel()
        self._executor.shutdown(wait=True)

    def _run(self) -> None:
        reading, flushing = SystemClock(self._finish), SystemClock(self._abort)
        try:
            assembly = retry.forever(
                lambda: self._assemble(reading, flushing),
                doing=f"start index {self.spec.generation.physical}",
                clock=reading,
                status=self._context.status,
            )
        except StoppedError:
            return
        self._assembly = assembly
        try:
            loop = Loop(self.spec, self._context, assembly, self._finish, self._abort)
            loop.run(self.reading)
        finally:
            assembly.close()
