"""Carries out a resync request: publishes what makes workers build documents again from the current state of the database."""

from __future__ import annotations

import logging

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.publisher import Publisher
from flusso_capture.snapshot.table_reader import Reader, Rows
from flusso_capture.source.connection import session
from flusso_capture.source.resync_requests import ResyncRequest, missing_for_stream
from flusso_shared.change import Change, Op, Origin
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Tally

logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT_SECONDS = 2.0
_PROMPT_SECONDS = 1.0
"""In which most resyncs are acknowledged."""
_INSERT_LSN = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


class Resync:
    """One attempt at one request: `publish`, then ask `acknowledged`, then `close`."""

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
        self.request = request
        self.published_at = 0.0
        """In monotonic seconds."""
        self._table = request.table
        self._links = links
        self._origin = origin
        self._options = options
        self._context = context
        self._outstanding = 0
        self._tally = Tally(context.status)
        self._writer = log.writer()
        self._publisher = Publisher(self._writer, context.stop, on_wait=lambda: None)

    def publish(self) -> bool:
        """Publish, and wait for a moment; False while the table does not exist, or has no primary key or not all link columns.

        Raises `RetryableError` (make another attempt), `StoppedError`.
        """
        if not self._can_be_followed():
            return False
        logger.warning(
            "documents with rows of table %s are built again: changes of it may have been missed",
            self._table,
            extra={"action": "resync", "table": str(self._table)},
        )
        lsn = self._publish_tables()
        if self.request.truncate:
            self._publish(self._change(Op.TRUNCATE, (), None, lsn))
        clock = self._context.clock
        self.published_at = clock.monotonic()
        while self._outstanding and clock.monotonic() - self.published_at < _PROMPT_SECONDS:
            self._publisher.await_acknowledgements()
        return True

    def acknowledged(self) -> bool:
        """Whether everything is acknowledged.  Does not wait.  Raises `RetryableError` (make another attempt)."""
        self._publisher.serve_acknowledgements()
        return not self._outstanding

    def close(self) -> None:
        """Give up what is not acknowledged."""
        self._writer.close(_CLOSE_TIMEOUT_SECONDS)
        self._tally.give_up()

    def _can_be_followed(self) -> bool:
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            table = read_catalog(connection, [self._table]).tables.get(self._table)
            return table is not None and not missing_for_stream(table, self._links)

    def _publish_tables(self) -> int:
        """Publish the rows of the tables to be read; returns an LSN after all changes that were missed."""
        options, stop = self._options, self._context.stop
        with session(options.conninfo, stop, f"read table {self._table}") as connection:
            row = connection.execute(_INSERT_LSN).fetchone()
            assert row is not None
            # A partition that does not exist any more has a request of its own.
            for table in read_catalog(connection, self.request.read).tables.values():
                reader = Reader(connection, table, self._links, options.snapshot_chunk)
                last: tuple[str, ...] = ()
                while rows := reader.after(last):
                    last = self._publish_rows(reader, rows)
            return int(row[0])

    def _publish_rows(self, reader: Reader, rows: Rows) -> tuple[str, ...]:
        width = len(reader.key)
        for row in reader.readable(rows):
            key = _key(row, width)
            image = dict(zip(reader.columns, row, strict=True))
            self._publish(self._change(Op.READ, key, image, 0))
        return _key(rows[-1], width)

    def _change(
        self, op: Op, key: tuple[str, ...], image: dict[str, str | None] | None, lsn: int
    ) -> Change:
        now = int(self._context.clock.time() * 1_000_000)
        # No transaction id: all that was missed was visible before the resync began.
        return Change(op, self._table, key, None, image, (), lsn, 0, now, 0, 0, self._origin)

    def _publish(self, change: Change) -> None:
        self._publisher.publish(change, self._on_acknowledged)
        self._outstanding += 1
        self._context.metrics.counter("flusso_changes_captured_total").inc()
        self._tally.take(1)

    def _on_acknowledged(self) -> None:
        self._outstanding -= 1
        self._tally.finish(1)
        self._context.metrics.counter("flusso_changes_acknowledged_total").inc()


def _key(row: tuple[str | None, ...], width: int) -> tuple[str, ...]:
    return tuple([value for value in row[:width] if value is not None])
