"""The snapshot thread: runs resyncs, and snapshots of the tables that need one, one after the other."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from dataclasses import replace

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.snapshot.resync import Resync
from flusso_capture.snapshot.table_snapshot import SnapshotRun, TableGoneError
from flusso_capture.source.resync_requests import ResyncRequest, ResyncRequests
from flusso_shared import retry
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import Lineage, TableSnapshot, snapshots_of
from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.errors import DeniedError
from flusso_shared.seams import ChangeLog

logger = logging.getLogger(__name__)

_POLL_INTERVAL_SECONDS = 0.5
_RECORDS_INTERVAL_SECONDS = 30.0
_SUPERSEDED_AFTER_SECONDS = 5.0
"""After which a resync that is not acknowledged gives way to the extended request: usually it is acknowledged before."""

Wanted = Callable[[], Collection[TableName]]
History = tuple[Lineage, Origin]
GetHistory = Callable[[], History]


class MissingSnapshots:
    """The root tables that have no complete snapshot in the current lineage.  Workers on Kafka wait for these.

    The records are read once per lineage, because no other process writes them, and every 30 s, because topics
    without compaction delete old records, also those of a snapshot.
    """

    def __init__(
        self, plan: Plan, log: ChangeLog, lineage: Callable[[], Lineage], clock: Clock
    ) -> None:
        self._plan = plan
        self._log = log
        self._lineage = lineage
        self._clock = clock
        self._read_for: Lineage | None = None
        self._read_at = 0.0
        self._missing: frozenset[TableName] = frozenset()

    def __call__(self) -> Collection[TableName]:
        lineage, now = self._lineage(), self._clock.monotonic()
        if self._read_for != lineage or now - self._read_at > _RECORDS_INTERVAL_SECONDS:
            found = snapshots_of(self._log.control.load()).values()
            done = {
                item.table for item in found if item.lineage == lineage and self._is_complete(item)
            }
            self._missing = frozenset(self._plan.roots) - done
            self._read_for, self._read_at = lineage, now
        return self._missing

    def _is_complete(self, snapshot: TableSnapshot) -> bool:
        """Whether it is complete, and all its records are still in the log."""
        if snapshot.state != "complete" or snapshot.skipped:
            return False
        first = self._log.groups.starts([snapshot.table], [], 0)
        return all(first.get(at, 0) <= offset for at, offset in snapshot.begun.items())


class SnapshotScheduler:
    """Runs resyncs and snapshots.  `work` is the body of its thread; the rest may be called from any."""

    def __init__(
        self,
        wanted: Wanted,
        plan: Plan,
        history: GetHistory,
        log: ChangeLog,
        options: CaptureOptions,
        context: CaptureContext,
        resync_requests: ResyncRequests,
    ) -> None:
        """`wanted` returns the tables that need a snapshot; `history` the current lineage and origin."""
        self._wanted = wanted
        self._links = plan.link_columns()
        self._history = history
        self._log = log
        self._options = options
        self._context = context
        self._done: set[TableName] = set()
        self._done_for: Lineage | None = None
        self._waiting: set[TableName] = set()
        """Tables that need a snapshot and do not exist, or may not be read."""
        self._denied: set[TableName] = set()
        """Tables with a pending resync request that may not be read."""
        self._resync_requests = resync_requests
        self._published: dict[TableName, Resync] = {}
        """Resyncs that are not acknowledged yet.  A log in memory acknowledges what every index has applied, and one may have stopped."""
        self._retry_at = math.inf
        """When resyncs that could not be run are tried again, in monotonic seconds."""
        self.busy = True
        """Whether a snapshot runs or is about to; True until the tables are known."""

    def work(self) -> None:
        """Run resyncs and snapshots until a stop is requested (`StoppedError`)."""
        try:
            while True:
                self._run_round()
        finally:
            for resync in self._published.values():
                resync.close()

    def _run_round(self) -> None:
        clock, status = self._context.clock, self._context.status
        self._run_resyncs()
        self._complete_resyncs()
        reading_again = status.lost_position is not None
        todo = retry.forever(
            self._unserved, doing="read the control records", clock=clock, status=status
        )
        self.busy = bool(todo)
        if reading_again and not todo:
            status.position_found()
        for table in todo:
            retry.forever(
                lambda table=table: self._take_snapshot(table),  # type: ignore[misc]
                doing=f"snapshot table {table}",
                clock=clock,
                status=status,
            )
        self._waiting &= set(todo)
        if not todo or self._waiting:
            clock.wait(_POLL_INTERVAL_SECONDS)

    def _complete_resyncs(self) -> None:
        """Complete the requests whose resyncs are acknowledged; have those published again whose writer failed."""
        for table, resync in list(self._published.items()):
            try:
                if not resync.acknowledged():
                    continue
                self._resync_requests.complete(resync.request)
            except RetryableError as error:
                logger.warning(
                    "the resync of table %s is published again: %s",
                    table,
                    error,
                    extra={"action": "resync", "table": str(table)},
                )
                self._resync_requests.wakeup.set()
            del self._published[table]
            resync.close()

    def _run_resyncs(self) -> None:
        clock, status = self._context.clock, self._context.status
        if not self._resync_requests.wakeup.is_set() and clock.monotonic() < self._retry_at:
            return
        self._resync_requests.wakeup.clear()
        self._retry_at = math.inf
        found = retry.forever(
            self._resync_requests.pending,
            doing="read the control records",
            clock=clock,
            status=status,
        )
        for request in found:
            if (earlier := self._published.get(request.table)) is not None:
                if earlier.request == request:
                    continue
                due = earlier.published_at + _SUPERSEDED_AFTER_SECONDS
                if due > clock.monotonic():
                    self._retry_at = min(self._retry_at, due)
                    continue
            retry.forever(
                lambda request=request: self._run_resync(request),  # type: ignore[misc]
                doing=f"resync table {request.table}",
                clock=clock,
                status=status,
            )

    def _run_resync(self, request: ResyncRequest) -> None:
        if (earlier := self._published.pop(request.table, None)) is not None:
            # The request was extended: what is published now contains it.
            earlier.close()
        _, origin = self._history()
        links = self._links.get(request.table, frozenset())
        resync = Resync(request, links, origin, self._log, self._options, self._context)
        published = False
        try:
            published = resync.publish()
        except DeniedError as error:
            if request.table not in self._denied:
                logger.error(
                    "%s", error, extra={"action": "table_unreadable", "table": str(request.table)}
                )
                self._context.status.failed(str(error))
            self._denied.add(request.table)
        else:
            self._denied.discard(request.table)
        finally:
            if published:
                self._published[request.table] = resync
            else:
                resync.close()
        if not published:
            # What is missing may be restored before the catalog watch has seen that it was missing.
            again = self._context.clock.monotonic() + self._options.watch_seconds
            self._retry_at = min(self._retry_at, again)

    def _unserved(self) -> list[TableName]:
        """Tables that need a snapshot and had none yet.  A table that was not wanted in between gets another one."""
        lineage, _ = self._history()
        if self._done_for != lineage:
            self._done_for, self._done = lineage, set()
        wanted = set(self._wanted())
        self._done &= wanted
        return sorted(wanted - self._done)

    def _take_snapshot(self, table: TableName) -> None:
        lineage, origin = self._history()
        if self._options.skip_backfill:
            self._skip(table, lineage)
        else:
            links = self._links.get(table, frozenset())
            run = SnapshotRun(
                table, links, lineage, origin, self._log, self._options, self._context
            )
            try:
                run.run()
            except (TableGoneError, DeniedError) as error:
                if table not in self._waiting:
                    logger.error(
                        "%s", error, extra={"action": "table_unreadable", "table": str(table)}
                    )
                    self._context.status.failed(str(error))
                self._waiting.add(table)
                return
        self._waiting.discard(table)
        if lineage == self._done_for:
            self._done.add(table)

    def _skip(self, table: TableName, lineage: Lineage) -> None:
        """Record the snapshot as complete without taking it.  A start without --skip-backfill takes it."""
        record = TableSnapshot(table, lineage, "complete", skipped=True)
        record = replace(record, ends=dict(self._log.groups.ends([table])))
        self._log.control.put(record.key, record.to_json())
        logger.warning(
            "the snapshot of table %s is skipped: indexes built on it now hold only rows that change",
            table,
            extra={"action": "snapshot_skipped", "table": str(table)},
        )
