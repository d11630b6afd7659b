"""What is encoded in one pass is what decoding, building and the codec make of the same bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from flusso_capture.stream import pgoutput
from flusso_capture.stream.change_builder import ChangeBuilder
from flusso_capture.stream.pgoutput import Begin, Delete, Insert, Truncate, Update
from flusso_capture.stream.relations import Relations
from flusso_capture.stream.row_encoder import RowEncoder
from flusso_capture.stream.transaction_ids import TransactionIds
from flusso_shared.change import Change, EncodedChange, Origin
from flusso_shared.changelog import codec
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Column, Table

_ITEMS = TableName("public", "items")
_ORIGIN = Origin("7123456789012345678", 3)
_BIG = 1_000_000

Sent = bytes | None
"""A value as the log has it; None is NULL.  `_UNCHANGED` stands for a value that was not sent."""
_UNCHANGED = b"\x00not sent"


@dataclass(frozen=True)
class Case:
    """A table, and a message of one of its rows."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    message: bytes
    plain: bool
    """Whether it has nothing that the encoder leaves to others."""


def row(values: list[Sent]) -> bytes:
    parts = [struct.pack(">H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is _UNCHANGED:
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack(">I", len(value)) + value)
    return b"".join(parts)


def message(kind: bytes, *tuples: tuple[bytes, list[Sent]]) -> bytes:
    return kind + struct.pack(">I", 1) + b"".join(mark + row(values) for mark, values in tuples)


def a_table(columns: tuple[str, ...], key: tuple[str, ...]) -> Table:
    return Table(
        name=_ITEMS,
        columns={name: Column(name, "text", False) for name in columns},
        primary_key=key,
        replica_identity="f",
        identity_columns=frozenset(columns),
        owned=True,
    )


def both_ways(
    case: Case, lsn: int, limit: int = _BIG, max_record_bytes: int = _BIG
) -> tuple[EncodedChange | None, list[Change]]:
    """What the encoder makes of a message, and what the others make of it; twice, so that the sequence is compared, too."""
    table = a_table(case.columns, case.key)
    relations = Relations({_ITEMS: table}, {}, lambda _: table)
    described = tuple(pgoutput.RelationColumn(name, True, 25, -1) for name in case.columns)
    relations.learn(pgoutput.Relation(1, "public", "items", "f", described))
    encoder = RowEncoder(relations, _ORIGIN, limit, max_record_bytes)
    builders = [
        ChangeBuilder(relations, TransactionIds(10), _ORIGIN, limit, encoder=one)
        for one in (encoder, None)
    ]
    for builder in builders:
        builder.begin_transaction(Begin(2**40 + 5, 1_764_000_000_000_000, 9))
    encoding, building = builders
    record: EncodedChange | None = None
    changes: list[Change] = []
    for _ in range(2):
        record = encoding.encode(case.message, lsn)
        decoded = pgoutput.decode(case.message)
        assert isinstance(decoded, Insert | Update | Delete | Truncate)
        changes = list(building.build(decoded, lsn, len(case.message)))
    return record, changes


_names = st.lists(
    st.text("abcXYZ_äß漢", min_size=1, max_size=9), min_size=1, max_size=6, unique=True
)
_texts = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200),
    st.sampled_from(["", '"', "\\", "a\nb", "42", "x" * 127, "x" * 128, "ä" * 64, "x" * 5000]),
).map(str.encode)
_odd = st.sampled_from([b"\xff", b"a\xc3", b"\xa4b", _UNCHANGED])
_values = st.one_of(st.none(), _texts, _texts, _odd)
_lsns = st.one_of(st.integers(0, 2**22), st.integers(0, 2**62))


def is_plain(values: list[Sent]) -> bool:
    for value in values:
        if value is _UNCHANGED:
            return False
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return False
    return True


@st.composite
def cases(draw: st.DrawFn) -> Case:
    columns = tuple(draw(_names))
    key = tuple(draw(st.lists(st.sampled_from(columns), min_size=1, unique=True)))

    def drawn() -> list[Sent]:
        return [draw(_texts if name in key else _values) for name in columns]

    new = drawn()
    kind = draw(st.sampled_from(["insert", "update", "full update", "full update of the key"]))
    empty = any(not new[columns.index(name)] for name in key)
    plain = is_plain(new) and not empty
    if kind == "insert":
        return Case(columns, key, message(b"I", (b"N", new)), plain)
    if kind == "update":
        return Case(columns, key, message(b"U", (b"N", new)), plain)
    old = drawn()
    if kind == "full update":
        for name in key:
            old[columns.index(name)] = new[columns.index(name)]
    same = all(old[columns.index(name)] == new[columns.index(name)] for name in key)
    return Case(
        columns, key, message(b"U", (b"O", old), (b"N", new)), plain and same and is_plain(old)
    )


@given(cases(), _lsns)
def test_both_ways_lead_to_the_same_record(case: Case, lsn: int) -> None:
    record, changes = both_ways(case, lsn)
    assert (record is not None) == case.plain
    if record is not None:
        (change,) = changes
        assert record == EncodedChange(change.table, codec.key_of(change), codec.encode(change))
        assert codec.decode(record.value, record.key) == change


def test_what_is_not_plain_is_left_to_others() -> None:
    columns, key = ("id", "note"), ("id",)
    for left in (
        message(b"D", (b"O", [b"1", b"a"])),
        message(b"U", (b"K", [b"1", None]), (b"N", [b"2", b"a"])),
        message(b"U", (b"O", [b"1", b"a"]), (b"N", [b"2", b"a"])),
        message(b"I", (b"N", [b"1", _UNCHANGED])),
        message(b"I", (b"N", [b"", b"a"])),
        b"T" + struct.pack(">IBI", 1, 0, 1),
    ):
        record, _ = both_ways(Case(columns, key, left, plain=False), 1)
        assert record is None


def test_what_is_too_large_is_left_to_others() -> None:
    large = Case(("id", "note"), ("id",), message(b"I", (b"N", [b"1", b"x" * 900])), plain=True)
    assert both_ways(large, 1)[0] is not None
    assert both_ways(large, 1, limit=800)[0] is None
    assert both_ways(large, 1, max_record_bytes=900)[0] is None


def test_a_message_that_was_cut_off_is_left_to_the_decoder() -> None:
    whole = message(b"I", (b"N", [b"1", b"abc"]))
    table = a_table(("id", "note"), ("id",))
    relations = Relations({_ITEMS: table}, {}, lambda _: table)
    described = tuple(pgoutput.RelationColumn(name, True, 25, -1) for name in ("id", "note"))
    relations.learn(pgoutput.Relation(1, "public", "items", "f", described))
    builder = ChangeBuilder(
        relations,
        TransactionIds(10),
        _ORIGIN,
        _BIG,
        encoder=RowEncoder(relations, _ORIGIN, _BIG, _BIG),
    )
    assert builder.encode(whole, 1) is not None
    for end in range(5, len(whole)):
        assert builder.encode(whole[:end], 1) is None
    assert builder.encode(whole + b"x", 1) is None
