"""Streaming: reads what the log has, publishes it, and confirms what is acknowledged.

One thread owns the replication connection and the writer.  When the writer's buffer is full the socket is
not read, but the standby status goes on.  Shutdown: stop reading -> last acks -> last status -> CopyDone.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flusso_capture.options import CaptureContext
from flusso_capture.stream import pgoutput
from flusso_capture.stream.change_builder import ChangeBuilder
from flusso_capture.stream.checkpoint import CheckpointRecorder
from flusso_capture.stream.relations import Relations
from flusso_capture.stream.replication import Replication
from flusso_capture.stream.watermark import Transaction, Watermark
from flusso_shared import failpoints
from flusso_shared.change import Change
from flusso_shared.errors import StoppedError
from flusso_shared.seams import ChangeWriter
from flusso_shared.status import Tally

logger = logging.getLogger(__name__)

_WAL_DATA: Final = ord("w")
_KEEPALIVE: Final = ord("k")
_ROWS: Final = frozenset(b"IUD")
_HEADER: Final = 25
_U64: Final = struct.Struct(">Q").unpack_from
_U32: Final = struct.Struct(">I").unpack_from

_MESSAGES_PER_ROUND: Final = 1000
_IDLE_WAIT: Final = 0.25
_ACK_WAIT: Final = 0.005
_FULL_WAIT: Final = 0.05
_STATUS_EVERY: Final = 10.0
_STATUS_AT_MOST_EVERY: Final = 0.1
_DRAIN_BUDGET: Final = 10.0
_RECORD_BUDGET: Final = 3.0
_FINISH_BUDGET: Final = 3.0


@dataclass(frozen=True, slots=True)
class StreamInput:
    """Where messages come from, and what makes changes of them."""

    replication: Replication
    relations: Relations
    changes: ChangeBuilder


class Stream:
    """One stretch of streaming, over one connection and one writer."""

    def __init__(
        self,
        feed: StreamInput,
        writer: ChangeWriter,
        watermark: Watermark,
        checkpoints: CheckpointRecorder,
        context: CaptureContext,
        on_round: Callable[[], None],
    ) -> None:
        """`on_round` runs in this thread at least every quarter of a second; what it raises ends `run`."""
        self._replication = feed.replication
        self._codec = feed.replication.codec
        self._writer = writer
        self._changes = feed.changes
        self._relations = feed.relations
        self._watermark = watermark
        self._checkpoints = checkpoints
        self._timeline = feed.changes.timeline
        self._context = context
        self._on_round = on_round
        self._transaction: Transaction | None = None
        self._acknowledge: Callable[[], None] | None = None
        """What the changes of the open transaction are acknowledged with."""
        self._status_every = _interval(feed.replication.sender_timeout())
        self._sent = 0
        self._sent_at = context.clock.monotonic()
        self._reply = False
        self._captured = 0
        self._acknowledged = 0
        self._tally = Tally(context.status)

    def run(self) -> None:
        """Stream until a stop is requested, then drain.  Raises what the connections raise."""
        try:
            self._follow()
            self._drain()
        finally:
            self._tally.give_up()

    def _follow(self) -> None:
        stop = self._context.stop
        wait = _ACK_WAIT
        try:
            while not stop.is_set():
                busy = self._read()
                self._writer.poll(0)
                self._round()
                if busy:
                    wait = _ACK_WAIT
                    continue
                wait = min(2 * wait, _FULL_WAIT) if self._watermark.outstanding else _IDLE_WAIT
                if self._replication.wait(wait):
                    wait = _ACK_WAIT
                    self._replication.fill()
        except StoppedError:
            logger.debug("stopped while the buffer was full")

    def _read(self) -> bool:
        """Take what has arrived; whether there may be more."""
        receive = self._replication.receive
        for _ in range(_MESSAGES_PER_ROUND):
            data = receive()
            if data is None:
                return False
            kind = data[0]
            if kind == _WAL_DATA:
                if data[_HEADER] in _ROWS and _U32(data, _HEADER + 1)[0] in self._relations.ignored:
                    continue
                self._take(data)
            elif kind == _KEEPALIVE:
                self._watermark.keepalive(_U64(data, 1)[0])
                self._reply = self._reply or bool(data[17])
            else:
                raise pgoutput.DecodeError(
                    f"the replication stream has a message of unknown kind {data[:1]!r}"
                )
        return True

    def _take(self, data: bytes) -> None:
        payload = data[_HEADER:]
        message = pgoutput.decode(payload, self._codec)
        match message:
            case pgoutput.Insert() | pgoutput.Update() | pgoutput.Delete() | pgoutput.Truncate():
                for change in self._changes.build(message, _U64(data, 1)[0], len(payload)):
                    self._publish(change)
            case pgoutput.Begin():
                self._changes.begin_transaction(message)
                self._transaction = self._watermark.begin_transaction()
                self._acknowledge = failpoints.after(
                    "after_broker_ack", self._transaction.change_acknowledged
                )
            case pgoutput.Commit():
                self._watermark.commit_transaction(message.end_lsn)
                self._transaction = self._acknowledge = None
            case pgoutput.Relation():
                self._relations.learn(message)
            case _:
                pass

    def _publish(self, change: Change) -> None:
        transaction, acknowledge = self._transaction, self._acknowledge
        if transaction is None or acknowledge is None:
            raise pgoutput.DecodeError("the replication stream has a row outside any transaction")
        while not self._writer.publish(change, acknowledge):
            if self._context.stop.is_set():
                raise StoppedError("stop requested")
            self._writer.poll(_FULL_WAIT)
            self._round()
        transaction.change_published()
        self._captured += 1
        failpoints.hit("after_produce")

    def _round(self) -> None:
        """What is due from time to time, whatever else happens."""
        confirmed = self._confirmed()
        since = self._context.clock.monotonic() - self._sent_at
        moved = confirmed > self._sent and since >= _STATUS_AT_MOST_EVERY
        if moved or self._reply or since >= self._status_every:
            self._send(confirmed)
        self._count()
        self._on_round()

    def _confirmed(self) -> int:
        """What may be confirmed: acknowledged, and not beyond what is on record."""
        self._checkpoints.advance(self._watermark.received, self._timeline)
        return min(self._watermark.confirmed(), self._checkpoints.recorded_lsn)

    def _send(self, confirmed: int) -> None:
        moved = confirmed > self._sent
        if moved:
            failpoints.hit("before_slot_confirm")
        if self._replication.send_status(confirmed):
            if moved:
                failpoints.hit("after_slot_confirm")
            self._sent = confirmed
            self._sent_at = self._context.clock.monotonic()
            self._reply = False

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

    def _drain(self) -> None:
        """Last acks, last status, orderly end.  What is not acknowledged in time comes again later."""
        clock = self._context.clock
        deadline = clock.monotonic() + _DRAIN_BUDGET
        while self._watermark.unacknowledged and clock.monotonic() < deadline:
            self._writer.poll(_FULL_WAIT)
            self._round()
        deadline = clock.monotonic() + _RECORD_BUDGET
        while self._confirmed() < self._watermark.confirmed() and clock.monotonic() < deadline:
            self._writer.poll(_FULL_WAIT)
        self._send(self._confirmed())
        self._count()
        self._replication.finish(_FINISH_BUDGET)


def _interval(sender_timeout: float) -> float:
    """Seconds between statuses: well within the server's patience."""
    return min(_STATUS_EVERY, sender_timeout / 3) if sender_timeout > 0 else _STATUS_EVERY
