"""The worker: keeps every index of the plan, each through its own runner, until it is asked to stop.

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
from flusso_worker.generations.registration import Heartbeat
from flusso_worker.index_runner import IndexRunner
from flusso_worker.maintenance.periodic_verification import PeriodicVerification
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.stages import Process
from flusso_worker.startup import Startup
from flusso_worker.wiring import Destinations

logger = logging.getLogger(__name__)

_QUICK = 0.1
"""Seconds between two rounds for each index: many do not ask the servers more often than one."""
_CALM = 1.0
_SHUTDOWN_BUDGET = 25.0


class Worker:
    """One worker process, or the worker half of `flusso run`."""

    def __init__(
        self,
        options: WorkerOptions,
        plan: Plan,
        process: Process,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """`clock` waits until `stop`."""
        self._options = options
        self._plan = plan
        self._process = process
        self._clock = clock
        self._stop = stop
        self.reached = threading.Event()
        """Set once every server has answered, and has what the plan needs."""
        self._ready = threading.Event()
        self._runners: list[IndexRunner] = []
        self._verifications: list[PeriodicVerification] = []
        self._heartbeat: Heartbeat | None = None

    def run(self) -> None:
        """Keep the indexes until `stop` is set; then drain and return.

        Raises `FatalError` when it cannot start, and any unexpected error of any of its threads.
        """
        status = self._process.status
        status.set_phase("starting")
        for index in self._plan.indexes:
            status.set_index(index.name, "pending")
        try:
            with self._destinations() as destinations:
                self._await_servers(destinations)
                self._runners = [destinations.runner(index) for index in self._plan.indexes]
                self._process.metrics.gauge("flusso_indexes").set(len(self._runners))
                try:
                    self._register(destinations)
                    self._verifications = destinations.verifications(self._plan)
                    for verification in self._verifications:
                        verification.start()
                    self._lead()
                finally:
                    self._shut_down()
        except StoppedError:
            logger.debug("stopped while starting")
        finally:
            status.set_phase("stopped")

    def _destinations(self) -> Destinations:
        indexes = len(self._plan.indexes)
        return Destinations(self._options, self._process, self._clock, indexes)

    def ready_to_stream(self, timeout: float | None = None) -> bool:
        """Wait until every index reads its changes (or has failed); False when `timeout` passed first."""
        return self._ready.wait(timeout)

    def wanted_snapshots(self) -> set[TableName]:
        """The root tables whose snapshot a seeding generation waits for.  Callable from any thread."""
        return {runner.wanted for runner in self._runners if runner.wanted is not None}

    def _await_servers(self, destinations: Destinations) -> None:
        timeout = self._options.startup_timeout
        startup = Startup(FirstAnswer(self._clock, self._process.status, timeout))
        self._plan = startup.await_postgres(self._options.conninfo, self._plan)
        startup.await_clusters(destinations.clusters)
        startup.require_new(self._options.conninfo, self._plan, destinations.known_indexes)
        startup.await_log(self._process.log)
        self.reached.set()

    def _register(self, destinations: Destinations) -> None:
        """Show other workers which schemas this one carries, before it decides anything."""
        registration = destinations.registration(self._plan)
        if registration is None:
            return
        status = self._process.status

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
            # The keepers meet the same, and stop their indexes until it is repaired.
            logger.error("cannot register in flusso_meta: %s", error)
        self._heartbeat = Heartbeat(registration, self._options.heartbeat.interval)
        self._heartbeat.start()

    def _lead(self) -> None:
        while not self._stop.is_set():
            for verification in self._verifications:
                if verification.failure is not None:
                    raise verification.failure
            if self._heartbeat is not None and self._heartbeat.failure is not None:
                raise self._heartbeat.failure
            for runner in self._runners:
                runner.step()
            self._tell()
            quick = not self._ready.is_set() or any(runner.expectant for runner in self._runners)
            self._stop.wait(min(_CALM, _QUICK * len(self._runners)) if quick else _CALM)

    def _tell(self) -> None:
        """Publish the phase."""
        states = {runner.state for runner in self._runners}
        phase: Phase = "live"
        if "backfilling" in states:
            phase = "backfilling"
        elif "pending" in states:
            phase = "starting"
        self._process.status.set_phase(phase)
        if not self._ready.is_set() and self._all_hold_on():
            self._ready.set()

    def _all_hold_on(self) -> bool:
        """Whether no change can be missed from now on without a note of it."""
        return all(runner.ready for runner in self._runners) and all(
            [runner.before_streaming() for runner in self._runners]
        )

    def _shut_down(self) -> None:
        logger.info("draining", extra={"action": "drain"})
        deadline = time.monotonic() + _SHUTDOWN_BUDGET
        for runner in self._runners:
            runner.stop()
        for runner in self._runners:
            runner.join(deadline)
        # They end with the clock, and the clock with the stop.
        for verification in self._verifications if self._stop.is_set() else ():
            verification.join(max(0.0, deadline - time.monotonic()))
        if self._heartbeat is not None:
            self._heartbeat.finish()
