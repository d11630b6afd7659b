"""Verifies and repairs an index at an interval: a document that changes without a change of a row is not found otherwise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.plan.model import IndexPlan
from flusso_shared.retry import log_next_try
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from flusso_worker.maintenance.catch_up import CatchUp
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.maintenance.key_walk_sql import compose
from flusso_worker.maintenance.observations import PAGE, Documents, Rows
from flusso_worker.maintenance.report import Report
from flusso_worker.maintenance.verification import Verification, VerificationOptions
from flusso_worker.maintenance.verification_lease import VerificationLease

logger = logging.getLogger(__name__)

_MAX_CATCH_UP_SECONDS = 60.0
"""To wait for changes in flight."""
_LEASE_RENEWAL_SECONDS = 10.0
"""Between two renewals of the lease of a running verification."""


@dataclass(frozen=True, slots=True)
class VerificationDependencies:
    """What the verifications of a process share."""

    writer: Callable[[str], WriterDependencies]
    """Of the document writer for an index."""
    store: GenerationStore
    log: ChangeLog
    topic_prefix: str
    status: Status
    clock: Clock
    """Its waits end when the process stops."""


def lease_patience(every: float) -> float:
    """Seconds after which the lease of a worker that verifies `every` so many seconds has expired."""
    return every + 3 * _LEASE_RENEWAL_SECONDS


def verification(
    writer: DocumentWriter,
    log: tuple[ChangeLog, str] | None,
    clock: Clock,
    patience: float,
    report: Report,
) -> Verification:
    """The verification of the writer's generation.  `log`: a durable log and its topic prefix, else None."""
    generation = writer.generation
    statements = compose(generation.plan, writer.catalog, writer.sql, PAGE)
    groups = None if log is None else (log[0].groups, log[1])
    return Verification(
        writer,
        Rows(writer, statements),
        Documents(writer, statements),
        CatchUp(generation, writer.database, groups, clock, patience),
        report,
    )


class PeriodicVerification:
    """Verifies one index at its interval, in its own thread."""

    def __init__(
        self, index: IndexPlan, dependencies: VerificationDependencies, lease: VerificationLease
    ) -> None:
        self._index = index
        self._dependencies = dependencies
        self._lease = lease
        self._renewed_at = 0.0
        self.failure: BaseException | None = None
        """The unexpected error that ended it."""
        self._thread = threading.Thread(target=self._run, name=f"verify {index.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end, after a stop was requested."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while True:
                every, held = self._index.verify_every, self._attempt()
                self._dependencies.clock.wait(every if held else min(every, _LEASE_RENEWAL_SECONDS))
        except StoppedError:
            self._release()
        except BaseException as error:  # noqa: BLE001 - raised by the lead thread
            self.failure = error

    def _attempt(self) -> bool:
        """Verify, unless another worker has the lease; False in that case."""
        try:
            if not self._lease.acquire_or_renew():
                return False
            self._verify()
        except StoppedError:
            raise
        except FlussoError as error:
            what = f"index {self._index.name}: cannot be verified"
            self._dependencies.status.failed(f"{what}: {error}")
            fields = {"action": "verify", "index": self._index.name}
            log_next_try(logger, what, self._index.verify_every, error, fields)
        return True

    def _release(self) -> None:
        try:
            self._lease.release()
        except FlussoError as error:
            logger.debug("index %s: its lease will expire: %s", self._index.name, error)

    def _verify(self) -> None:
        known = self._dependencies.store.read_index(self._index.name)
        live = known.live
        if live is None or known.paused is not None:
            return
        writer = DocumentWriter(live.generation, self._dependencies.writer(self._index.name))
        try:
            report = self._compare(live.generation, writer)
        finally:
            writer.close()
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

    def _compare(self, generation: Generation, writer: DocumentWriter) -> Report:
        dependencies = self._dependencies
        report = Report(self._index.name, generation.name.physical, 0, lambda _difference: None)
        log = (dependencies.log, dependencies.topic_prefix) if generation.durable else None
        patience = min(_MAX_CATCH_UP_SECONDS, self._index.verify_every)
        self._renewed_at = dependencies.clock.monotonic()
        options = VerificationOptions(
            repair=True, advance=lambda _what, _done, _total: self._renew_lease()
        )
        return verification(writer, log, dependencies.clock, patience, report).run(options)

    def _renew_lease(self) -> None:
        now = self._dependencies.clock.monotonic()
        if now - self._renewed_at < _LEASE_RENEWAL_SECONDS:
            return
        self._renewed_at = now
        if not self._lease.acquire_or_renew():
            raise RetryableError("another worker has begun to verify it")
