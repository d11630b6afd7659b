"""Verifies and repairs an index at an interval: what changes without a change of a row is found by looking only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from flusso_worker.maintenance.catch_up import Applied
from flusso_worker.maintenance.document_writer import Tools, Workbench
from flusso_worker.maintenance.key_walk_sql import compose
from flusso_worker.maintenance.observations import PAGE, Documents, Rows
from flusso_worker.maintenance.report import Report
from flusso_worker.maintenance.verification import Verification, Wishes
from flusso_worker.maintenance.verification_lease import VerificationLease

logger = logging.getLogger(__name__)

_MOST_PATIENCE = 60.0
"""Seconds that changes in flight are waited for."""
_BEAT = 10.0
"""Seconds after which a verification that goes on says so in its lease."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the verifications of a process share."""

    tools: Callable[[str], Tools]
    """For an index."""
    store: GenerationStore
    log: ChangeLog
    topic_prefix: str
    status: Status
    clock: Clock
    """Waits until the process stops."""


def lease_patience(every: float) -> float:
    """Seconds after which the lease of a worker that verifies every so many seconds has passed."""
    return every + 3 * _BEAT


def verification(
    bench: Workbench,
    log: tuple[ChangeLog, str] | None,
    clock: Clock,
    patience: float,
    report: Report,
) -> Verification:
    """The verification of the generation that a workbench is of; `log` with the topics' prefix, where there is Kafka."""
    generation = bench.generation
    statements = compose(generation.plan, bench.catalog, bench.sql, PAGE)
    groups = None if log is None else (log[0].groups, log[1])
    return Verification(
        bench,
        Rows(bench, statements),
        Documents(bench, statements),
        Applied(generation, bench.database, groups, clock, patience),
        report,
    )


class PeriodicVerification:
    """Of one index, in a thread of its own."""

    def __init__(self, index: IndexPlan, place: Place, lease: VerificationLease) -> None:
        self._index = index
        self._place = place
        self._lease = lease
        self._beaten = 0.0
        self.failure: BaseException | None = None
        """What ended it and should not have."""
        self._thread = threading.Thread(target=self._work, name=f"verify {index.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float) -> None:
        """After a stop was requested."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            while True:
                every, held = self._index.verify_every, self._attempt()
                self._place.clock.wait(every if held else min(every, _BEAT))
        except StoppedError:
            self._release()
        except BaseException as error:  # noqa: BLE001 - raised by the lead thread
            self.failure = error

    def _attempt(self) -> bool:
        """Verify, unless another worker does; False in that case."""
        try:
            if not self._lease.hold():
                return False
            self._verify()
        except StoppedError:
            raise
        except FlussoError as error:
            message = f"index {self._index.name}: cannot be verified, next try in {self._index.verify_every:.0f} s: {error}"
            self._place.status.failed(message)
            logger.warning("%s", message, extra={"action": "verify", "index": self._index.name})
        return True

    def _release(self) -> None:
        try:
            self._lease.release()
        except FlussoError as error:
            logger.debug("index %s: its lease will expire: %s", self._index.name, error)

    def _verify(self) -> None:
        live = self._place.store.look(self._index.name).live
        if live is None:
            return
        bench = Workbench(live.generation, self._place.tools(self._index.name))
        try:
            report = self._compare(live.generation, bench)
        finally:
            bench.close()
        logger.log(
            logging.INFO if report.found else logging.DEBUG,
            "index %s: %d rows and %d documents verified: %d differed, %d repaired",
            self._index.name,
            report.rows,
            report.documents,
            report.found.total(),
            report.repaired,
            extra={"action": "verify", "index": self._index.name},
        )

    def _compare(self, generation: Generation, bench: Workbench) -> Report:
        place = self._place
        report = Report(self._index.name, generation.name.physical, 0, lambda _difference: None)
        log = (place.log, place.topic_prefix) if generation.durable else None
        patience = min(_MOST_PATIENCE, self._index.verify_every)
        self._beaten = place.clock.monotonic()
        wishes = Wishes(repair=True, advance=lambda _what, _done, _total: self._beat())
        return verification(bench, log, place.clock, patience, report).run(wishes)

    def _beat(self) -> None:
        now = self._place.clock.monotonic()
        if now - self._beaten < _BEAT:
            return
        self._beaten = now
        if not self._lease.hold():
            raise RetryableError("another worker has begun to verify it")
