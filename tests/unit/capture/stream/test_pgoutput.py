"""The decoder with bytes that Postgres 15 sent, with an encoder, and with random bytes."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusso_capture.stream import pgoutput
from flusso_capture.stream.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Origin,
    Relation,
    RelationColumn,
    Truncate,
    Type,
    Update,
)

_T, _F = 24583, 24590

# CREATE TABLE t (id int PRIMARY KEY, "Odd näme" text, m mood); f (a int, b text) REPLICA IDENTITY FULL
CAPTURED = [
    (
        "4200000000649fb9300002b0ec85204f3500002707",
        Begin(0x649FB930, 1_704_164_645_678_901, 9991),
    ),
    (
        "4f00000000000012346361705f676f6c64656e5f6f726967696e00",
        Origin(0x1234, "cap_golden_origin"),
    ),
    ("59000060047075626c6963006d6f6f6400", Type(24580, "public", "mood")),
    (
        "52000060077075626c69630074006400030169640000000017ffffffff004f6464206ec3a46d65000000"
        "0019ffffffff006d0000006004ffffffff",
        Relation(
            _T,
            "public",
            "t",
            "d",
            (
                RelationColumn("id", True, 23, -1),
                RelationColumn("Odd näme", False, 25, -1),
                RelationColumn("m", False, 24580, -1),
            ),
        ),
    ),
    (
        "49000060074e000374000000013174000000067a77c3b66c6674000000026f6b",
        Insert(_T, ["1", "zwölf", "ok"]),
    ),
    (
        "430000000000649fb93000000000649fb9780002b0ec85204f35",
        Commit(0x649FB930, 0x649FB978, 1_704_164_645_678_901),
    ),
    ("49000060074e00037400000001326e6e", Insert(_T, ["2", None, None])),
    (
        "55000060074e00037400000001326e74000000026f6b",
        Update(_T, None, False, ["2", None, "ok"]),
    ),
    (
        "55000060074b00037400000001326e6e4e00037400000001336e74000000026f6b",
        Update(_T, ["2", None, None], False, ["3", None, "ok"]),
    ),
    ("44000060074b00037400000001336e6e", Delete(_T, ["3", None, None], False)),
    (
        "550000600e4f00027400000001317400000001784e00027400000001316e",
        Update(_F, ["1", "x"], True, ["1", None]),
    ),
    ("440000600e4f00027400000001316e", Delete(_F, ["1", None], True)),
    ("540000000203000060070000600e", Truncate((_T, _F), True, True)),
    (
        "4d0100000000649fcff87072656669780000000007636f6e74656e74",
        Message(True, 0x649FCFF8, "prefix", b"content"),
    ),
    (
        "55000060074e00037400000001397574000000026f6b",
        Update(_T, None, False, ["9", UNCHANGED, "ok"]),
    ),
]


@pytest.mark.parametrize(("captured", "expected"), CAPTURED, ids=lambda value: type(value).__name__)
def test_what_the_server_sends_is_understood(captured: str, expected: pgoutput.AnyMessage) -> None:
    assert pgoutput.decode(bytes.fromhex(captured)) == expected


@pytest.mark.parametrize(("captured", "expected"), CAPTURED, ids=lambda value: type(value).__name__)
def test_the_encoder_of_this_test_writes_what_the_server_does(
    captured: str, expected: pgoutput.AnyMessage
) -> None:
    if isinstance(expected, Insert | Update | Delete | Truncate | Relation):
        assert encode(expected) == bytes.fromhex(captured)


@pytest.mark.parametrize(("captured", "_expected"), CAPTURED, ids=lambda v: type(v).__name__)
def test_a_cut_message_is_refused(captured: str, _expected: pgoutput.AnyMessage) -> None:
    data = bytes.fromhex(captured)
    for length in range(len(data)):
        with pytest.raises(pgoutput.DecodeError):
            pgoutput.decode(data[:length])
    with pytest.raises(pgoutput.DecodeError):
        pgoutput.decode(data + b"\0")


def test_an_unknown_kind_is_refused_without_its_content() -> None:
    with pytest.raises(pgoutput.DecodeError) as caught:
        pgoutput.decode(b"Zsecret")
    assert "secret" not in str(caught.value)


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_a_decode_error(data: bytes) -> None:
    _survives(data)


@given(st.sampled_from(b"BCORYIUDTM"), st.binary(max_size=200))
def test_random_bytes_of_a_known_kind_raise_only_a_decode_error(kind: int, rest: bytes) -> None:
    _survives(bytes([kind]) + rest)


@given(st.sampled_from(CAPTURED), st.data())
def test_an_altered_message_raises_only_a_decode_error(
    item: tuple[str, pgoutput.AnyMessage], data: st.DataObject
) -> None:
    message = bytearray.fromhex(item[0])
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    _survives(bytes(message))


def _survives(data: bytes) -> None:
    with contextlib.suppress(pgoutput.DecodeError):
        pgoutput.decode(data)


_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_u32 = st.integers(0, 2**32 - 1)
_row = st.lists(st.none() | st.just(UNCHANGED) | st.text(), max_size=20)
_columns = st.lists(
    st.builds(RelationColumn, _text, st.booleans(), _u32, st.integers(-(2**31), 2**31 - 1)),
    max_size=10,
).map(tuple)
_messages = st.one_of(
    st.builds(Insert, _u32, _row),
    st.builds(Update, _u32, _row, st.booleans(), _row),
    st.builds(Update, _u32, st.none(), st.just(False), _row),
    st.builds(Delete, _u32, _row, st.booleans()),
    st.builds(Truncate, st.lists(_u32, max_size=9).map(tuple), st.booleans(), st.booleans()),
    st.builds(Relation, _u32, _text.filter(bool), _text, st.sampled_from("dnfi"), _columns),
)


@given(_messages)
def test_what_is_encoded_is_decoded(message: Encodable) -> None:
    assert pgoutput.decode(encode(message)) == message


Encodable = Insert | Update | Delete | Truncate | Relation


def encode(message: Encodable) -> bytes:
    """The server's side of the protocol, for this test."""
    match message:
        case Insert(relation, new):
            return b"I" + struct.pack(">I", relation) + b"N" + _encode_row(new)
        case Update(relation, None, _, new):
            return b"U" + struct.pack(">I", relation) + b"N" + _encode_row(new)
        case Update(relation, old, full, new):
            assert old is not None
            kind = b"O" if full else b"K"
            both = kind + _encode_row(old) + b"N" + _encode_row(new)
            return b"U" + struct.pack(">I", relation) + both
        case Delete(relation, old, full):
            kind = b"O" if full else b"K"
            return b"D" + struct.pack(">I", relation) + kind + _encode_row(old)
        case Truncate(relations, cascade, restart):
            flags = cascade | restart << 1
            return b"T" + struct.pack(f">IB{len(relations)}I", len(relations), flags, *relations)
        case Relation(number, schema, name, identity, columns):
            head = struct.pack(">I", number) + schema.encode() + b"\0" + name.encode() + b"\0"
            count = struct.pack(">H", len(columns))
            return b"R" + head + identity.encode() + count + b"".join(map(_encode_column, columns))


def _encode_column(column: RelationColumn) -> bytes:
    name = column.name.encode() + b"\0"
    return bytes([column.identity]) + name + struct.pack(">Ii", *column[2:])


def _encode_row(row: pgoutput.Row) -> bytes:
    parts = [struct.pack(">H", len(row))]
    for value in row:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, str):
            data = value.encode()
            parts.append(b"t" + struct.pack(">I", len(data)) + data)
        else:
            parts.append(b"u")
    return b"".join(parts)
