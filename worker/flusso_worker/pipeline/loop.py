"""What a pipeline's own thread does: poll, build, flush, commit (I7).  `Loop.process_next_batch` shows all of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from flusso_shared import failpoints, retry, tracing
from flusso_shared.change import Record
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.retry import Backoff
from flusso_shared.seams import ChangeReader, TopicPartition
from flusso_shared.status import Tally
from flusso_worker.documents.built import Built
from flusso_worker.documents.change_batch import ChangeBatch, gather
from flusso_worker.pipeline.assembly import Assembly
from flusso_worker.pipeline.in_flight import InFlightRequests
from flusso_worker.pipeline.offsets import OffsetTracker, PendingBatch
from flusso_worker.pipeline.spans import BatchSpans
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext
from flusso_worker.pipeline.truncate_rescan import TruncateRescans

logger = logging.getLogger(__name__)

MAX_RECORDS = 5000
"""Per batch."""
_IDLE_POLL_SECONDS = 0.25
_BUSY_POLL_SECONDS = 0.02
"""While flushes or commits are outstanding."""
_COMMIT_INTERVAL_SECONDS = 0.2
_LAG_INTERVAL_SECONDS = 1.0
_REVOKE_BUDGET_SECONDS = 60.0
_DRAIN_BUDGET_SECONDS = 15.0


class Loop:
    """One membership in the generation's consumer group.  Owned by one thread."""

    def __init__(
        self,
        spec: PipelineSpec,
        context: WorkerContext,
        assembly: Assembly,
        finish: threading.Event,
        abort: threading.Event,
    ) -> None:
        """`finish` asks to stop reading and drain; `abort` interrupts flushes that wait for their sink."""
        self._spec = spec
        self._context = context
        self._batch_builder = assembly.batch_builder
        self._finish = finish
        self._abort = abort
        self._clock = SystemClock(finish)
        self._offsets = OffsetTracker()
        self._spans = BatchSpans(spec, context.tracer)
        self._backlog = context.status.backlogs.of_generation(spec.generation)
        self._backlog.statement_since = assembly.batch_builder.connections.statement_since
        self._write = assembly.flusher.flush
        self._requests = InFlightRequests(
            spec.generation.physical, spec.flushes, self._flush_acknowledged, context.byte_budget
        )
        self._changes_in_flight = 0
        self._lag = 0
        """Records that the group has not applied, when the reader was asked last."""
        self._lag_read_at = 0.0
        index, metrics = spec.generation.index, context.metrics
        self._in_flight_gauge = metrics.gauge("flusso_changes_in_flight", index)
        self._committed = metrics.counter("flusso_changes_committed_total", index)
        self._latency = metrics.histogram("flusso_commit_to_acknowledged_seconds", index)
        self._roots = metrics.histogram("flusso_roots_per_change", index)
        self._tally = Tally(context.status) if context.counts_changes else None
        self._committed_at = 0.0
        self._polling = f"read changes for index {spec.generation.index}"
        self._backoff = Backoff()
        self._rescans = TruncateRescans(spec, context.log.groups, self._clock)

    def process_next_batch(self, reader: ChangeReader) -> None:
        """The way of one batch of changes, from the log into the index.  Start reading here.

        1. Poll: up to `MAX_RECORDS` changes of the tables that the index reads.
        2. Visibility gate: a snapshot of Postgres that contains all transactions of the batch (I2).
        3. Resolve: changed rows to the keys of the documents that contain them (I4).
        4. Build: the documents of these keys, in chunks, each with the version of its snapshot (I3).
        5. Flush: each chunk is a bulk request to every sink, in a flush thread, while the next chunk is built.
        6. Commit: the offsets of batches whose chunks are all acknowledged, and that of no later one (I7).
        """

        def build(batch: ChangeBatch, pending: PendingBatch) -> None:
            with pending.span.child("resolve"):
                snapshot = self._batch_builder.open_visibility_gate(batch)
                resolved = self._batch_builder.resolve(batch, snapshot)
            chunks = self._batch_builder.build(batch, resolved, snapshot)
            roots = 0
            for built in tracing.each(pending.span, "build", chunks):
                roots += len(built.operations)
                self._flush(replace(built, cause=batch.cause), pending)
            # The rescan after a truncate has no changes of its own.
            if batch.cause == "change" and batch.count:
                self._roots.observe(roots / batch.count)

        records = self._poll(reader)
        self._requests.reap()
        if records:
            failpoints.hit("after_poll")
            batch = gather(records)
            pending = self._track(batch)
            truncated = self._spec.plan.root in batch.truncated
            if truncated:
                self._await_flushes()
            self._with_retries(build, batch, pending)
            # The truncate is visible by now: whatever other workers build from later records contains it.
            rescan_later = truncated and self._rescans.schedule(pending, batch, reader.assignment())
            pending.fully_built = not rescan_later
        for rescan in self._rescans.take_due(reader.assignment):
            self._with_retries(build, rescan.batch, rescan.pending)
            rescan.pending.fully_built = True
        if not records or time.monotonic() - self._committed_at >= _COMMIT_INTERVAL_SECONDS:
            self._commit(reader)
        self._observe_lag(reader)

    def run(self, reading: threading.Event) -> None:
        """Process batches until `finish` is set.  Raises what ended it otherwise.

        `reading` is set once this member has joined the group.
        """
        reader: ChangeReader | None = None
        try:
            reader = self._join_group()
            reading.set()
            while not self._finish.is_set():
                self.process_next_batch(reader)
            self._requests.drain(_DRAIN_BUDGET_SECONDS, self._abort)
        except StoppedError:
            logger.debug("index %s: interrupted", self._spec.generation.index)
        finally:
            self._shut_down(reader)

    def _join_group(self) -> ChangeReader:
        plan, log = self._spec.plan, self._context.log
        holder: list[ChangeReader] = []

        def on_revoked(partitions: Collection[TopicPartition]) -> None:
            self._give_up_partitions(holder[0], partitions)

        # The root comes first: seeding reads mostly its partitions, and every member is to get a share of them.
        related = [table for table in plan.tables if table != plan.root]
        reader = log.reader(self._spec.group, [plan.root, *related], on_revoked)
        holder.append(reader)
        return reader

    def _poll(self, reader: ChangeReader) -> list[Record]:
        """The next changes; none when there are none yet, or when the log cannot be read for now."""
        unfinished = self._requests.busy or self._offsets.has_committable
        try:
            records = reader.poll(
                MAX_RECORDS, _BUSY_POLL_SECONDS if unfinished else _IDLE_POLL_SECONDS
            )
        except RetryableError as error:
            delay = self._backoff.next()
            what = f"index {self._spec.generation.index}: cannot read changes"
            retry.log_next_try(logger, what, delay, error)
            self._count_retry("poll")
            if self._backoff.attempt >= retry.TOLD_AFTER:
                told = f"cannot {self._polling} yet: {error}"
                self._context.status.retrying(
                    self._polling, told, index=self._spec.generation.index
                )
            self._clock.wait(delay)
            return []
        self._backoff.reset()
        self._context.status.retried(self._polling)
        return records

    def _track(self, batch: ChangeBatch) -> PendingBatch:
        """Count the batch, and hold back its offsets until it is flushed."""
        self._changes_in_flight += batch.count
        self._in_flight_gauge.inc(batch.count)
        if self._tally is not None:
            self._tally.take(batch.count)
        pending = self._offsets.add_batch(batch.offsets, batch.count, batch.committed_at)
        self._spans.begin(batch, pending)
        self._update_backlog()
        return pending

    def _with_retries(
        self,
        build: Callable[[ChangeBatch, PendingBatch], None],
        batch: ChangeBatch,
        pending: PendingBatch,
    ) -> None:
        """Build a batch; from the start again when a connection fails, which is harmless."""

        def attempt() -> None:
            try:
                build(batch, pending)
            except RetryableError:
                self._count_retry("build")
                raise

        index = self._spec.generation.index
        retry.forever(
            attempt,
            doing=f"build documents of index {index}",
            clock=self._clock,
            status=self._context.status,
            index=index,
        )

    def _count_retry(self, what: str) -> None:
        self._context.metrics.counter("flusso_retries_total", what).inc()
        self._context.status.retry(what)

    def _flush_acknowledged(self, built: Built) -> None:
        """Write a chunk, in a flush thread, and note that every sink has acknowledged it."""
        self._write(built)
        self._backlog.acknowledge()

    def _observe_lag(self, reader: ChangeReader) -> None:
        """Ask the reader for the lag, once a second."""
        now = time.monotonic()
        if now - self._lag_read_at >= _LAG_INTERVAL_SECONDS:
            self._lag, self._lag_read_at = reader.lag(), now
            self._update_backlog()

    def _update_backlog(self) -> None:
        records = max(self._lag, self._changes_in_flight)
        self._backlog.set(records, self._offsets.oldest_commit)

    def _await_flushes(self) -> None:
        """Wait until nothing is in flight.  Raises `StoppedError` when asked to stop meanwhile."""
        while not self._requests.drain(_IDLE_POLL_SECONDS, self._finish):
            if self._finish.is_set():
                raise StoppedError("stop requested")

    def _flush(self, built: Built, pending: PendingBatch) -> None:
        """Submit a chunk to the flush threads; holds no transaction open while it waits for capacity."""
        if built.operations or built.failed:
            if not self._requests.has_capacity(built):
                self._batch_builder.end_transactions()
            self._requests.submit(pending, built, self._finish)

    def _commit(self, reader: ChangeReader) -> None:
        """Commit the offsets of batches that are done, if there are any."""
        self._measure_done()
        if not self._offsets.has_committable:
            return
        offsets, changes = self._offsets.take_committable()
        failpoints.hit("before_offset_commit")
        try:
            with self._spans.commit():
                reader.commit(offsets)
        except RetryableError as error:
            # Nothing is lost: a later commit includes these offsets; after a crash the batches are processed again.
            self._offsets.put_back(offsets, changes)
            self._committed_at = time.monotonic()
            logger.warning(
                "index %s: cannot commit offsets yet: %s",
                self._spec.generation.index,
                error,
                extra={"action": "retry"},
            )
            return
        failpoints.hit("after_offset_commit")
        self._committed_at = time.monotonic()
        self._changes_in_flight -= changes
        self._in_flight_gauge.dec(changes)
        if self._tally is not None:
            self._tally.finish(changes)
        self._committed.inc(changes)
        self._backlog.acknowledge()
        self._update_backlog()

    def _measure_done(self) -> None:
        """Observe the latency of the batches that are done, where it is that of what queries see."""
        visible = self._context.status.backlogs.is_visible(self._spec.generation)
        for pending in self._offsets.take_done():
            committed, acknowledged = pending.committed_at, pending.acknowledged_at
            # What was committed before, an older generation made visible.
            mine = committed is not None and committed >= self._spec.created_at
            if visible and mine and committed is not None and acknowledged is not None:
                self._latency.observe(max(0.0, acknowledged - committed))

    def _give_up_partitions(
        self, reader: ChangeReader, partitions: Collection[TopicPartition]
    ) -> None:
        """Flush and commit what is in flight, before other members are assigned the partitions."""
        drained = self._requests.drain(_REVOKE_BUDGET_SECONDS, self._abort)
        self._commit(reader)
        if not drained:
            logger.warning(
                "index %s: partitions are given up with flushes unfinished; their new owner repeats them",
                self._spec.generation.index,
                extra={"action": "revoked_unfinished", "partitions": len(partitions)},
            )
        self._offsets.drop_partitions(partitions)
        self._rescans.drop_partitions(partitions)

    def _shut_down(self, reader: ChangeReader | None) -> None:
        """Interrupt flushes in flight, commit what is done, leave the group."""
        self._abort.set()
        self._context.status.retried(self._polling)
        self._requests.close()
        try:
            self._requests.reap()
        except FlussoError as error:
            logger.debug("a flush ended with: %s", error)
        finally:
            if reader is not None:
                self._leave_group(reader)

    def _leave_group(self, reader: ChangeReader) -> None:
        try:
            self._commit(reader)
        finally:
            self._in_flight_gauge.dec(self._changes_in_flight)
            if self._tally is not None:
                self._tally.give_up()
            self._spans.close()
            reader.close()
