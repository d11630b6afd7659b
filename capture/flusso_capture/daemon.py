"""Capture: wires its parts, and streams from the slot until it is asked to stop.

Threads: the caller of `run` streams; the others are those of `tasks.threads`.
Shutdown order: stop reading -> last acknowledgements -> last status -> CopyDone -> the crew -> close.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.snapshot import scheduler as snapshots
from flusso_capture.source.connection import session
from flusso_capture.source.lineage import PositionLostError
from flusso_capture.source.resync_requests import Doubts
from flusso_capture.startup import Footing, Startup
from flusso_capture.stream.change_builder import Changes
from flusso_capture.stream.generated_columns import Evaluator
from flusso_capture.stream.relations import Relations, Signals
from flusso_capture.stream.replication import Replication, UnsendableError
from flusso_capture.stream.stream import Feed, Stream
from flusso_capture.stream.transaction_ids import Xids
from flusso_capture.stream.watermark import Watermark
from flusso_capture.tasks.threads import Crew
from flusso_shared import retry
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.errors import FlussoError, RetryableError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.catalog import Table
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.retry import Backoff
from flusso_shared.seams import ChangeLog

__all__ = ["Capture", "CaptureOptions", "Process"]

logger = logging.getLogger(__name__)

_SOUND_AFTER = 10.0
_TRIES = 3

_FOLLOWING = "follow the write-ahead log"


class Capture:
    """One capture process, or the capture half of `flusso run`."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        process: Process,
        wanted: snapshots.Wanted | None = None,
    ) -> None:
        """`wanted` says which root tables want a snapshot, from any thread; without it those that have no
        complete one in the current lineage."""
        self._options = options
        self._plan = plan
        self._log = log
        self._process = process
        self._wanted = wanted
        self._doubts = Doubts(log.control)
        self._startup = Startup(options, plan, log, process, self._doubts)
        self._footing: Footing | None = None
        self._answered = False
        self._shaken = False
        """Whether what `_footing` stands for may have changed since."""
        self._suspicion: str | None = None
        """Why reading cannot go on where it ended, if that was noticed while streaming."""
        self._unsendable: tuple[str, ...] = ()
        """What ended the last stretches."""
        self._backoff = Backoff()
        self._streaming = False

    def await_servers(self) -> None:
        """Wait until Postgres and the change log answer; once is enough.  Raises as `prepare`."""
        if self._answered:
            return
        if self._process.owns_status:
            self._process.status.set_phase("starting")
        self._startup.await_servers()
        self._answered = True

    def prepare(self) -> None:
        """Wait for the servers; then preflight, replica identity, publication, topics, slot and lineage.

        Raises `FatalError` when somebody has to do something first, `StoppedError` on a stop.
        """
        self.await_servers()
        self._footing = retry.forever(
            self._startup.prepare,
            doing="prepare the source",
            clock=self._process.clock,
            status=self._process.status,
        )
        self._plan = self._footing.plan

    def run(self) -> None:
        """Stream, and snapshot what is wanted, until a stop is requested; then drain and return.

        Raises `FatalError`, and any unexpected error of any of its threads.
        """
        process = self._process
        if self._footing is None:
            self.prepare()
        wanted = self._wanted or snapshots.MissingSnapshots(
            self._plan, self._log, self._lineage, process.clock
        )
        crew = Crew(
            self._options, self._plan, self._log, process, wanted, self._history, self._doubts
        )
        crew.start()
        try:
            retry.forever(
                lambda: self._stretch(crew),
                doing=_FOLLOWING,
                clock=process.clock,
                backoff=self._backoff,
                status=process.status,
            )
        except StoppedError:
            logger.debug("stopped while waiting")
        except FlussoError as error:
            process.metrics.counter("flusso_errors_total").inc()
            process.status.failed(str(error))
            raise
        finally:
            process.stop.set()
            crew.join()
            if process.owns_status:
                process.status.set_phase("stopped")
        crew.check()

    def _stretch(self, crew: Crew) -> None:
        """Stream over one connection and one writer until a stop is requested or one of them breaks."""
        clock = self._process.clock
        started = clock.monotonic()
        try:
            with ExitStack() as stack:
                self._open(stack, crew).run()
        except RetryableError as error:
            self._process.metrics.counter("flusso_retries_total", "stream").inc()
            # Whatever broke, the ground may have shifted: another primary, no slot, other columns.
            self._shaken = True
            if isinstance(error, PositionLostError) or self._is_stuck(error):
                self._suspicion = str(error)
            self._process.status.waiting("the write-ahead log and the change log")
            if clock.monotonic() - started > _SOUND_AFTER:
                self._backoff.reset()
            raise
        finally:
            self._streaming = False

    def _is_stuck(self, error: RetryableError) -> bool:
        """Whether the server failed over the same change a few times in a row."""
        self._unsendable = (*self._unsendable, str(error))[-_TRIES:]
        stuck = (
            isinstance(error, UnsendableError)
            and len(self._unsendable) == _TRIES
            and len(set(self._unsendable)) == 1
        )
        if stuck:
            self._unsendable = ()
        return stuck

    def _open(self, stack: ExitStack, crew: Crew) -> Stream:
        footing = self._stand()
        options, process = self._options, self._process
        replication = Replication(options.conninfo)
        stack.callback(replication.close)
        watch = crew.watch
        signals = Signals(
            footing.relations, watch.lose, watch.unlink, watch.nudge, watch.unreadable
        )
        relations = Relations(
            footing.catalog.tables, self._plan.link_columns(), self._read_table, signals
        )
        evaluator = Evaluator(options.conninfo)
        stack.callback(evaluator.close)
        changes = Changes(
            relations,
            Xids(footing.next_xid),
            replication.identify(),
            options.max_value_bytes,
            evaluator,
        )
        writer = self._log.writer()
        # What is not acknowledged yet comes again from the slot; by then another process may have it, and published
        # newer changes of the same rows.
        stack.callback(writer.close, 0.0)
        crew.begin(footing.position)
        stream = Stream(
            Feed(replication, relations, changes),
            writer,
            Watermark(footing.slot.confirmed),
            crew.positions,
            process,
            lambda: self._round(crew),
        )
        replication.start(options.slot, options.publication)
        self._streaming = True
        process.status.retried(_FOLLOWING)
        process.status.waiting(None)
        logger.info(
            "streaming from slot %s at %s",
            options.slot,
            footing.slot.confirmed_text,
            extra={"action": "stream"},
        )
        return stream

    def _stand(self) -> Footing:
        """What to stream from, looked at anew when it may have changed."""
        if self._footing is None or self._shaken:
            self._footing = self._startup.prepare(self._suspicion)
            self._shaken, self._suspicion = False, None
        return self._footing

    def _round(self, crew: Crew) -> None:
        crew.check()
        if self._process.owns_status and self._streaming:
            self._process.status.set_phase("backfilling" if crew.snapshotter.busy else "live")

    def _history(self) -> snapshots.History:
        footing = self._footing
        assert footing is not None, "prepare comes before run"
        return footing.lineage, footing.origin

    def _lineage(self) -> Lineage:
        return self._history()[0]

    def _read_table(self, name: TableName) -> Table | None:
        with session(self._options.conninfo, self._process.stop, "read the catalog") as connection:
            return read_catalog(connection, [name]).tables.get(name)
