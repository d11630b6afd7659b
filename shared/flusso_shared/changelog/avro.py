"""Avro's binary encoding of exactly the current `change.avsc`, by hand: the hot path of `changelog.codec`.

fastavro takes two to three times as long for images (each value is a union).  What this writes is byte for
byte what fastavro writes; tests hold the two against each other.  A block that only other writers make is
refused with `UnusualBlockError`: fastavro reads it then.
"""

from __future__ import annotations

from functools import lru_cache

from flusso_shared.change import Change, Image, Op, Origin
from flusso_shared.names import TableName

_OPS = tuple(Op)
_CACHED_LENGTHS = 4096
_NULL_IMAGE = b"\x00"


class UnusualBlockError(ValueError):
    """Valid Avro, but in a form that this module does not read."""


# --- writing ----------------------------------------------------------------------------------------


def write_body(change: Change) -> bytes:
    """The body of a change, without the single-object header."""
    parts = [
        encode_head(change.op, change.table),
        encode_long(change.lsn),
        encode_transaction(change.commit_lsn, change.commit_time, change.xid),
        encode_long(change.sequence),
        encode_origin(change.origin),
    ]
    _write_image(parts, change.before)
    _write_image(parts, change.after)
    parts.append(_omitted(change.omitted))
    return b"".join(parts)


def encode_long(number: int) -> bytes:
    """A zigzag varint."""
    rest = number << 1 if number >= 0 else (~number << 1) | 1
    return _BYTES[rest] if rest < 0x80 else encode_varint(rest)


def encode_varint(rest: int) -> bytes:
    """A number from 0 on, seven bits to a byte, the lowest first."""
    digits = bytearray()
    while rest >= 0x80:
        digits.append(rest & 0x7F | 0x80)
        rest >>= 7
    digits.append(rest)
    return bytes(digits)


_BYTES = [bytes([number]) for number in range(0x80)]
_STRINGS = [b"\x02" + encode_long(size) for size in range(_CACHED_LENGTHS)]
"""The branch and the length of a short string in a nullable value."""


def _string(text: str) -> bytes:
    data = text.encode()
    return encode_long(len(data)) + data


# These see the same few values over and over: columns, tables, the transaction of the moment.
encode_name = lru_cache(maxsize=65536)(_string)


@lru_cache(maxsize=65536)
def encode_head(op: Op, table: TableName) -> bytes:
    return encode_long(_OPS.index(op)) + _string(table.schema) + _string(table.name)


@lru_cache(maxsize=256)
def encode_transaction(commit_lsn: int, commit_time: int, xid: int) -> bytes:
    return encode_long(commit_lsn) + encode_long(commit_time) + encode_long(xid)


@lru_cache(maxsize=16)
def encode_origin(origin: Origin) -> bytes:
    return _string(origin.system_id) + encode_long(origin.timeline)


@lru_cache(maxsize=1024)
def _omitted(columns: tuple[str, ...]) -> bytes:
    if not columns:
        return b"\x00"
    return b"".join([encode_long(len(columns)), *map(_string, columns), b"\x00"])


def _write_image(parts: list[bytes], image: Image | None) -> None:
    if image is None:
        parts.append(_NULL_IMAGE)
        return
    parts.append(b"\x02")
    if image:
        parts.append(encode_long(len(image)))
        append = parts.append
        for name, value in image.items():
            append(encode_name(name))
            if value is None:
                append(b"\x00")
                continue
            data = value.encode()
            size = len(data)
            append(_STRINGS[size] if size < _CACHED_LENGTHS else b"\x02" + encode_long(size))
            append(data)
    parts.append(b"\x00")


# --- reading ----------------------------------------------------------------------------------------


def read_body(data: bytes, at: int, key: tuple[str, ...]) -> Change:
    """The change of `key` whose body starts at `at`.  Raises `ValueError` or `IndexError` for anything else."""
    op, table, lsn, commit_lsn, commit_time, xid, at = _read_head(data, at)
    sequence, at = _read_long(data, at)
    origin, at = _read_origin(data, at)
    before, at = _read_image(data, at)
    after, at = _read_image(data, at)
    omitted, at = _read_names(data, at)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return Change(
        op,
        table,
        key,
        before,
        after,
        omitted,
        lsn,
        commit_lsn,
        commit_time,
        xid,
        sequence,
        origin,
    )


class _Latest:
    """What the last change began with: the next one mostly begins with the same bytes.

    A field ends where its bytes say, so equal bytes mean equal fields.  Each value is replaced as a whole, which
    any thread may do.
    """

    head: tuple[bytes, tuple[Op, TableName, int, int, int, int]] | None = None
    origin: tuple[bytes, Origin] | None = None


def _read_head(data: bytes, start: int) -> tuple[Op, TableName, int, int, int, int, int]:
    latest = _Latest.head
    if latest is not None and data.startswith(latest[0], start):
        return *latest[1], start + len(latest[0])
    op, at = _read_long(data, start)
    schema, at = _read_name(data, at)
    name, at = _read_name(data, at)
    lsn, at = _read_long(data, at)
    commit_lsn, at = _read_long(data, at)
    commit_time, at = _read_long(data, at)
    xid, at = _read_long(data, at)
    head = (_OPS[_checked(op)], TableName(schema, name), lsn, commit_lsn, commit_time, xid)
    _Latest.head = (data[start:at], head)
    return *head, at


def _read_origin(data: bytes, start: int) -> tuple[Origin, int]:
    latest = _Latest.origin
    if latest is not None and data.startswith(latest[0], start):
        return latest[1], start + len(latest[0])
    system_id, at = _read_name(data, start)
    timeline, at = _read_long(data, at)
    origin = Origin(system_id, timeline)
    _Latest.origin = (data[start:at], origin)
    return origin, at


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    rest = byte & 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        rest |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (rest >> 1) ^ -(rest & 1), at
        shift += 7


def _checked(number: int) -> int:
    """A count or length; a negative one is a block with its size in bytes, or nonsense."""
    if number < 0:
        raise UnusualBlockError("a block with its size")
    return number


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    size, at = _read_long(data, at)
    end = at + _checked(size)
    if end > len(data):
        raise IndexError("a string ends after the data")
    return data[at:end].decode(), end


def _read_image(data: bytes, at: int) -> tuple[dict[str, str | None] | None, int]:
    branch = data[at]
    at += 1
    if branch == 0:
        return None, at
    if branch != 2:
        raise ValueError(f"a nullable map has no branch {branch}")
    image: dict[str, str | None] = {}
    while True:
        count, at = _read_long(data, at)
        if count == 0:
            return image, at
        at = _read_block(data, at, _checked(count), image)


def _read_block(data: bytes, at: int, count: int, image: dict[str, str | None]) -> int:
    # Written out, without calls for what is short: ten of these make up most of a change.
    for _ in range(count):
        size = data[at]
        at += 1
        if size >= 0x80 or size & 1:
            size, at = _read_long(data, at - 1)
            size = _checked(size) << 1
        end = at + (size >> 1)
        name = data[at:end].decode()
        branch = data[end]
        at = end + 1
        if branch == 0:
            image[name] = None
            continue
        if branch != 2:
            raise ValueError(f"a nullable string has no branch {branch}")
        size = data[at]
        at += 1
        if size >= 0x80 or size & 1:
            size, at = _read_long(data, at - 1)
            size = _checked(size) << 1
        end = at + (size >> 1)
        if end > len(data):
            raise IndexError("a string ends after the data")
        image[name] = data[at:end].decode()
        at = end
    return at


def _read_names(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    names: list[str] = []
    while True:
        count, at = _read_long(data, at)
        if count == 0:
            return tuple(names), at
        for _ in range(_checked(count)):
            name, at = _read_name(data, at)
            names.append(name)
