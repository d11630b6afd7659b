"""Runs one index: a pipeline for each generation that its keeper wants to run.

An index that fails stops alone and is restarted with back-off, from the committed offsets; others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from flusso_shared.errors import FlussoError, RetryableError, SchemaChangedError
from flusso_shared.names import GenerationName, TableName
from flusso_shared.retry import TOLD_AFTER, log_next_try
from flusso_shared.status import IndexState
from flusso_worker.generations.keeper import Active
from flusso_worker.generations.record import Generation
from flusso_worker.generations.stopped_lag import StoppedLag
from flusso_worker.pipeline.lag_gauges import export_lag
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.retry_state import RetryState
from flusso_worker.pipeline.spec import WorkerContext

logger = logging.getLogger(__name__)


class Keeper(Protocol):
    """Maintains the generations of one index (`generations.keeper`)."""

    def step(self) -> Sequence[Active]:
        """Do one round; returns the generations to be run now."""
        ...

    def wanted_snapshot(self) -> TableName | None:
        """The root table, while a seeding generation waits for its snapshot."""
        ...

    @property
    def standby(self) -> bool:
        """Whether it leaves the index to living workers with a newer schema."""
        ...

    @property
    def paused(self) -> bool:
        """Whether an operator has paused the index."""
        ...

    @property
    def live(self) -> Generation | None:
        """The generation that queries see."""
        ...

    def before_streaming(self) -> None:
        """Called before the first change flows: a log in memory keeps no changes for readers that start later."""
        ...

    def evict(self, stopped: Collection[GenerationName]) -> None:
        """The pipelines of these generations have ended, those of a paused index all: do not let others wait for them."""
        ...


_REPORTED_ATTEMPTS = 3
"""Attempts after which a temporary failure is reported as an error too."""
_NEARLY_SEEDED = 0.8
"""Fraction of a seeding after which its end is checked for often."""


class IndexRunner:
    """One index in one process.  Owned by the lead thread."""

    def __init__(
        self,
        index: str,
        keeper: Keeper,
        pipeline: Callable[[Active], Pipeline],
        context: WorkerContext,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = index
        self._keeper = keeper
        self._make_pipeline = pipeline
        self._metrics = context.metrics
        self._status = context.status
        self._now = now
        self._pipelines: dict[GenerationName, Pipeline] = {}
        self._retries: dict[GenerationName, RetryState] = {}
        self._stopping: list[Pipeline] = []
        self._step = RetryState()
        self._names: set[GenerationName] = set()
        """The generations of the last round."""
        self._refused = False
        """Whether a step of the keeper failed and needs an operator."""
        self._doing = f"manage the generations of index {index}"
        export_lag(context.metrics, context.status.backlogs, index)
        self._stopped_lag = StoppedLag(context.log.groups, context.status.backlogs, now)
        self._last_active: Sequence[Active] = ()
        """The generations that had pipelines last, also while they have none."""
        self.state: IndexState = "pending"
        self.wanted_snapshot: TableName | None = None
        """The root table, while a seeding generation waits for its snapshot."""
        self.transition_near = True
        """Whether the next transition of a generation may be near."""

    @property
    def ready(self) -> bool:
        """Whether the index reads its changes, or cannot without an operator: waiting longer does not help."""
        if (
            self._refused
            or self._keeper.paused
            or any(retry_state.failed for retry_state in self._retries.values())
        ):
            return True
        return bool(self._pipelines) and all(
            pipeline.reading.is_set() for pipeline in self._pipelines.values()
        )

    @property
    def live(self) -> Generation | None:
        """The generation that queries see.  Callable from any thread."""
        return self._keeper.live

    def step(self) -> None:
        """Do one round.  Errors of this index are handled; anything unexpected is raised."""
        self._join_ended()
        self._notice_failures()
        self._stopped_lag.observe(
            [item for item in self._last_active if item.name not in self._pipelines]
        )
        if self._now() < self._step.at:
            return
        try:
            active = self._keeper.step()
            self.wanted_snapshot = self._keeper.wanted_snapshot()
        except RetryableError as error:
            delay = self._step.postpone(self._now())
            self._metrics.counter("flusso_retries_total", "generations").inc()
            self._status.retry("generations")
            if self._step.passing.attempt >= TOLD_AFTER:
                told = f"cannot {self._doing} yet: {error}"
                self._status.retrying(self._doing, told, index=self.index)
            if self._step.passing.attempt >= _REPORTED_ATTEMPTS:
                self._status.failed(f"index {self.index}: cannot manage its generations: {error}")
            what = f"index {self.index}: cannot manage its generations"
            log_next_try(logger, what, delay, error, {"index": self.index})
            return
        except FlussoError as error:
            self._refused = True
            self._record_failure(error, self._step)
            self._run_only([])
            if self._step.repeated:
                self._evict(self._names)
            return
        self._step.succeed()
        self._status.retried(self._doing)
        self._names = {item.name for item in active}
        if not self._keeper.paused:
            self._status.backlogs.keep_only(self.index, self._names)
            self._last_active = active
        draining = self._keeper.paused and (self._pipelines or self._stopping)
        if not draining:
            self._evict(
                {
                    name
                    for name, retry_state in self._retries.items()
                    if name not in self._pipelines and retry_state.repeated
                }
            )
        self.transition_near = not self._keeper.paused and (
            not active or any(_transition_near(item) for item in active)
        )
        self._run_only(active)
        self._publish_state(active)

    def before_streaming(self) -> bool:
        """Notify the keeper that changes are about to flow, whether or not the index reads them; False to call again later."""
        try:
            self._keeper.before_streaming()
        except RetryableError as error:
            logger.warning(
                "index %s: changes must not flow yet: %s",
                self.index,
                error,
                extra={"action": "hold_changes", "index": self.index},
            )
            return False
        except FlussoError:
            logger.debug("index %s: its keeper cannot be notified", self.index, exc_info=True)
        return True

    def _evict(self, stopped: Collection[GenerationName]) -> None:
        try:
            self._keeper.evict(stopped)
        except FlussoError as error:
            logger.warning(
                "index %s: others may have to wait for it: %s",
                self.index,
                error,
                extra={"action": "evict", "index": self.index},
            )

    def _run_only(self, active: Sequence[Active]) -> None:
        """Start the pipelines that are missing and stop all others."""
        wanted = {item.name: item for item in active}
        for name in [name for name in self._pipelines if name not in wanted]:
            pipeline = self._pipelines.pop(name)
            pipeline.stop()
            self._stopping.append(pipeline)
        for name in [name for name in self._retries if name not in wanted]:
            del self._retries[name]
        now = self._now()
        for name, item in wanted.items():
            retry_state = self._retries.setdefault(name, RetryState())
            if name not in self._pipelines and now >= retry_state.at:
                pipeline = self._pipelines[name] = self._make_pipeline(item)
                pipeline.start()

    def _notice_failures(self) -> None:
        for name, pipeline in list(self._pipelines.items()):
            retry_state = self._retries.setdefault(name, RetryState())
            if pipeline.running:
                if pipeline.healthy and (retry_state.failed or retry_state.passing.attempt):
                    retry_state.succeed()
                continue
            del self._pipelines[name]
            pipeline.join(0)
            error = pipeline.failure
            if error is None:
                continue
            if not isinstance(error, FlussoError):
                raise error
            if isinstance(error, SchemaChangedError):
                self._restart_with_new_catalog(error, retry_state)
            else:
                self._record_failure(error, retry_state)

    def _restart_with_new_catalog(self, error: SchemaChangedError, retry_state: RetryState) -> None:
        """The next pipeline reads the catalog again; this is no failure."""
        delay = retry_state.postpone(self._now())
        logger.info(
            "index %s: %s; it reads the catalog again in %.1f s",
            self.index,
            error,
            delay,
            extra={"action": "bind_again", "index": self.index},
        )

    def _record_failure(self, error: FlussoError, retry_state: RetryState) -> None:
        delay = retry_state.fail(self._now())
        self.state = "stopped"
        self._status.set_index(self.index, "stopped")
        self._metrics.gauge("flusso_index_up", self.index).set(0)
        self._status.index_failed(self.index, str(error))
        self._metrics.counter("flusso_errors_total").inc()
        fields = {"action": "index_stopped", "index": self.index}
        what = f"index {self.index} stopped"
        log_next_try(logger, what, delay, error, fields, level=logging.ERROR)

    def _publish_state(self, active: Sequence[Active]) -> None:
        self._report_pause()
        if not active:
            return
        if any(retry_state.failed for retry_state in self._retries.values()):
            return
        live = any(item.state == "live" for item in active)
        seeding = [item for item in active if item.state != "live"]
        self.state = "backfilling" if seeding else "seeded" if live else "pending"
        if self._keeper.standby:
            self.state = "standby"
        progress = seeding[-1].progress if seeding else None
        self._status.set_index(self.index, self.state, progress)
        self._metrics.gauge("flusso_index_up", self.index).set(1)
        done = progress.done / progress.total if progress and progress.total else not seeding
        self._metrics.gauge("flusso_seeding_ratio", self.index).set(done)

    def _report_pause(self) -> None:
        paused = self._keeper.paused
        if paused == (self.state == "paused"):
            return
        self.state = "paused" if paused else "pending"
        self._status.set_index(self.index, self.state)
        self._metrics.gauge("flusso_index_up", self.index).set(1)
        logger.info(
            "index %s: %s",
            self.index,
            f"paused until `flusso resume {self.index}`" if paused else "resumed",
            extra={"action": "pause", "index": self.index},
        )

    def _join_ended(self) -> None:
        """Join pipelines that were stopped and have ended."""
        for pipeline in [pipeline for pipeline in self._stopping if not pipeline.running]:
            self._stopping.remove(pipeline)
            pipeline.join(0)
            error = pipeline.failure
            if error is not None and not isinstance(error, FlussoError):
                raise error

    def stop(self) -> None:
        """Ask all pipelines to drain and end."""
        for pipeline in self._pipelines.values():
            pipeline.stop()
        self._stopping.extend(self._pipelines.values())
        self._pipelines.clear()

    def join(self, deadline: float) -> None:
        """After `stop`: wait for the pipelines until `deadline` (monotonic), then interrupt them."""
        for pipeline in self._stopping:
            pipeline.join(max(0.0, deadline - time.monotonic()))
        self._stopping.clear()


def _transition_near(item: Active) -> bool:
    """Whether the next transition may be near: in the middle of a long seeding there is none, and checks slow it down."""
    if item.state == "live":
        return False
    progress = item.progress
    return progress is None or progress.done >= _NEARLY_SEEDED * progress.total
