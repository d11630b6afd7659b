"""Tables whose documents are in doubt: changes of them are in the log without what is needed, or not at all.

Publishing a truncate of such a table makes every worker build all documents with rows of it again, from the
database as it is, which is right whatever was missed.
"""

from __future__ import annotations

import logging

from flusso_capture import coverage
from flusso_capture.options import CaptureOptions, Process
from flusso_capture.session import session
from flusso_capture.snapshot_sql import Reader, Rows
from flusso_shared.catalog_reader import read_catalog
from flusso_shared.change import Change, Op, Origin
from flusso_shared.errors import StoppedError
from flusso_shared.names import TableName
from flusso_shared.seams import ChangeLog, ChangeWriter

logger = logging.getLogger(__name__)

_WAIT = 0.05
_CLOSE_BUDGET = 2.0
_POSITION = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


class DoubtRun:
    """Settles the doubt about one table."""

    def __init__(
        self,
        table: TableName,
        rows: bool,
        origin: Origin,
        log: ChangeLog,
        options: CaptureOptions,
        process: Process,
    ) -> None:
        """`rows`: its rows are published too, as documents of rows that nobody read of are to be built."""
        self._table = table
        self._rows = rows
        self._origin = origin
        self._log = log
        self._options = options
        self._process = process
        self._outstanding = 0

    def run(self) -> None:
        """Returns once it is acknowledged and recorded.  Raises `RetryableError` (run anew), `StoppedError`."""
        logger.warning(
            "documents with rows of table %s are built again: its changes may have been missed",
            self._table,
            extra={"action": "settle_doubt", "table": str(self._table)},
        )
        writer = self._log.writer()
        try:
            lsn = self._publish_rows(writer)
            self._publish(writer, self._change(Op.TRUNCATE, (), lsn))
            while self._outstanding:
                self._poll(writer)
        finally:
            writer.close(_CLOSE_BUDGET)
        coverage.settle_doubt(self._log.control, self._table)

    def _publish_rows(self, writer: ChangeWriter) -> int:
        options, stop = self._options, self._process.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            row = connection.execute(_POSITION).fetchone()
            assert row is not None
            table = read_catalog(connection, [self._table]).tables.get(self._table)
            if self._rows and table is not None:
                reader = Reader(connection, table, frozenset(), options.snapshot_chunk)
                last: tuple[str, ...] = ()
                while rows := reader.after(last):
                    last = self._publish_chunk(writer, rows)
            return int(row[0])

    def _publish_chunk(self, writer: ChangeWriter, rows: Rows) -> tuple[str, ...]:
        key: tuple[str, ...] = ()
        for row in rows:
            key = tuple([value for value in row if value is not None])
            self._publish(writer, self._change(Op.READ, key, 0))
        return key

    def _change(self, op: Op, key: tuple[str, ...], lsn: int) -> Change:
        now = int(self._process.clock.time() * 1_000_000)
        # No transaction id: whatever was missed was visible before this began.
        image: dict[str, str | None] | None = {} if op is Op.READ else None
        return Change(op, self._table, key, None, image, (), lsn, 0, now, 0, 0, self._origin)

    def _publish(self, writer: ChangeWriter, change: Change) -> None:
        while not writer.publish(change, self._acknowledge):
            self._poll(writer)
        self._outstanding += 1
        self._process.metrics.changes_captured.inc()
        self._process.status.add("changes_captured")

    def _poll(self, writer: ChangeWriter) -> None:
        if self._process.stop.is_set():
            raise StoppedError("stop requested")
        writer.poll(_WAIT)

    def _acknowledge(self) -> None:
        self._outstanding -= 1
