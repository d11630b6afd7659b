"""The replication connection: START_REPLICATION, receives messages, sends standby status.  Owned by one thread.

`stream` decides which LSN is confirmed.
"""

from __future__ import annotations

import select
import struct
import time
from typing import Final

import psycopg
from psycopg import pq, sql

from flusso_capture.source import encodings
from flusso_capture.source.connection import connect_replication
from flusso_capture.source.lineage import PositionLostError
from flusso_shared.change import Origin
from flusso_shared.errors import FatalError, FlussoError, RetryableError
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.postgres.errors import translate

_DOING: Final = "follow the write-ahead log"
# Part of the CONTEXT of errors that a change causes; the LSN of the change follows it.
_CHANGE_CONTEXT: Final = "output plugin"
_STATUS: Final = struct.Struct(">cQQQqB")
# The slot does not exist, or was invalidated.
_SLOT_CHANGED: Final = (
    psycopg.errors.UndefinedObject,
    psycopg.errors.ObjectNotInPrerequisiteState,
)
_POSTGRES_EPOCH: Final = 946_684_800_000_000


class UnsendableError(RetryableError):
    """The server failed over one change in its log.  If it fails again, the log cannot be read beyond that change."""


class Replication:
    """One connection in replication mode.  All methods may raise `RetryableError` or `FatalError`."""

    def __init__(self, conninfo: Conninfo) -> None:
        self._connection = connect_replication(conninfo)
        self._pgconn = self._connection.pgconn
        self._streaming = False
        encoding = encodings.of((self._pgconn.parameter_status(b"server_encoding") or b"").decode())
        self.codec = encoding.codec
        """The codec of text in the stream."""
        if encoding.raw:
            self._exec(encodings.RAW, pq.ExecStatus.COMMAND_OK)

    def identify(self) -> Origin:
        """The system identifier and timeline of the server."""
        result = self._exec(b"IDENTIFY_SYSTEM")
        system, timeline = result.get_value(0, 0), result.get_value(0, 1)
        if system is None or timeline is None:
            raise RetryableError(f"cannot {_DOING}: the server did not identify itself")
        return Origin(system.decode(), int(timeline))

    def left_at(self, timeline: int) -> int | None:
        """The LSN at which the server's log left an earlier timeline; None when that is not an ancestor."""
        now = self.identify().timeline
        if now <= timeline:
            return None
        try:
            result = self._exec(f"TIMELINE_HISTORY {now}".encode())
        except (RetryableError, FatalError) as error:
            if isinstance(error.__cause__, psycopg.errors.UndefinedFile):
                return None
            raise
        return timeline_end((result.get_value(0, 1) or b"").decode(), timeline)

    def sender_timeout(self) -> float:
        """`wal_sender_timeout` in seconds; 0 when it is off."""
        value = self._exec(
            b"SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'"
        ).get_value(0, 0)
        return int(value or b"0") / 1000

    def start(self, slot: str, publication: str) -> None:
        """Start streaming from the slot's confirmed LSN."""
        command = sql.SQL(
            "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})"
        ).format(sql.Identifier(slot), sql.Literal(sql.Identifier(publication).as_string(None)))
        try:
            self._exec(command.as_bytes(None), pq.ExecStatus.COPY_BOTH)
        except FatalError as error:
            if isinstance(error.__cause__, _SLOT_CHANGED):
                # It existed a moment ago: the next attempt prepares the source again.
                raise RetryableError(str(error)) from error
            raise
        self._pgconn.nonblocking = 1
        self._streaming = True

    def receive(self) -> bytes | None:
        """The next buffered message, or None.  Does not block or read the socket."""
        try:
            size, data = self._pgconn.get_copy_data(1)
        except psycopg.Error as error:
            raise self._translated(error) from error
        if size > 0:
            return bytes(data)
        if size == 0:
            return None
        raise self._stream_ended()

    def fill(self) -> None:
        """Read the socket into the buffer; call it after `wait` returned True."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise self._translated(error) from error

    def wait(self, timeout: float) -> bool:
        """Wait until the socket is readable; False after `timeout` seconds."""
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def send_status(self, confirmed: int) -> bool:
        """Confirm the LSN `confirmed`; False when the socket is not writable now."""
        now = time.time_ns() // 1000 - _POSTGRES_EPOCH
        status = _STATUS.pack(b"r", confirmed, confirmed, confirmed, now, 0)
        try:
            if not self._pgconn.put_copy_data(status):
                return False
            self._pgconn.flush()
        except psycopg.Error as error:
            raise self._translated(error) from error
        return True

    def finish(self, timeout: float) -> None:
        """Send CopyDone and read what the server still sends, for at most `timeout` seconds."""
        if not self._streaming:
            return
        deadline = time.monotonic() + timeout
        try:
            self._pgconn.put_copy_end()
            while self._pgconn.flush() and time.monotonic() < deadline:
                self.wait(0.05)
            while (left := deadline - time.monotonic()) > 0:
                size, _ = self._pgconn.get_copy_data(1)
                if size < 0:
                    break
                if size == 0 and self.wait(left):
                    self._pgconn.consume_input()
        except psycopg.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        self._connection.close()

    def _exec(
        self, command: bytes, expected: pq.ExecStatus = pq.ExecStatus.TUPLES_OK
    ) -> pq.abc.PGresult:
        try:
            result = self._pgconn.exec_(command)
        except psycopg.Error as error:
            raise translate(error, _DOING) from error
        if result.status != expected:
            cause = psycopg.errors.error_from_result(result)
            if self._pgconn.status != pq.ConnStatus.OK:
                raise RetryableError(f"cannot {_DOING}: {' '.join(str(cause).split())}") from cause
            raise translate(cause, _DOING) from cause
        return result

    def _stream_ended(self) -> FlussoError:
        """The error for a stream that the server closed, by an error or because it shuts down."""
        result = self._pgconn.get_result()
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            return self._translated(psycopg.errors.error_from_result(result))
        return RetryableError(f"cannot {_DOING}: the server ended the stream")

    def _translated(self, error: psycopg.Error) -> FlussoError:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return RetryableError(f"cannot {_DOING}: {' '.join(str(error).split())}")
        if isinstance(error, psycopg.errors.UndefinedObject):
            return PositionLostError(
                f"cannot {_DOING}: {error.diag.message_primary} (the log is read with the catalog of its "
                "time, and the publication was not there then)"
            )
        general = translate(error, _DOING)
        if isinstance(general, FatalError) and _CHANGE_CONTEXT in (error.diag.context or ""):
            return UnsendableError(_unsendable(error))
        if isinstance(general, FatalError) and self._pgconn.status != pq.ConnStatus.OK:
            # The connection is closed, too: its loss may be the cause of the error.
            return RetryableError(str(general))
        return general


def _unsendable(error: psycopg.Error) -> str:
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return (
        f"the server cannot send a change of its log: {error.diag.message_primary}{detail} (SQLSTATE {error.sqlstate}, "
        f"{error.diag.context}).  It may be a row of more than 1 GB as text, a value that cannot be converted from "
        "the database's encoding, or a row filter of the publication that fails; pg_waldump shows the table at that position"
    )


def timeline_end(history: str, timeline: int) -> int | None:
    """The LSN at which `timeline` ends.  `history` is the text of a history file: lines of timeline, switch LSN, reason."""
    for line in history.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == str(timeline):
            high, _, low = fields[1].partition("/")
            return int(high, 16) << 32 | int(low, 16)
    return None
