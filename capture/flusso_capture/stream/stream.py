"""The stream: receives the log, publishes its changes, and confirms what is acknowledged.  Read `Stream.run` first.

One thread owns the replication connection and the writer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from flusso_capture.options import CaptureContext
from flusso_capture.publisher import Publisher
from flusso_capture.stream import pgoutput
from flusso_capture.stream.change_builder import ChangeBuilder
from flusso_capture.stream.checkpoint import CheckpointRecorder
from flusso_capture.stream.relations import Relations
from flusso_capture.stream.replication import Replication
from flusso_capture.stream.watermark import Watermark
from flusso_shared import failpoints
from flusso_shared.change import AnyChange
from flusso_shared.errors import StoppedError
from flusso_shared.seams import ChangeWriter
from flusso_shared.status import Tally
from flusso_shared.tracing import NO_SPAN, Span

# The replication protocol: XLogData ("w": start LSN, end LSN, time, then the message of pgoutput) and keepalive ("k").
_XLOG_DATA: Final = ord("w")
_XLOG_DATA_HEADER_BYTES: Final = 25
_KEEPALIVE: Final = ord("k")
_REPLY_REQUESTED_OFFSET: Final = 17
_ROW_KINDS: Final = frozenset(b"IUD")
_U64: Final = struct.Struct(">Q").unpack_from
_U32: Final = struct.Struct(">I").unpack_from

_MESSAGES_PER_TURN: Final = 1000
_IDLE_WAIT_SECONDS: Final = 0.25
_MIN_ACKNOWLEDGEMENT_WAIT_SECONDS: Final = 0.005
_MAX_ACKNOWLEDGEMENT_WAIT_SECONDS: Final = 0.05
_MAX_STATUS_INTERVAL_SECONDS: Final = 10.0
_MIN_STATUS_INTERVAL_SECONDS: Final = 0.1
_OBSERVE_INTERVAL_SECONDS: Final = 1.0
_DRAIN_TIMEOUT_SECONDS: Final = 10.0
_CHECKPOINT_TIMEOUT_SECONDS: Final = 3.0
_COPY_DONE_TIMEOUT_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class StreamInput:
    """The replication connection, and what makes changes of its messages."""

    replication: Replication
    relations: Relations
    changes: ChangeBuilder


class Stream:
    """One stream session, over one replication connection and one writer."""

    def __init__(
        self,
        source: StreamInput,
        writer: ChangeWriter,
        watermark: Watermark,
        checkpoints: CheckpointRecorder,
        context: CaptureContext,
        on_turn: Callable[[], None],
    ) -> None:
        """`on_turn` runs in this thread at least every 0.25 s; what it raises ends `run`."""
        self._replication = source.replication
        self._codec = source.replication.codec
        self._relations = source.relations
        self._changes = source.changes
        self._timeline = source.changes.timeline
        self._writer = writer
        self._publisher = Publisher(writer, context.stop, on_wait=self._confirm_and_report)
        self._watermark = watermark
        self._checkpoints = checkpoints
        self._context = context
        self._on_turn = on_turn
        self._on_published: Callable[[], None] | None = None
        """Counts a published change of the transaction that is being received; None between transactions."""
        self._on_acknowledged: Callable[[], None] | None = None
        """Counts an acknowledged change of that transaction."""
        self._socket_empty = False
        """Whether the last turn received everything that had arrived."""
        self._wait_seconds = _MIN_ACKNOWLEDGEMENT_WAIT_SECONDS
        self._status_interval = _status_interval(source.replication.sender_timeout())
        self._status_lsn = 0
        self._status_at = context.clock.monotonic()
        self._reply_requested = False
        self._captured = 0
        self._acknowledged = 0
        self._tally = Tally(context.status)
        self._span = NO_SPAN
        """Of the transaction that is being received, once it has a change; without traces it has none."""
        # In one process with the worker, the log acknowledges what the indexes have applied: their backlogs are looked at.
        self._backlog = context.status.backlogs.of_capture() if context.owns_status else None
        self._acknowledged_so_far = 0
        self._observe_at = 0.0

    def run(self) -> None:
        """Stream until a stop is requested, then drain.  Raises what the connections raise.

        This is the way of every change.  Changes are published as they are received, transaction by transaction in commit
        order; the slot is confirmed up to the end of the last transaction before which everything is acknowledged.
        """
        try:
            # A stop while the buffer is full interrupts `_publish`.
            with suppress(StoppedError):
                while not self._context.stop.is_set():
                    for message in self._receive():
                        for change in self._decode(message):
                            self._publish(change)
                    self._acknowledge()
                    self._confirm()
                    self._report()
                    self._await_messages()
            self._drain()
        finally:
            self._span.end()
            self._tally.give_up()
            if self._backlog is not None:
                # The next session receives it again.
                self._backlog.set(0, None)

    def _receive(self) -> Iterator[bytes]:
        """XLogData messages that have arrived, at most 1000, so that acknowledgements and statuses are not delayed.

        Keepalives are handled here.  Rows of tables outside the plan are skipped without being decoded.
        """
        receive, ignored = self._replication.receive, self._relations.ignored
        for _ in range(_MESSAGES_PER_TURN):
            data = receive()
            if data is None:
                self._socket_empty = True
                return
            kind = data[0]
            if kind == _XLOG_DATA:
                is_row = data[_XLOG_DATA_HEADER_BYTES] in _ROW_KINDS
                if is_row and _U32(data, _XLOG_DATA_HEADER_BYTES + 1)[0] in ignored:
                    continue
                yield data
            elif kind == _KEEPALIVE:
                self._watermark.keepalive(_U64(data, 1)[0])
                self._reply_requested = self._reply_requested or bool(data[_REPLY_REQUESTED_OFFSET])
            else:
                raise pgoutput.DecodeError(
                    f"the replication stream has a message of unknown kind {data[:1]!r}"
                )
        self._socket_empty = False

    def _decode(self, data: bytes) -> Sequence[AnyChange]:
        """The changes of one message: of rows and truncates.  Other messages update the state, and have none."""
        payload = data[_XLOG_DATA_HEADER_BYTES:]
        record = self._changes.encode(payload, _U64(data, 1)[0])
        if record is not None:
            return (record,)
        message = pgoutput.decode(payload, self._codec)
        match message:
            case pgoutput.Insert() | pgoutput.Update() | pgoutput.Delete() | pgoutput.Truncate():
                return self._changes.build(message, _U64(data, 1)[0], len(payload))
            case pgoutput.Begin():
                self._changes.begin_transaction(message)
                transaction = self._watermark.begin_transaction()
                self._on_published = failpoints.after("after_produce", transaction.change_published)
                self._on_acknowledged = failpoints.after(
                    "after_broker_ack", transaction.change_acknowledged
                )
            case pgoutput.Commit():
                self._watermark.commit_transaction(message.end_lsn)
                self._on_published = self._on_acknowledged = None
                self._span.end()
                self._span = NO_SPAN
            case pgoutput.Relation():
                self._relations.learn(message)
            case _:
                pass
        return ()

    def _publish(self, change: AnyChange) -> None:
        """Publish one change.  While the buffer is full nothing is received, but statuses are sent."""
        on_published, on_acknowledged = self._on_published, self._on_acknowledged
        if on_published is None or on_acknowledged is None:
            raise pgoutput.DecodeError("the replication stream has a row outside any transaction")
        if self._context.tracer.enabled:
            change = change._replace(trace=self._transaction_span().traceparent)
        self._publisher.publish(change, on_acknowledged)
        on_published()
        self._captured += 1

    def _transaction_span(self) -> Span:
        if self._span is NO_SPAN:
            now = self._changes.transaction
            self._span = self._context.tracer.start("publish", xid=now.xid, lsn=now.commit_lsn)
        return self._span

    def _acknowledge(self) -> None:
        """Run the callbacks of the changes that the log has made durable."""
        self._publisher.serve_acknowledgements()

    def _confirm(self) -> None:
        """Send the confirmed LSN to the server, if it has advanced or a status is due."""
        confirmed = self._confirmed_lsn()
        since = self._context.clock.monotonic() - self._status_at
        advanced = confirmed > self._status_lsn and since >= _MIN_STATUS_INTERVAL_SECONDS
        if advanced or self._reply_requested or since >= self._status_interval:
            self._send_status(confirmed)

    def _confirmed_lsn(self) -> int:
        """The LSN that may be confirmed: everything before it is acknowledged, and it is not after the checkpoint."""
        acknowledged = self._watermark.confirmed()
        self._checkpoints.advance(self._watermark.received, self._timeline, acknowledged)
        return min(acknowledged, self._checkpoints.recorded_lsn)

    def _send_status(self, confirmed: int) -> None:
        advanced = confirmed > self._status_lsn
        if advanced:
            failpoints.hit("before_slot_confirm")
        if self._replication.send_status(confirmed):
            if advanced:
                failpoints.hit("after_slot_confirm")
            self._status_lsn = confirmed
            self._status_at = self._context.clock.monotonic()
            self._reply_requested = False

    def _report(self) -> None:
        """Update the metrics; supervise the background tasks."""
        self._count()
        self._observe_backlog()
        self._on_turn()

    def _confirm_and_report(self) -> None:
        self._confirm()
        self._report()

    def _count(self) -> None:
        metrics = self._context.metrics
        metrics.gauge("flusso_transactions_outstanding").set(self._watermark.outstanding)
        if self._captured:
            metrics.counter("flusso_changes_captured_total").inc(self._captured)
            self._tally.take(self._captured)
            self._captured = 0
        done = self._watermark.acknowledged - self._acknowledged
        if done:
            metrics.counter("flusso_changes_acknowledged_total").inc(done)
            self._tally.finish(done)
            self._acknowledged += done

    def _observe_backlog(self) -> None:
        """Note once a second what waits to be acknowledged, and whether something was."""
        now = self._context.clock.monotonic()
        if self._backlog is None or now < self._observe_at:
            return
        self._observe_at = now + _OBSERVE_INTERVAL_SECONDS
        self._backlog.set(self._watermark.unacknowledged, None)
        if (acknowledged := self._watermark.acknowledged_so_far) != self._acknowledged_so_far:
            self._acknowledged_so_far = acknowledged
            self._backlog.acknowledge()

    def _await_messages(self) -> None:
        """Wait for the socket, unless messages are left; shortly while acknowledgements are outstanding."""
        if not self._socket_empty:
            self._wait_seconds = _MIN_ACKNOWLEDGEMENT_WAIT_SECONDS
            return
        if self._watermark.outstanding:
            self._wait_seconds = min(2 * self._wait_seconds, _MAX_ACKNOWLEDGEMENT_WAIT_SECONDS)
        else:
            self._wait_seconds = _IDLE_WAIT_SECONDS
        if self._replication.wait(self._wait_seconds):
            self._wait_seconds = _MIN_ACKNOWLEDGEMENT_WAIT_SECONDS
            self._replication.fill()

    def _drain(self) -> None:
        """Last acknowledgements, last checkpoint, last status, CopyDone.

        What is not acknowledged in time is received again by the next session.
        """
        clock = self._context.clock
        deadline = clock.monotonic() + _DRAIN_TIMEOUT_SECONDS
        while self._watermark.unacknowledged and clock.monotonic() < deadline:
            self._writer.poll(_MAX_ACKNOWLEDGEMENT_WAIT_SECONDS)
            self._confirm_and_report()
        deadline = clock.monotonic() + _CHECKPOINT_TIMEOUT_SECONDS
        while self._confirmed_lsn() < self._watermark.confirmed() and clock.monotonic() < deadline:
            self._writer.poll(_MAX_ACKNOWLEDGEMENT_WAIT_SECONDS)
        self._send_status(self._confirmed_lsn())
        self._count()
        self._replication.finish(_COPY_DONE_TIMEOUT_SECONDS)


def _status_interval(sender_timeout: float) -> float:
    """Seconds between two statuses: a third of `wal_sender_timeout` (in seconds; 0: none), at most 10."""
    if sender_timeout <= 0:
        return _MAX_STATUS_INTERVAL_SECONDS
    return min(_MAX_STATUS_INTERVAL_SECONDS, sender_timeout / 3)
