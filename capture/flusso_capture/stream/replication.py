"""The replication connection: START_REPLICATION, messages in, standby status out.  Owned by one thread.

Decides nothing about positions: `stream` does.
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
from flusso_shared.postgres.errors import translate

_DOING: Final = "follow the write-ahead log"
# In the CONTEXT of errors that a change causes, with its position.
_PLUGIN: Final = "output plugin"
_STATUS: Final = struct.Struct(">cQQQqB")
# The slot is gone, or was invalidated.
_SLOT_CHANGED: Final = (
    psycopg.errors.UndefinedObject,
    psycopg.errors.ObjectNotInPrerequisiteState,
)
_POSTGRES_EPOCH: Final = 946_684_800_000_000


class UnsendableError(RetryableError):
    """The server failed over one change in its log.  If it does so again, the log cannot be read past that change."""


class Replication:
    """One connection in replication mode.  Any of its methods may raise `RetryableError` or `FatalError`."""

    def __init__(self, conninfo: str) -> None:
        self._connection = connect_replication(conninfo)
        self._pgconn = self._connection.pgconn
        self._streaming = False
        encoding = encodings.of((self._pgconn.parameter_status(b"server_encoding") or b"").decode())
        self.codec = encoding.codec
        """What the texts of the stream are decoded with."""
        if encoding.raw:
            self._exec(encodings.RAW, pq.ExecStatus.COMMAND_OK)

    def identify(self) -> Origin:
        """The system and timeline that the positions belong to."""
        result = self._exec(b"IDENTIFY_SYSTEM")
        system, timeline = result.get_value(0, 0), result.get_value(0, 1)
        if system is None or timeline is None:
            raise RetryableError(f"cannot {_DOING}: the server did not identify itself")
        return Origin(system.decode(), int(timeline))

    def left_at(self, timeline: int) -> int | None:
        """Where the server's log left an earlier timeline; None when it does not descend from that."""
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
        """Seconds without a status after which the server hangs up; 0 for never."""
        value = self._exec(
            b"SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'"
        ).get_value(0, 0)
        return int(value or b"0") / 1000

    def start(self, slot: str, publication: str) -> None:
        """Begin to stream from the slot's confirmed position."""
        command = sql.SQL(
            "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})"
        ).format(sql.Identifier(slot), sql.Literal(sql.Identifier(publication).as_string(None)))
        try:
            self._exec(command.as_bytes(None), pq.ExecStatus.COPY_BOTH)
        except FatalError as error:
            if isinstance(error.__cause__, _SLOT_CHANGED):
                # It was there a moment ago: the next attempt starts from what is there then.
                raise RetryableError(str(error)) from error
            raise
        self._pgconn.nonblocking = 1
        self._streaming = True

    def receive(self) -> bytes | None:
        """The next message that has arrived, or None.  Never blocks, never reads the socket."""
        try:
            size, data = self._pgconn.get_copy_data(1)
        except psycopg.Error as error:
            raise self._broken(error) from error
        if size > 0:
            return bytes(data)
        if size == 0:
            return None
        raise self._ended()

    def fill(self) -> None:
        """Take in what the socket has; to be called when `wait` said that there is something."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise self._broken(error) from error

    def wait(self, timeout: float) -> bool:
        """Wait until the socket has something; False after `timeout` seconds."""
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def send_status(self, confirmed: int) -> bool:
        """Confirm everything before `confirmed`; False when the socket takes nothing now."""
        now = time.time_ns() // 1000 - _POSTGRES_EPOCH
        status = _STATUS.pack(b"r", confirmed, confirmed, confirmed, now, 0)
        try:
            if not self._pgconn.put_copy_data(status):
                return False
            self._pgconn.flush()
        except psycopg.Error as error:
            raise self._broken(error) from error
        return True

    def finish(self, timeout: float) -> None:
        """End the stream in order (CopyDone), reading what is still on its way, for at most `timeout`."""
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
            raise self._broken(error) from error

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

    def _ended(self) -> FlussoError:
        """The server closed the stream: with an error, or because it shuts down."""
        result = self._pgconn.get_result()
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            return self._broken(psycopg.errors.error_from_result(result))
        return RetryableError(f"cannot {_DOING}: the server ended the stream")

    def _broken(self, error: psycopg.Error) -> FlussoError:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return RetryableError(f"cannot {_DOING}: {' '.join(str(error).split())}")
        if isinstance(error, psycopg.errors.UndefinedObject):
            return PositionLostError(
                f"cannot {_DOING}: {error.diag.message_primary} (the log is read with the catalog of its "
                "time, and the publication was not there then)"
            )
        translated = translate(error, _DOING)
        if isinstance(translated, FatalError) and _PLUGIN in (error.diag.context or ""):
            return UnsendableError(_unsendable(error))
        if isinstance(translated, FatalError) and self._pgconn.status != pq.ConnStatus.OK:
            # The connection is gone with it: it may have been the other way round.
            return RetryableError(str(translated))
        return translated


def _unsendable(error: psycopg.Error) -> str:
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return (
        f"the server cannot send a change of its log: {error.diag.message_primary}{detail} (SQLSTATE {error.sqlstate}, "
        f"{error.diag.context}).  It may be a row of more than 1 GB as text, a value that cannot be converted from "
        "the database's encoding, or a row filter of the publication that fails; pg_waldump shows the table at that position"
    )


def timeline_end(history: str, timeline: int) -> int | None:
    """Where `timeline` ends, by the text of a history file: lines of timeline, switch point, reason."""
    for line in history.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == str(timeline):
            high, _, low = fields[1].partition("/")
            return int(high, 16) << 32 | int(low, 16)
    return None
