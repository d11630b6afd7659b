"""The pgoutput protocol, version 1: decodes the bytes of one message.  Pure.

Format: Postgres manual, "Logical Replication Message Formats".
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from flusso_shared.errors import FatalError

_U16: Final = struct.Struct(">H").unpack_from
_U32: Final = struct.Struct(">I").unpack_from
_BEGIN: Final = struct.Struct(">QqI").unpack_from
_COMMIT: Final = struct.Struct(">BQQq").unpack_from
_ORIGIN: Final = struct.Struct(">Q").unpack_from
_COLUMN: Final = struct.Struct(">Ii").unpack_from
_TRUNCATE: Final = struct.Struct(">IB").unpack_from
_MESSAGE: Final = struct.Struct(">BQ").unpack_from

_TEXT: Final = ord("t")
_NULL: Final = ord("n")
_UNCHANGED: Final = ord("u")
_NEW: Final = ord("N")
_KEY: Final = ord("K")
_OLD: Final = ord("O")

_POSTGRES_EPOCH: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""


class DecodeError(FatalError):
    """A message that is not part of the protocol."""


class Unchanged(enum.Enum):
    """A TOASTed value that did not change and was not sent."""

    TOKEN = "unchanged"


UNCHANGED: Final = Unchanged.TOKEN


class Unreadable(str):
    """A value whose bytes are not valid in the database's encoding; invalid bytes are written as `\\xNN`."""

    __slots__ = ()


Value = str | Unchanged | None
Row = list[Value]
"""A tuple's values in the order of the relation's columns."""


class UnreadableRow(list[Value]):
    """A row with an `Unreadable` value.  All other rows are plain lists."""

    __slots__ = ()


class Begin(NamedTuple):
    """Start of a transaction; it is sent once the transaction has committed."""

    commit_lsn: int
    commit_time: int
    """Microseconds since the Unix epoch."""
    xid: int
    """32 bits."""


class Commit(NamedTuple):
    """End of a transaction; its LSN `end_lsn` may be confirmed."""

    commit_lsn: int
    end_lsn: int
    commit_time: int


class Origin(NamedTuple):
    """The transaction was replicated from another server."""

    lsn: int
    name: str


class RelationColumn(NamedTuple):
    """A column as the log describes it; `identity`: whether it belongs to the replica identity."""

    name: str
    identity: bool
    type_oid: int
    type_modifier: int


class Relation(NamedTuple):
    """Describes a table, before its first row and after each change of it."""

    id: int
    schema: str
    name: str
    identity: str
    columns: tuple[RelationColumn, ...]


class Type(NamedTuple):
    """Names a type that is not built in."""

    oid: int
    schema: str
    name: str


class Insert(NamedTuple):
    """A new row."""

    relation: int
    new: Row


class Update(NamedTuple):
    """A changed row.  `old` has the columns of the replica identity and None for others, or (`full`) the whole row."""

    relation: int
    old: Row | None
    full: bool
    new: Row


class Delete(NamedTuple):
    """A deleted row; `old` and `full` as in `Update`."""

    relation: int
    old: Row
    full: bool


class Truncate(NamedTuple):
    """Truncated tables."""

    relations: tuple[int, ...]
    cascade: bool
    restart_identity: bool


class Message(NamedTuple):
    """Content that `pg_logical_emit_message` wrote."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


AnyMessage = (
    Begin | Commit | Origin | Relation | Type | Insert | Update | Delete | Truncate | Message
)


def decode(data: bytes, codec: str = "utf-8") -> AnyMessage:
    """Decode one complete message, with text in the encoding `codec`.  Raises `DecodeError` only."""
    try:
        reader = _READERS[data[0]]
        message, end = reader(data, codec)
    except (LookupError, ValueError, struct.error) as error:
        raise DecodeError(_decode_error_text(data)) from error
    if end != len(data):
        raise DecodeError(_decode_error_text(data))
    return message


def _decode_error_text(data: bytes) -> str:
    # Without the content, which may have values of rows.
    return (
        f"the replication stream holds a message of kind {data[:1]!r} and {len(data)} bytes that is "
        "not pgoutput version 1; check the server's version and that nothing rewrites the connection"
    )


def _begin(data: bytes, _codec: str) -> tuple[Begin, int]:
    lsn, time, xid = _BEGIN(data, 1)
    return Begin(lsn, time + _POSTGRES_EPOCH, xid), 21


def _commit(data: bytes, _codec: str) -> tuple[Commit, int]:
    _flags, lsn, end_lsn, time = _COMMIT(data, 1)
    return Commit(lsn, end_lsn, time + _POSTGRES_EPOCH), 26


def _origin(data: bytes, codec: str) -> tuple[Origin, int]:
    (lsn,) = _ORIGIN(data, 1)
    name, at = _string(data, 9, codec)
    return Origin(lsn, name), at


def _relation(data: bytes, codec: str) -> tuple[Relation, int]:
    (number,) = _U32(data, 1)
    schema, at = _string(data, 5, codec)
    name, at = _string(data, at, codec)
    identity = chr(data[at])
    (count,) = _U16(data, at + 1)
    at += 3
    columns: list[RelationColumn] = []
    for _ in range(count):
        flags = data[at]
        column, at = _string(data, at + 1, codec)
        oid, modifier = _COLUMN(data, at)
        at += 8
        columns.append(RelationColumn(column, bool(flags & 1), oid, modifier))
    return Relation(number, schema or "pg_catalog", name, identity, tuple(columns)), at


def _type(data: bytes, codec: str) -> tuple[Type, int]:
    (oid,) = _U32(data, 1)
    schema, at = _string(data, 5, codec)
    name, at = _string(data, at, codec)
    return Type(oid, schema or "pg_catalog", name), at


def _insert(data: bytes, codec: str) -> tuple[Insert, int]:
    (number,) = _U32(data, 1)
    _expect(data[5] == _NEW)
    new, at = _row(data, 6, codec)
    return Insert(number, new), at


def _update(data: bytes, codec: str) -> tuple[Update, int]:
    (number,) = _U32(data, 1)
    kind, at = data[5], 6
    old: Row | None = None
    if kind in (_KEY, _OLD):
        old, at = _row(data, at, codec)
        _expect(data[at] == _NEW)
        at += 1
    else:
        _expect(kind == _NEW)
    new, at = _row(data, at, codec)
    return Update(number, old, kind == _OLD, new), at


def _delete(data: bytes, codec: str) -> tuple[Delete, int]:
    (number,) = _U32(data, 1)
    kind = data[5]
    _expect(kind in (_KEY, _OLD))
    old, at = _row(data, 6, codec)
    return Delete(number, old, kind == _OLD), at


def _truncate(data: bytes, _codec: str) -> tuple[Truncate, int]:
    count, flags = _TRUNCATE(data, 1)
    end = 6 + 4 * count
    _expect(end == len(data))
    numbers = struct.unpack_from(f">{count}I", data, 6)
    return Truncate(numbers, bool(flags & 1), bool(flags & 2)), end


def _message(data: bytes, codec: str) -> tuple[Message, int]:
    flags, lsn = _MESSAGE(data, 1)
    prefix, at = _string(data, 10, codec)
    (size,) = _U32(data, at)
    start, end = at + 4, at + 4 + size
    return Message(bool(flags & 1), lsn, prefix, data[start:end]), end


def _row(data: bytes, at: int, codec: str) -> tuple[Row, int]:
    """A tuple, and the offset after it.  A slice beyond the end is no error here: `decode` compares the end."""
    (count,) = _U16(data, at)
    at += 2
    values: Row = []
    append = values.append
    unreadable = False
    for _ in range(count):
        kind = data[at]
        if kind == _TEXT:
            (size,) = _U32(data, at + 1)
            start = at + 5
            at = start + size
            try:
                append(data[start:at].decode(codec))
            except UnicodeDecodeError:
                append(Unreadable(data[start:at].decode(codec, "backslashreplace")))
                unreadable = True
        elif kind == _NULL:
            append(None)
            at += 1
        elif kind == _UNCHANGED:
            append(UNCHANGED)
            at += 1
        else:
            raise ValueError("kind of a column")
    return UnreadableRow(values) if unreadable else values, at


def _string(data: bytes, at: int, codec: str) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(codec, "backslashreplace"), end + 1


def _expect(true: bool) -> None:
    if not true:
        raise ValueError("kind of a tuple")


_READERS: Final[dict[int, Callable[[bytes, str], tuple[AnyMessage, int]]]] = {
    ord("B"): _begin,
    ord("C"): _commit,
    ord("O"): _origin,
    ord("R"): _relation,
    ord("Y"): _type,
    ord("I"): _insert,
    ord("U"): _update,
    ord("D"): _delete,
    ord("T"): _truncate,
    ord("M"): _message,
}
