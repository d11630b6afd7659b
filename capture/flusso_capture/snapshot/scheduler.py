"""The thread that snapshots the tables that are wanted, one after the other, as long as capture runs."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from dataclasses import replace

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.snapshot.resync import DoubtRun
from flusso_capture.snapshot.table_snapshot import SnapshotRun, TableGoneError
from flusso_capture.source.resync_requests import Doubt, Doubts
from flusso_shared import retry
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import Lineage, TableSnapshot, snapshots_of
from flusso_shared.clock import Clock
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.errors import DeniedError
from flusso_shared.seams import ChangeLog

logger = logging.getLogger(__name__)

_LOOK_EVERY = 0.5
_READ_EVERY = 30.0

Wanted = Callable[[], Collection[TableName]]
History = tuple[Lineage, Origin]
GetHistory = Callable[[], History]


class MissingSnapshots:
    """The roots that have no complete snapshot in the current lineage: what Kafka's workers wait for.

    Looked up once per lineage, as nobody else writes the records, and from time to time: somebody may have let
    the topics delete old records, and a snapshot's with them.
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
        if self._read_for != lineage or now - self._read_at > _READ_EVERY:
            found = snapshots_of(self._log.control.load()).values()
            done = {item.table for item in found if item.lineage == lineage and self._stands(item)}
            self._missing = frozenset(self._plan.roots) - done
            self._read_for, self._read_at = lineage, now
        return self._missing

    def _stands(self, snapshot: TableSnapshot) -> bool:
        """Whether it is complete, and all its records are there."""
        if snapshot.state != "complete" or snapshot.skipped:
            return False
        first = self._log.groups.starts([snapshot.table], [], 0)
        return all(first.get(at, 0) <= offset for at, offset in snapshot.begun.items())


class Snapshotter:
    """Runs snapshots.  `work` is the body of its thread; the rest may be called from any."""

    def __init__(
        self,
        wanted: Wanted,
        plan: Plan,
        history: GetHistory,
        log: ChangeLog,
        options: CaptureOptions,
        process: Process,
        doubts: Doubts,
    ) -> None:
        """`history` tells the lineage and origin that hold now."""
        self._wanted = wanted
        self._links = plan.link_columns()
        self._history = history
        self._log = log
        self._options = options
        self._process = process
        self._done: set[TableName] = set()
        self._done_for: Lineage | None = None
        self._waiting: set[TableName] = set()
        """Tables to be read that are not there, or may not be read."""
        self._denied: set[TableName] = set()
        """Tables with an open doubt that may not be read."""
        self._doubts = doubts
        self._again_at = math.inf
        """When doubts that could not be settled are looked at again."""
        self.busy = True
        """Whether a snapshot is running or about to; True until the first look."""

    def work(self) -> None:
        """Look for wanted tables and snapshot them, until a stop is requested (`StoppedError`)."""
        clock, status = self._process.clock, self._process.status
        while True:
            self._settle_doubts()
            todo = retry.forever(
                self._todo, doing="read the control records", clock=clock, status=status
            )
            self.busy = bool(todo)
            for table in todo:
                retry.forever(
                    lambda table=table: self._serve(table),  # type: ignore[misc]
                    doing=f"snapshot table {table}",
                    clock=clock,
                    status=status,
                )
            self._waiting &= set(todo)
            if not todo or self._waiting:
                clock.wait(_LOOK_EVERY)

    def _settle_doubts(self) -> None:
        clock, status = self._process.clock, self._process.status
        if not self._doubts.raised.is_set() and clock.monotonic() < self._again_at:
            return
        self._doubts.raised.clear()
        self._again_at = math.inf
        found = retry.forever(
            self._doubts.open, doing="read the control records", clock=clock, status=status
        )
        for doubt in found:
            retry.forever(
                lambda doubt=doubt: self._settle(doubt),  # type: ignore[misc]
                doing=f"have documents with rows of table {doubt.table} built again",
                clock=clock,
                status=status,
            )

    def _settle(self, doubt: Doubt) -> None:
        _, origin = self._history()
        links = self._links.get(doubt.table, frozenset())
        run = DoubtRun(doubt, links, origin, self._log, self._options, self._process)
        try:
            settled = run.run()
        except DeniedError as error:
            if doubt.table not in self._denied:
                logger.error(
                    "%s", error, extra={"action": "table_unreadable", "table": str(doubt.table)}
                )
                self._process.status.failed(str(error))
            self._denied.add(doubt.table)
            settled = False
        else:
            self._denied.discard(doubt.table)
        if settled:
            self._doubts.settle(doubt)
        else:
            # What the table lacks may come back before it is seen that it was gone.
            self._again_at = self._process.clock.monotonic() + self._options.watch_seconds

    def _todo(self) -> list[TableName]:
        """What is wanted and was not served yet.  A table is served again once it was not wanted for a while."""
        lineage, _ = self._history()
        if self._done_for != lineage:
            self._done_for, self._done = lineage, set()
        wanted = set(self._wanted())
        self._done &= wanted
        return sorted(wanted - self._done)

    def _serve(self, table: TableName) -> None:
        lineage, origin = self._history()
        if self._options.skip_backfill:
            self._skip(table, lineage)
        else:
            links = self._links.get(table, frozenset())
            run = SnapshotRun(
                table, links, lineage, origin, self._log, self._options, self._process
            )
            try:
                run.run()
            except (TableGoneError, DeniedError) as error:
                if table not in self._waiting:
                    logger.error(
                        "%s", error, extra={"action": "table_unreadable", "table": str(table)}
                    )
                    self._process.status.failed(str(error))
                self._waiting.add(table)
                return
        self._waiting.discard(table)
        if lineage == self._done_for:
            self._done.add(table)

    def _skip(self, table: TableName, lineage: Lineage) -> None:
        """Say that the snapshot is complete, without one; a start without --skip-backfill takes it."""
        record = TableSnapshot(table, lineage, "complete", skipped=True)
        record = replace(record, ends=dict(self._log.groups.ends([table])))
        self._log.control.put(record.key, record.to_json())
        logger.warning(
            "the snapshot of table %s is skipped: indexes built on it now hold only rows that change",
            table,
            extra={"action": "snapshot_skipped", "table": str(table)},
        )
