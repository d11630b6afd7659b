"""Encodes the rows of most messages in one pass over their bytes: the hot path of `change_builder` and the codec.

The log has values as text in the encoding of the database, and so has a record in UTF-8.  So the bytes of a value are copied,
and only their length is written again.  What is not plain has no encoding here: the message is decoded then, and `ChangeBuilder`
makes the same of it or more.  Tests hold the two against each other.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from flusso_capture.stream.relations import Relations, RowLayout
from flusso_shared.change import EncodedChange, Op, Origin
from flusso_shared.changelog import avro, codec

_U16: Final = struct.Struct(">H").unpack_from
_U32: Final = struct.Struct(">I").unpack_from

_INSERT: Final = ord("I")
_UPDATE: Final = ord("U")
_KINDS: Final = frozenset((_INSERT, _UPDATE))
_TEXT: Final = ord("t")
_NULL: Final = ord("n")
_NEW: Final = ord("N")
_OLD: Final = ord("O")

_SHORT: Final = 128
"""Lengths of values below it have their encoding in a table."""
_PLAIN_IN_JSON: Final = bytes(set(range(0x20, 0x7F)) - set(b'"\\'))
_LOW_PART: Final = 1 << 21
"""Three digits of a varint."""
_NO_IMAGE: Final = (b"\x00",)
_END: Final = b"\x00"
_NOTHING_OMITTED: Final = b"\x00"


class _NotPlainError(Exception):
    """The row has a value that cannot be copied."""


class _Column(NamedTuple):
    """The encodings of a column: its name, then NULL or the length of a value."""

    name: bytes
    short: tuple[bytes, ...]
    """By length, name and length."""
    null: bytes


class _Layout(NamedTuple):
    """A layout, and what every record of it has."""

    layout: RowLayout
    columns: tuple[_Column, ...]
    key: tuple[int, ...]
    """Where the values of the key are among the parts of an image."""
    create: bytes
    """How the record of a create begins."""
    update: bytes
    image: bytes
    """How an image begins."""


class Transaction(NamedTuple):
    """The transaction that is being received."""

    commit_lsn: int
    commit_time: int
    """Microseconds since the Unix epoch."""
    xid: int
    """64 bits."""


class RowEncoder:
    """Encodes rows of one stream session.  Owned by the stream's thread."""

    def __init__(
        self, relations: Relations, origin: Origin, max_message_bytes: int, max_record_bytes: int
    ) -> None:
        """Text in the stream is in UTF-8.  Messages and records of more bytes have no encoding here."""
        self._relations = relations
        self._origin = avro.encode_origin(origin)
        self._max_message_bytes = max_message_bytes
        self._max_record_bytes = max_record_bytes
        self._layouts: dict[int, _Layout] = {}

    def encode(
        self, message: bytes, lsn: int, transaction: Transaction, sequence: int
    ) -> EncodedChange | None:
        """The record of an insert, or of an update that leaves the key as it is; None for anything else.

        `lsn` and `sequence` are those of the change.
        """
        kind = message[0]
        if kind not in _KINDS or len(message) > self._max_message_bytes:
            return None
        try:
            found = self._layout(_U32(message, 1)[0])
            if found is None:
                return None
            before: list[bytes] = []
            after: list[bytes] = [found.image]
            at = 5
            if kind == _UPDATE and message[at] == _OLD:
                before.append(found.image)
                at = _copy_image(message, at + 1, found.columns, before)
            if message[at] != _NEW:
                return None
            if _copy_image(message, at + 1, found.columns, after) != len(message):
                return None
            if not message.isascii():
                for value in (*before[2::2], *after[2::2]):
                    value.decode()
        except (_NotPlainError, LookupError, struct.error, UnicodeDecodeError):
            return None
        key = [after[position] for position in found.key]
        if b"" in key or (before and key != [before[position] for position in found.key]):
            return None
        head = (
            found.create if kind == _INSERT else found.update,
            _lsn(lsn),
            avro.encode_transaction(*transaction),
            _sequence(sequence),
            self._origin,
        )
        value = b"".join((*head, *(before or _NO_IMAGE), *after, _NOTHING_OMITTED))
        record = EncodedChange(found.layout.table, _key(key), value)
        return record if len(record.key) + len(value) <= self._max_record_bytes else None

    def _layout(self, relation: int) -> _Layout | None:
        layout = self._relations.layout(relation)
        if layout is None or layout.computed is not None:
            return None
        found = self._layouts.get(relation)
        if found is None or found.layout is not layout:
            found = self._layouts[relation] = _prepared(layout)
        return found


def _prepared(layout: RowLayout) -> _Layout:
    columns = tuple(_column(name) for name in layout.columns)
    return _Layout(
        layout=layout,
        columns=columns,
        key=tuple(2 * position + 2 for position in layout.key),
        create=codec.header() + avro.encode_head(Op.CREATE, layout.table),
        update=codec.header() + avro.encode_head(Op.UPDATE, layout.table),
        image=b"\x02" + avro.encode_long(len(columns)),
    )


@lru_cache(maxsize=4096)
def _column(column: str) -> _Column:
    name = avro.encode_name(column)
    short = tuple(name + b"\x02" + avro.encode_long(size) for size in range(_SHORT))
    return _Column(name, short, name + b"\x00")


def _copy_image(message: bytes, at: int, columns: tuple[_Column, ...], parts: list[bytes]) -> int:
    """Append two parts for each column, what comes before its value and the value, and the end; gives the offset after it."""
    if _U16(message, at)[0] != len(columns):
        raise _NotPlainError
    at += 2
    append = parts.append
    for name, short, null in columns:
        kind = message[at]
        if kind == _TEXT:
            (size,) = _U32(message, at + 1)
            start = at + 5
            at = start + size
            append(short[size] if size < _SHORT else name + b"\x02" + avro.encode_long(size))
            append(message[start:at])
        elif kind == _NULL:
            append(null)
            append(b"")
            at += 1
        else:
            raise _NotPlainError
    append(_END)
    return at


def _key(values: list[bytes]) -> bytes:
    """As `codec.encode_key`."""
    if len(values) == 1 and not values[0].translate(None, _PLAIN_IN_JSON):
        return b'["%b"]' % values[0]
    return codec.encode_key(tuple([value.decode() for value in values]))


_sequence = lru_cache(maxsize=4096)(avro.encode_long)
_high_part = lru_cache(maxsize=64)(avro.encode_varint)


def _lsn(lsn: int) -> bytes:
    """As `avro.encode_long`: the changes of a moment share the high part."""
    rest = lsn << 1
    if rest < _LOW_PART:
        return avro.encode_long(lsn)
    low = bytes((rest & 0x7F | 0x80, rest >> 7 & 0x7F | 0x80, rest >> 14 & 0x7F | 0x80))
    return low + _high_part(rest >> 21)
