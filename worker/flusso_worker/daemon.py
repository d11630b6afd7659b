"""The worker: runs every index of the plan, each through its own runner, until it is asked to stop.

Shutdown order: stop reading -> drain the flushes -> commit -> close, per pipeline, all pipelines at once.
"""

from __future__ import annotations

import logging
import threading
import time

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, RetryableError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.process.first_answer import FirstAnswer
from flusso_shared.status import Phase
from flusso_worker.generations.applied import AppliedPositions
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.record import Generation
from flusso_worker.generations.registration import Heartbeat
from flusso_worker.index_runner import IndexRunner
from flusso_worker.maintenance.periodic_verification import PeriodicVerification
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.spec import WorkerContext
from flusso_worker.startup import Startup
from flusso_worker.wiring import Destinations

logger = logging.getLogger(__name__)

_BUSY_STEP_SECONDS = 0.1
"""Between two rounds, times the number of indexes: many indexes do not query the servers more often than one."""
_IDLE_STEP_SECONDS = 1.0
_IDLE_STEP_OF_EACH_SECONDS = 0.025
"""The same where nothing is about to happen, times the number of indexes: each step looks at every one."""
_SHUTDOWN_BUDGET_SECONDS = 25.0


class Worker:
    """One worker process, or the worker half of `flusso run`."""

    def __init__(
        self,
        options: WorkerOptions,
        plan: Plan,
        context: WorkerContext,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """The waits of `clock` end when `stop` is set."""
        self._options = options
        self._plan = plan
        self._context = context
        self._clock = clock
        self._stop = stop
        self.local_store = LocalStore()
        """The bookkeeping where there is no OpenSearch sink."""
        self.reached = threading.Event()
        """Set once every server has answered, and has what the plan needs."""
        self._ready = threading.Event()
        self._runners: list[IndexRunner] = []
        self._verifications: list[PeriodicVerification] = []
        self._heartbeat: Heartbeat | None = None
        self._applied: AppliedPositions | None = None

    def run(self) -> None:
        """Run the indexes until `stop` is set; then drain and return.

        Raises `FatalError` when it cannot start, and any unexpected error of any of its threads.
        """
        status = self._context.status
        status.set_phase("starting")
        names = [sink.name for sink in self._options.opensearch]
        status.set_sinks([*names, *(sink.name for sink in self._options.stdout)])
        for index in self._plan.indexes:
            status.set_index(index.name, "pending")
        try:
            with self._destinations() as destinations:
                self._await_servers(destinations)
                self._runners = destinations.runners(self._plan)
                metrics, budget = self._context.metrics, self._context.byte_budget
                metrics.gauge("flusso_indexes").set(len(self._runners))
                metrics.gauge("flusso_bytes_in_flight").set_function(lambda: budget.reserved)
                try:
                    self._register(destinations)
                    self._applied = destinations.applied(self._live_generations)
                    if self._applied is not None:
                        self._applied.start()
                    self._verifications = destinations.verifications(self._plan)
                    for verification in self._verifications:
                        verification.start()
                    self._run_indexes()
                finally:
                    self._shut_down()
        except StoppedError:
            logger.debug("stopped while starting")
        finally:
            status.set_phase("stopped")

    def _destinations(self) -> Destinations:
        indexes = len(self._plan.indexes)
        return Destinations(self._options, self._context, self._clock, indexes, self.local_store)

    def ready_to_stream(self, timeout: float | None = None) -> bool:
        """Wait until every index reads its changes, or has failed; False when `timeout` seconds passed first."""
        return self._ready.wait(timeout)

    def wanted_snapshots(self) -> set[TableName]:
        """The root tables whose snapshot a seeding generation waits for.  Callable from any thread."""
        return {
            runner.wanted_snapshot for runner in self._runners if runner.wanted_snapshot is not None
        }

    def _await_servers(self, destinations: Destinations) -> None:
        timeout = self._options.startup_timeout
        first = FirstAnswer(self._clock, self._context.status, timeout)
        startup = Startup(first, self._options.conninfo, destinations.sessions)
        self._plan = startup.await_postgres(self._plan)
        startup.await_clusters(destinations.clusters)
        startup.require_new(self._plan, destinations.known_indexes)
        startup.await_log(self._context.log)
        self.reached.set()

    def _register(self, destinations: Destinations) -> None:
        """Show other workers the schemas of this one, before it decides anything."""
        registration = destinations.registration(self._plan)
        if registration is None:
            return
        status = self._context.status

        def attempt() -> None:
            try:
                registration.beat()
            except RetryableError as error:
                status.waiting(str(error))
                raise

        try:
            retry.forever(attempt, doing="register in flusso_meta", clock=self._clock)
            status.waiting(None)
        except FatalError as error:
            # The keepers get the same error, and stop their indexes until it is repaired.
            logger.error("cannot register in flusso_meta: %s", error, extra={"action": "register"})
        self._heartbeat = Heartbeat(registration, self._options.heartbeat.interval)
        self._heartbeat.start()

    def _live_generations(self) -> list[Generation]:
        return [live for runner in self._runners if (live := runner.live) is not None]

    def _run_indexes(self) -> None:
        while not self._stop.is_set():
            for verification in self._verifications:
                if verification.failure is not None:
                    raise verification.failure
            if self._heartbeat is not None and self._heartbeat.failure is not None:
                raise self._heartbeat.failure
            if self._applied is not None and self._applied.failure is not None:
                raise self._applied.failure
            for runner in self._runners:
                runner.step()
            self._publish_phase()
            frequent = not self._ready.is_set() or any(
                runner.transition_near for runner in self._runners
            )
            many = len(self._runners)
            self._stop.wait(
                min(_IDLE_STEP_SECONDS, _BUSY_STEP_SECONDS * many)
                if frequent
                else max(_IDLE_STEP_SECONDS, _IDLE_STEP_OF_EACH_SECONDS * many)
            )

    def _publish_phase(self) -> None:
        """Derive the phase of the worker from the states of its indexes, and publish it in the status."""
        states = {runner.state for runner in self._runners}
        phase: Phase = "live"
        if "backfilling" in states:
            phase = "backfilling"
        elif "pending" in states:
            phase = "starting"
        self._context.status.set_phase(phase)
        if not self._ready.is_set() and self._changes_are_retained():
            self._ready.set()

    def _changes_are_retained(self) -> bool:
        """Whether every index reads its changes, or has a record that it must be rebuilt."""
        return all(runner.ready for runner in self._runners) and all(
            [runner.before_streaming() for runner in self._runners]
        )

    def _shut_down(self) -> None:
        logger.info("draining", extra={"action": "drain"})
        deadline = time.monotonic() + _SHUTDOWN_BUDGET_SECONDS
        for runner in self._runners:
            runner.stop()
        for runner in self._runners:
            runner.join(deadline)
        # Their waits end with the clock, and the clock ends with `stop`.
        for verification in self._verifications if self._stop.is_set() else ():
            verification.join(max(0.0, deadline - time.monotonic()))
        if self._applied is not None:
            self._applied.finish()
        if self._heartbeat is not None:
            self._heartbeat.finish()
