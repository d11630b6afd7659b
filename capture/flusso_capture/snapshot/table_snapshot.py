"""The snapshot of one table: publishes every row as a `read`, beside the stream.

A `read` holds key and link columns only.  Reads may be interleaved with live changes in any order, because documents are
built from the current state of the database.  Progress is recorded for acknowledged rows only, so an interrupted snapshot
resumes after them.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import cast

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.publisher import Publisher
from flusso_capture.snapshot.table_reader import Reader, Rows
from flusso_capture.source.connection import session
from flusso_shared import failpoints
from flusso_shared.change import Change, Op, Origin
from flusso_shared.changelog.control_records import Lineage, TableSnapshot, snapshots_of
from flusso_shared.errors import FlussoError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Progress, Tally

logger = logging.getLogger(__name__)

_RECORD_INTERVAL_SECONDS = 1.0
_CLOSE_TIMEOUT_SECONDS = 2.0


class TableGoneError(FlussoError):
    """The table does not exist, or has no primary key.  Snapshots of other tables go on."""


@dataclass(slots=True)
class _Chunk:
    """Rows up to the key `last`, and how many of them are not acknowledged, whether published or not."""

    last: tuple[str, ...]
    rows: int
    outstanding: int

    def row_acknowledged(self) -> None:
        self.outstanding -= 1


class SnapshotRun:
    """One run over one table: from its recorded progress to its completion."""

    def __init__(
        self,
        table: TableName,
        links: frozenset[str],
        lineage: Lineage,
        origin: Origin,
        log: ChangeLog,
        options: CaptureOptions,
        context: CaptureContext,
    ) -> None:
        self._table = table
        self._links = links
        self._origin = origin
        self._log = log
        self._options = options
        self._context = context
        self._record = TableSnapshot(table, lineage, "running")
        self._recorded_at = context.clock.monotonic()
        self._chunks: deque[_Chunk] = deque()
        self._published = 0
        self._unrecorded = False
        self._tally = Tally(context.status)

    def run(self) -> TableSnapshot:
        """Publish what is left of the table; returns once its completion is recorded.

        Raises `RetryableError` when a connection broke (another run resumes), `TableGoneError`, `StoppedError`.
        """
        found = snapshots_of(self._log.control.load()).get(self._table)
        if found is not None and found.lineage == self._record.lineage and found.state == "running":
            self._record = found
        else:
            begun = dict(self._log.groups.ends([self._table]))
            self._record = replace(self._record, begun=begun)
        self._published = self._record.rows
        try:
            self._publish_all()
            self._record_progress()
        except StoppedError:
            self._record_progress(force=True)
            raise
        finally:
            self._tally.give_up()
            self._context.status.set_progress(str(self._table), None)
        return self._complete()

    def _publish_all(self) -> None:
        writer = self._log.writer()
        publisher = Publisher(writer, self._context.stop, on_wait=self._record_progress)
        try:
            self._publish_table(publisher)
            while any(chunk.outstanding for chunk in self._chunks):
                publisher.await_acknowledgements()
        finally:
            writer.close(_CLOSE_TIMEOUT_SECONDS)

    def _publish_table(self, publisher: Publisher) -> None:
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            table = read_catalog(connection, [self._table]).tables.get(self._table)
            if table is None or not table.primary_key:
                raise TableGoneError(
                    f"table {self._table} does not exist, or has no primary key, so that its snapshot has to wait;"
                    " bring it back, or change the schema file"
                )
            reader = Reader(connection, table, self._links, options.snapshot_chunk)
            last = self._resume_at(table)
            self._record = replace(self._record, total=max(reader.estimate(), self._published))
            self._log_begin()
            while rows := reader.after(last):
                last = self._publish_chunk(publisher, reader, rows)
                publisher.serve_acknowledgements()
                self._record_progress()
                failpoints.hit("snapshot_chunk")
                if len(rows) < options.snapshot_chunk:
                    break

    def _resume_at(self, table: Table) -> tuple[str, ...]:
        last = self._record.last_key
        if len(last) != len(table.primary_key):
            # The primary key was changed since the interruption.
            self._record = replace(self._record, last_key=(), rows=0)
            self._published = 0
            return ()
        return last

    def _log_begin(self) -> None:
        self._report_progress()
        logger.info(
            "snapshot of table %s %s, about %d rows",
            self._table,
            f"goes on after {self._published} rows" if self._published else "begins",
            self._record.total,
            extra={"action": "snapshot_begin", "table": str(self._table)},
        )

    def _publish_chunk(self, publisher: Publisher, reader: Reader, rows: Rows) -> tuple[str, ...]:
        width, columns = len(reader.key), reader.columns
        now = int(self._context.clock.time() * 1_000_000)
        chunk = _Chunk(_key(rows[-1], width), len(rows), len(rows))
        self._chunks.append(chunk)
        table, origin = self._table, self._origin
        publish, on_acknowledged = publisher.publish, chunk.row_acknowledged
        for row in reader.readable(rows):
            image = dict(zip(columns, row, strict=True))
            key = cast("tuple[str, ...]", row[:width])
            change = Change(Op.SNAPSHOT, table, key, None, image, (), 0, 0, now, 0, 0, origin)
            publish(change, on_acknowledged)
        self._count(len(rows))
        return chunk.last

    def _record_progress(self, *, force: bool = False) -> None:
        """Record up to which key all rows are acknowledged, at most once per second unless `force`."""
        record = self._record
        while self._chunks and not self._chunks[0].outstanding:
            chunk = self._chunks.popleft()
            record = replace(record, last_key=chunk.last, rows=record.rows + chunk.rows)
            self._tally.finish(chunk.rows)
            self._context.metrics.counter("flusso_changes_acknowledged_total").inc(chunk.rows)
        now = self._context.clock.monotonic()
        changed = record.rows != self._record.rows
        self._record = record
        self._unrecorded = changed or self._unrecorded
        if self._unrecorded and (force or now - self._recorded_at >= _RECORD_INTERVAL_SECONDS):
            self._log.control.put(record.key, record.to_json())
            self._recorded_at = now
            self._unrecorded = False

    def _complete(self) -> TableSnapshot:
        failpoints.hit("before_snapshot_complete")
        ends = self._log.groups.ends([self._table])
        record = replace(self._record, state="complete", total=self._record.rows, ends=dict(ends))
        self._log.control.put(record.key, record.to_json())
        logger.info(
            "snapshot of table %s is complete, %d rows",
            self._table,
            record.rows,
            extra={"action": "snapshot_complete", "table": str(self._table), "rows": record.rows},
        )
        return record

    def _count(self, rows: int) -> None:
        self._published += rows
        metrics = self._context.metrics
        metrics.counter("flusso_snapshot_rows_total", str(self._table)).inc(rows)
        metrics.counter("flusso_changes_captured_total").inc(rows)
        self._tally.take(rows)
        self._report_progress()

    def _report_progress(self) -> None:
        total = max(self._record.total, self._published)
        self._context.status.set_progress(str(self._table), Progress(self._published, total))


def _key(row: tuple[str | None, ...], width: int) -> tuple[str, ...]:
    return tuple([value for value in row[:width] if value is not None])
