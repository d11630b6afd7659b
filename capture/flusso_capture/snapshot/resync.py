"""Settles a request: publishes what makes workers build documents again from the database as it is."""

from __future__ import annotations

import logging

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.snapshot.table_reader import Reader, Rows
from flusso_capture.source.connection import session
from flusso_capture.source.resync_requests import ResyncRequest, missing_for_stream
from flusso_shared.change import Change, Op, Origin
from flusso_shared.errors import StoppedError
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.seams import ChangeLog, ChangeWriter
from flusso_shared.status import Tally

logger = logging.getLogger(__name__)

_WAIT = 0.05
_CLOSE_BUDGET = 2.0
_POSITION = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


class Resync:
    """Settles one request."""

    def __init__(
        self,
        request: ResyncRequest,
        links: frozenset[str],
        origin: Origin,
        log: ChangeLog,
        options: CaptureOptions,
        context: CaptureContext,
    ) -> None:
        """`links` are the table's link columns."""
        self._table = request.table
        self._request = request
        self._links = links
        self._origin = origin
        self._log = log
        self._options = options
        self._context = context
        self._outstanding = 0
        self._tally = Tally(context.status)

    def run(self) -> bool:
        """Returns once it is acknowledged; False while the table is not there, or lacks what following it takes.

        Raises `RetryableError` (run anew), `StoppedError`.
        """
        if not self._there():
            return False
        logger.warning(
            "documents with rows of table %s are built again: changes of it may have been missed",
            self._table,
            extra={"action": "settle_doubt", "table": str(self._table)},
        )
        writer = self._log.writer()
        try:
            lsn = self._read_all(writer)
            if self._request.truncate:
                self._publish(writer, self._change(Op.TRUNCATE, (), None, lsn))
            while self._outstanding:
                self._poll(writer)
        finally:
            writer.close(_CLOSE_BUDGET)
            self._tally.give_up()
        return True

    def _there(self) -> bool:
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            table = read_catalog(connection, [self._table]).tables.get(self._table)
            return table is not None and not missing_for_stream(table, self._links)

    def _read_all(self, writer: ChangeWriter) -> int:
        """Publish the rows to be read; gives a position that is later than what was missed."""
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            row = connection.execute(_POSITION).fetchone()
            assert row is not None
            # A partition that is gone by now has been noticed as such.
            for table in read_catalog(connection, self._request.read).tables.values():
                reader = Reader(connection, table, self._links, options.snapshot_chunk)
                last: tuple[str, ...] = ()
                while rows := reader.after(last):
                    last = self._publish_rows(writer, reader, rows)
            return int(row[0])

    def _publish_rows(self, writer: ChangeWriter, reader: Reader, rows: Rows) -> tuple[str, ...]:
        width = len(reader.key)
        for row in reader.readable(rows):
            key = _key(row, width)
            image = dict(zip(reader.columns, row, strict=True))
            self._publish(writer, self._change(Op.READ, key, image, 0))
        return _key(rows[-1], width)

    def _change(
        self, op: Op, key: tuple[str, ...], image: dict[str, str | None] | None, lsn: int
    ) -> Change:
        now = int(self._context.clock.time() * 1_000_000)
        # No transaction id: whatever was missed was visible before this began.
        return Change(op, self._table, key, None, image, (), lsn, 0, now, 0, 0, self._origin)

    def _publish(self, writer: ChangeWriter, change: Change) -> None:
        while not writer.publish(change, self._acknowledge):
            self._poll(writer)
        self._outstanding += 1
        self._context.metrics.counter("flusso_changes_captured_total").inc()
        self._tally.take(1)

    def _poll(self, writer: ChangeWriter) -> None:
        if self._context.stop.is_set():
            raise StoppedError("stop requested")
        writer.poll(_WAIT)

    def _acknowledge(self) -> None:
        self._outstanding -= 1
        self._tally.finish(1)
        self._context.metrics.counter("flusso_changes_acknowledged_total").inc()


def _key(row: tuple[str | None, ...], width: int) -> tuple[str, ...]:
    return tuple([value for value in row[:width] if value is not None])
