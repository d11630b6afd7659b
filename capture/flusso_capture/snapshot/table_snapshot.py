"""Snapshots: publishes every row of a table as a `read`, in the background of the stream.

A row of a snapshot only says "build this": key and link columns are enough, and it may interleave with
live changes freely, because documents are built from the current state.  Progress is recorded only for
what is acknowledged, so an interrupted snapshot goes on where it was.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import cast

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.snapshot.table_reader import Reader, Rows
from flusso_capture.source.connection import session
from flusso_shared import failpoints
from flusso_shared.change import Change, Op, Origin
from flusso_shared.changelog.control_records import Lineage, TableSnapshot, snapshots_of
from flusso_shared.errors import FlussoError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.seams import ChangeLog, ChangeWriter
from flusso_shared.status import Progress, Tally

logger = logging.getLogger(__name__)

_RECORD_EVERY = 1.0
_FULL_WAIT = 0.05
_CLOSE_BUDGET = 2.0


class TableGoneError(FlussoError):
    """There is nothing to read; it is no reason to stop reading others."""


@dataclass(slots=True)
class _Chunk:
    """Rows up to `last`, and how many of them are not acknowledged, published or not."""

    last: tuple[str, ...]
    rows: int
    outstanding: int

    def acknowledge(self) -> None:
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

        Raises `RetryableError` when a connection broke (run anew to go on), `TableGoneError`, `StoppedError` on a
        stop.
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
            self._note()
        except StoppedError:
            self._note(force=True)
            raise
        finally:
            self._tally.give_up()
            self._context.status.set_progress(str(self._table), None)
        return self._complete()

    def _publish_all(self) -> None:
        writer = self._log.writer()
        try:
            self._publish_table(writer)
            while any(chunk.outstanding for chunk in self._chunks):
                self._poll(writer)
        finally:
            writer.close(_CLOSE_BUDGET)

    def _publish_table(self, writer: ChangeWriter) -> None:
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            table = read_catalog(connection, [self._table]).tables.get(self._table)
            if table is None or not table.primary_key:
                raise TableGoneError(
                    f"table {self._table} is gone, or has no primary key, so that its snapshot has to wait;"
                    " bring it back, or change the schema file"
                )
            reader = Reader(connection, table, self._links, options.snapshot_chunk)
            last = self._resume_at(table)
            self._record = replace(self._record, total=max(reader.estimate(), self._published))
            self._begin()
            while rows := reader.after(last):
                last = self._publish_chunk(writer, reader, rows)
                self._note()
                failpoints.hit("snapshot_chunk")
                if len(rows) < options.snapshot_chunk:
                    break

    def _resume_at(self, table: Table) -> tuple[str, ...]:
        last = self._record.last_key
        if len(last) != len(table.primary_key):
            # Another key than when it was interrupted.
            self._record = replace(self._record, last_key=(), rows=0)
            self._published = 0
            return ()
        return last

    def _begin(self) -> None:
        self._tell()
        logger.info(
            "snapshot of table %s %s, about %d rows",
            self._table,
            f"goes on after {self._published} rows" if self._published else "begins",
            self._record.total,
            extra={"action": "snapshot_begin", "table": str(self._table)},
        )

    def _publish_chunk(self, writer: ChangeWriter, reader: Reader, rows: Rows) -> tuple[str, ...]:
        width, columns = len(reader.key), reader.columns
        now = int(self._context.clock.time() * 1_000_000)
        chunk = _Chunk(_key(rows[-1], width), len(rows), len(rows))
        self._chunks.append(chunk)
        table, origin, publish, acknowledge = (
            self._table,
            self._origin,
            writer.publish,
            chunk.acknowledge,
        )
        for row in reader.readable(rows):
            image = dict(zip(columns, row, strict=True))
            key = cast("tuple[str, ...]", row[:width])
            change = Change(Op.READ, table, key, None, image, (), 0, 0, now, 0, 0, origin)
            while not publish(change, acknowledge):
                self._poll(writer)
        writer.poll(0)
        self._count(len(rows))
        return chunk.last

    def _poll(self, writer: ChangeWriter) -> None:
        if self._context.stop.is_set():
            raise StoppedError("stop requested")
        writer.poll(_FULL_WAIT)
        self._note()

    def _note(self, *, force: bool = False) -> None:
        """Record how far everything is acknowledged, at most about once a second."""
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
        if self._unrecorded and (force or now - self._recorded_at >= _RECORD_EVERY):
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
        self._tell()

    def _tell(self) -> None:
        total = max(self._record.total, self._published)
        self._context.status.set_progress(str(self._table), Progress(self._published, total))


def _key(row: tuple[str | None, ...], width: int) -> tuple[str, ...]:
    return tuple([value for value in row[:width] if value is not None])
