"""Capture: wires its parts, and streams from the slot until a stop is requested.

Threads: the caller of `run` streams; the others are those of `tasks.threads`.
Shutdown order: stop receiving, last acknowledgements, last checkpoint, last status, CopyDone, background tasks, close.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.snapshot import scheduler
from flusso_capture.source.connection import session
from flusso_capture.source.lineage import PositionLostError
from flusso_capture.source.resync_requests import ResyncRequests
from flusso_capture.startup import PreparedSource, Startup
from flusso_capture.stream.change_builder import ChangeBuilder
from flusso_capture.stream.generated_columns import Evaluator
from flusso_capture.stream.relations import Relations, Signals
from flusso_capture.stream.replication import Replication, UnsendableError
from flusso_capture.stream.row_encoder import RowEncoder
from flusso_capture.stream.stream import Stream, StreamInput
from flusso_capture.stream.transaction_ids import TransactionIds
from flusso_capture.stream.watermark import Watermark
from flusso_capture.tasks.threads import BackgroundTasks
from flusso_shared import retry
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.catalog import Table
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.retry import Backoff
from flusso_shared.seams import ChangeLog, ChangeWriter

__all__ = ["Capture", "CaptureContext", "CaptureOptions"]

logger = logging.getLogger(__name__)

_BACKOFF_RESET_SECONDS = 10.0
_MAX_UNSENDABLE_FAILURES = 3

_FOLLOWING = "follow the write-ahead log"


class Capture:
    """One capture process, or the capture half of `flusso run`."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        context: CaptureContext,
        wanted: scheduler.Wanted | None = None,
    ) -> None:
        """`wanted` returns the root tables that need a snapshot, and is called from any thread.

        Without it, these are the root tables that have no complete snapshot in the current lineage.
        """
        self._options = options
        self._plan = plan
        self._log = log
        self._context = context
        self._wanted = wanted
        self._resync_requests = ResyncRequests(log.control)
        self._startup = Startup(options, plan, log, context, self._resync_requests)
        self._source: PreparedSource | None = None
        self._stale = False
        """Whether the source may have changed since it was prepared."""
        self._lost_reason: str | None = None
        """Why the stream cannot resume at the confirmed LSN, if a session found that out."""
        self._servers_answered = False
        self._recent_failures: tuple[str, ...] = ()
        """Messages of the errors that ended the last sessions."""
        self._backoff = Backoff()
        self._streaming = False

    def await_servers(self) -> None:
        """Wait until Postgres and the change log have answered once.  Raises as `prepare`."""
        if self._servers_answered:
            return
        if self._context.owns_status:
            self._context.status.set_phase("starting")
        self._startup.await_servers()
        self._servers_answered = True

    def prepare(self) -> None:
        """Wait for the servers; then preflight, replica identity, publication, topics, slot and lineage.

        Raises `FatalError` when the operator has to act first, `StoppedError` on a stop.
        """
        self.await_servers()
        self._source = retry.forever(
            self._startup.prepare,
            doing="prepare the source",
            clock=self._context.clock,
            status=self._context.status,
        )
        self._plan = self._source.plan
        self._report_lost(self._source)

    def run(self) -> None:
        """Stream, and take the snapshots that are wanted, until a stop is requested; then drain and return.

        Raises `FatalError`, and any unexpected error of any of its threads.
        """
        context = self._context
        if self._source is None:
            self.prepare()
        wanted = self._wanted or scheduler.MissingSnapshots(
            self._plan, self._log, self._lineage, context.clock
        )
        tasks = BackgroundTasks(
            self._options,
            self._plan,
            self._log,
            context,
            wanted,
            self._history,
            self._resync_requests,
        )
        tasks.start()
        try:
            retry.forever(
                lambda: self._run_session(tasks),
                doing=_FOLLOWING,
                clock=context.clock,
                backoff=self._backoff,
                status=context.status,
            )
        except StoppedError:
            logger.debug("stopped while waiting")
        except FlussoError as error:
            context.metrics.counter("flusso_errors_total").inc()
            context.status.failed(str(error))
            raise
        finally:
            context.stop.set()
            tasks.join()
            if context.owns_status:
                context.status.set_phase("stopped")
        tasks.check()

    def _run_session(self, tasks: BackgroundTasks) -> None:
        """Stream over one connection and one writer until a stop is requested or one of them fails."""
        clock = self._context.clock
        started = clock.monotonic()
        try:
            with ExitStack() as stack:
                self._open_stream(stack, tasks).run()
        except RetryableError as error:
            self._context.metrics.counter("flusso_retries_total", "stream").inc()
            self._context.status.retry("stream")
            # Whatever failed, the source may be another now: another primary, no slot, other columns.
            self._stale = True
            if isinstance(error, PositionLostError) or self._fails_repeatedly(error):
                self._lost_reason = str(error)
            self._context.status.waiting("the write-ahead log and the change log")
            if clock.monotonic() - started > _BACKOFF_RESET_SECONDS:
                self._backoff.reset()
            raise
        finally:
            self._streaming = False

    def _fails_repeatedly(self, error: RetryableError) -> bool:
        """Whether the server failed over the same change three times in a row."""
        self._recent_failures = (*self._recent_failures, str(error))[-_MAX_UNSENDABLE_FAILURES:]
        repeated = (
            isinstance(error, UnsendableError)
            and len(self._recent_failures) == _MAX_UNSENDABLE_FAILURES
            and len(set(self._recent_failures)) == 1
        )
        if repeated:
            self._recent_failures = ()
        return repeated

    def _open_stream(self, stack: ExitStack, tasks: BackgroundTasks) -> Stream:
        """A stream over a new connection and a new writer, which `stack` closes."""
        source = self._prepared_source()
        options, context = self._options, self._context
        replication = Replication(options.conninfo)
        stack.callback(replication.close)
        evaluator = Evaluator(options.conninfo)
        stack.callback(evaluator.close)
        relations = self._relations(source, tasks)
        writer = self._log.writer()
        # Without waiting: changes that are not acknowledged are sent again by the slot.  By then another process may stream,
        # and may have published newer changes of the same rows.
        stack.callback(writer.close, 0.0)
        origin = replication.identify()
        changes = ChangeBuilder(
            relations,
            TransactionIds(source.next_xid),
            origin,
            options.max_value_bytes,
            evaluator,
            self._row_encoder(replication, relations, origin, writer),
        )
        tasks.begin_session(source.checkpoint)
        stream = Stream(
            StreamInput(replication, relations, changes),
            writer,
            Watermark(source.slot.confirmed),
            tasks.checkpoints,
            context,
            lambda: self._supervise(tasks),
        )
        replication.start(options.slot, options.publication)
        self._streaming = True
        context.status.retried(_FOLLOWING)
        context.status.waiting(None)
        logger.info(
            "streaming from slot %s at %s",
            options.slot,
            source.slot.confirmed_text,
            extra={"action": "stream"},
        )
        return stream

    def _row_encoder(
        self, replication: Replication, relations: Relations, origin: Origin, writer: ChangeWriter
    ) -> RowEncoder | None:
        """None where the log keeps changes as they are, or the stream's text is not that of a record."""
        if writer.max_record_bytes is None or replication.codec != "utf-8":
            return None
        return RowEncoder(relations, origin, self._options.max_value_bytes, writer.max_record_bytes)

    def _prepared_source(self) -> PreparedSource:
        """The prepared source; prepared again when it is stale."""
        if self._source is None or self._stale:
            self._source = self._startup.prepare(self._lost_reason)
            self._stale, self._lost_reason = False, None
            self._report_lost(self._source)
        return self._source

    def _report_lost(self, source: PreparedSource) -> None:
        """After the source is in place: snapshots that end for the one before do not count."""
        if source.lost_reason is not None:
            self._context.metrics.counter("flusso_errors_total").inc()
            self._context.status.position_lost(source.lost_reason)

    def _relations(self, source: PreparedSource, tasks: BackgroundTasks) -> Relations:
        watch = tasks.watch
        signals = Signals(
            followed=source.relations,
            passed_over=watch.table_passed_over,
            link_missing=watch.link_column_missing,
            described=watch.request_check,
            unreadable=watch.row_unreadable,
        )
        return Relations(
            source.catalog.tables, self._plan.link_columns(), self._read_table, signals
        )

    def _supervise(self, tasks: BackgroundTasks) -> None:
        tasks.check()
        if self._context.owns_status and self._streaming:
            self._context.status.set_phase("backfilling" if tasks.snapshots.busy else "live")

    def _history(self) -> scheduler.History:
        source = self._source
        assert source is not None, "prepare comes before run"
        return source.lineage, source.origin

    def _lineage(self) -> Lineage:
        return self._history()[0]

    def _read_table(self, name: TableName) -> Table | None:
        with session(self._options.conninfo, self._context.stop, "read the catalog") as connection:
            return read_catalog(connection, [name]).tables.get(name)
