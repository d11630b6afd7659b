"""What a pipeline's own thread does: poll, produce, hand over, commit what is flushed (I7)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from flusso_shared import failpoints, retry
from flusso_shared.change import Record
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.retry import Backoff
from flusso_shared.seams import ChangeReader, TopicPartition
from flusso_shared.status import Tally
from flusso_worker.documents.change_batch import Intake, gather
from flusso_worker.pipeline.in_flight import Flight
from flusso_worker.pipeline.offsets import Ledger, Ticket
from flusso_worker.pipeline.stages import Process, Stages, Subject
from flusso_worker.pipeline.truncate_rescan import SecondLooks

logger = logging.getLogger(__name__)

MAX_RECORDS = 5000
_IDLE_POLL = 0.25
_BUSY_POLL = 0.02
_COMMIT_EVERY = 0.2
_REVOKE_BUDGET = 60.0
_DRAIN_BUDGET = 15.0


class Loop:
    """The life of one membership in the generation's group.  Owned by one thread."""

    def __init__(
        self,
        subject: Subject,
        process: Process,
        stages: Stages,
        finish: threading.Event,
        abort: threading.Event,
    ) -> None:
        """`finish` asks to stop reading and drain; `abort` interrupts flushes that wait for their sink."""
        self._subject = subject
        self._process = process
        self._stages = stages
        self._finish = finish
        self._abort = abort
        self._clock = SystemClock(finish)
        self._ledger = Ledger()
        self._flight = Flight(
            subject.generation.physical, subject.flushes, stages.flush, process.air
        )
        self._in_flight = 0
        index, metrics = subject.generation.index, process.metrics
        self._in_flight_gauge = metrics.gauge("flusso_changes_in_flight", index)
        self._committed = metrics.counter("flusso_changes_committed_total", index)
        # Else capture is in the same process and counts them, each once for all indexes.
        self._tally = Tally(process.status) if process.log.durable else None
        self._committed_at = 0.0
        self._polling = f"read changes for index {subject.generation.index}"
        self._backoff = Backoff()
        self._looks = SecondLooks(subject, process.log.groups, self._clock)

    def run(self, reading: threading.Event) -> None:
        """Until `finish` is set, or a failure, which is raised.  `reading` is set once in the group."""
        reader: ChangeReader | None = None
        try:
            reader = self._join()
            reading.set()
            while not self._finish.is_set():
                self._round(reader)
            self._flight.drain(_DRAIN_BUDGET, self._abort)
        except StoppedError:
            logger.debug("index %s: interrupted", self._subject.generation.index)
        finally:
            self._leave(reader)

    def _join(self) -> ChangeReader:
        """Become a member of the group."""
        plan, log = self._subject.plan, self._process.log
        holder: list[ChangeReader] = []

        def on_revoked(partitions: Collection[TopicPartition]) -> None:
            self._give_up(holder[0], partitions)

        # Seeding is all about the root's partitions: every member gets its share of them.
        related = [table for table in plan.tables if table != plan.root]
        reader = log.reader(self._subject.group, [plan.root, *related], on_revoked)
        holder.append(reader)
        return reader

    def _round(self, reader: ChangeReader) -> None:
        records = self._poll(reader)
        self._flight.reap()
        if records:
            failpoints.hit("after_poll")
            self._take(gather(records), reader)
        for look in self._looks.due(reader.assignment):
            self._send(look.ticket, look.intake)
            look.ticket.closed = True
        due = not records or time.monotonic() - self._committed_at >= _COMMIT_EVERY
        if due and self._ledger.releasable:
            self._commit(reader)

    def _poll(self, reader: ChangeReader) -> list[Record]:
        unfinished = self._flight.busy or self._ledger.releasable
        try:
            records = reader.poll(MAX_RECORDS, _BUSY_POLL if unfinished else _IDLE_POLL)
        except RetryableError as error:
            delay = self._backoff.next()
            logger.warning(
                "index %s: cannot read changes, next try in %.1f s: %s",
                self._subject.generation.index,
                delay,
                error,
                extra={"action": "retry"},
            )
            self._process.metrics.counter("flusso_retries_total", "poll").inc()
            if self._backoff.attempt >= retry.TOLD_AFTER:
                self._process.status.retrying(self._polling, f"cannot {self._polling} yet: {error}")
            self._clock.wait(delay)
            return []
        self._backoff.reset()
        self._process.status.retried(self._polling)
        return records

    def _take(self, intake: Intake, reader: ChangeReader) -> None:
        """Take a batch all the way to the flush threads."""
        self._count(intake.count)
        ticket = self._ledger.open(intake.offsets, intake.count)
        emptied = self._subject.plan.root in intake.truncated
        if emptied:
            self._land()
        self._send(ticket, intake)
        # The truncate is visible by now: whatever others build from later records sees it.
        if emptied and self._looks.wanted(ticket, intake, reader.assignment()):
            return
        ticket.closed = True

    def _count(self, changes: int) -> None:
        """Changes that are taken in."""
        self._in_flight += changes
        self._in_flight_gauge.inc(changes)
        if self._tally is not None:
            self._tally.take(changes)

    def _send(self, ticket: Ticket, intake: Intake) -> None:
        """Produce and hand over; again from the start when a connection fails."""
        retry.forever(
            lambda: self._produce(ticket, intake),
            doing=f"build documents of index {self._subject.generation.index}",
            clock=self._clock,
            status=self._process.status,
        )

    def _land(self) -> None:
        """Wait until all that is in the air has landed."""
        while not self._flight.drain(_IDLE_POLL, self._finish):
            if self._finish.is_set():
                raise StoppedError("stop requested")

    def _produce(self, ticket: Ticket, intake: Intake) -> None:
        for built in self._stages.produce(intake):
            if built.operations or built.failed:
                if not self._flight.has_room(built):
                    self._stages.rest()
                self._flight.submit(ticket, built, self._finish)

    def _commit(self, reader: ChangeReader) -> None:
        offsets, changes = self._ledger.release()
        failpoints.hit("before_offset_commit")
        try:
            reader.commit(offsets)
        except RetryableError as error:
            # Nothing is lost: a later commit stands for these too, and until then they would be done again.
            self._ledger.restore(offsets, changes)
            self._committed_at = time.monotonic()
            logger.warning(
                "index %s: cannot commit offsets yet: %s",
                self._subject.generation.index,
                error,
                extra={"action": "retry"},
            )
            return
        failpoints.hit("after_offset_commit")
        self._committed_at = time.monotonic()
        self._in_flight -= changes
        self._in_flight_gauge.dec(changes)
        if self._tally is not None:
            self._tally.finish(changes)
        self._committed.inc(changes)

    def _give_up(self, reader: ChangeReader, partitions: Collection[TopicPartition]) -> None:
        """Flush and commit what is in flight, before other members get the partitions."""
        landed = self._flight.drain(_REVOKE_BUDGET, self._abort)
        if self._ledger.releasable:
            self._commit(reader)
        if not landed:
            logger.warning(
                "index %s: partitions are given up with flushes unfinished; their new owner does them again",
                self._subject.generation.index,
                extra={"action": "revoked_unfinished", "partitions": len(partitions)},
            )
        self._ledger.forget(partitions)
        self._looks.give_up(partitions)

    def _leave(self, reader: ChangeReader | None) -> None:
        """Interrupt what still flies, commit what is done, leave the group."""
        self._abort.set()
        self._process.status.retried(self._polling)
        self._flight.close()
        try:
            self._flight.reap()
        except FlussoError as error:
            logger.debug("a flush ended with: %s", error)
        finally:
            if reader is not None:
                self._part_with(reader)

    def _part_with(self, reader: ChangeReader) -> None:
        try:
            if self._ledger.releasable:
                self._commit(reader)
        finally:
            self._in_flight_gauge.dec(self._in_flight)
            if self._tally is not None:
                self._tally.give_up()
            reader.close()
