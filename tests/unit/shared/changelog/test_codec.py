"""The encoding of changes, against fastavro and against nonsense."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.change import Change, Op, Origin
from flusso_shared.changelog import codec
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

SCHEMA_FILE = Path(__file__).parents[4] / "schemas" / "change.avsc"
SCHEMA: Any = parse_schema(json.loads(SCHEMA_FILE.read_text()))

longs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
images = st.none() | st.dictionaries(names, st.none() | texts, max_size=12)
keys = st.lists(texts, min_size=1, max_size=3).map(tuple)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    op = draw(st.sampled_from(Op))
    return Change(
        op=op,
        table=TableName(draw(names), draw(names)),
        key=() if op is Op.TRUNCATE else draw(keys),
        before=draw(images),
        after=draw(images),
        omitted=draw(st.lists(names, max_size=3).map(tuple)),
        lsn=draw(longs),
        commit_lsn=draw(longs),
        # Within what fastavro makes datetimes of.
        commit_time=draw(st.integers(0, 4_000_000_000_000_000)),
        xid=draw(longs),
        sequence=draw(longs),
        origin=Origin(draw(names), draw(st.integers(-(2**31), 2**31 - 1))),
    )


def fields_of(change: Change) -> dict[str, Any]:
    return {
        "op": change.op.value,
        "schema": change.table.schema,
        "table": change.table.name,
        "before": change.before,
        "after": change.after,
        "omitted": list(change.omitted),
        "lsn": change.lsn,
        "commit_lsn": change.commit_lsn,
        "commit_time": change.commit_time,
        "xid": change.xid,
        "sequence": change.sequence,
        "system_id": change.origin.system_id,
        "timeline": change.origin.timeline,
    }


def body(schema: Any, fields: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, schema, fields)
    return out.getvalue()


CHANGE = Change(Op.UPDATE, TableName("public", "users"), ("42",), None, {"id": "42", "name": None})


@given(changes())
def test_a_change_comes_back_as_it_was(change: Change) -> None:
    encoded = codec.encode(change)
    assert codec.decode(encoded, codec.key_of(change)) == change


@given(changes())
def test_the_bytes_are_those_of_any_avro_library(change: Change) -> None:
    encoded = codec.encode(change)
    assert encoded[:2] == b"\xc3\x01"
    assert encoded[10:] == body(SCHEMA, fields_of(change))
    read: Any = schemaless_reader(io.BytesIO(encoded[10:]), SCHEMA, None)
    assert read["op"] == change.op


def test_the_fingerprint_is_the_one_of_the_specification() -> None:
    # CRC-64-AVRO of "int", as Avro's own test data have it: 7275d51a3f395c8f.
    assert codec._fingerprint("int") == bytes.fromhex("7275d51a3f395c8f")[::-1]


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_nonsense_is_refused_plainly(value: bytes, key: bytes) -> None:
    with pytest.raises(FatalError, match="change"):
        codec.decode(value, key)


@given(changes(), st.data())
def test_damage_is_refused_plainly_or_read_as_another_change(
    change: Change, data: st.DataObject
) -> None:
    encoded = bytearray(codec.encode(change))
    encoded[data.draw(st.integers(10, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    # Any other kind of exception fails the test.
    with contextlib.suppress(FatalError):
        codec.decode(bytes(encoded), codec.key_of(change))


@given(changes(), st.integers(1, 50))
def test_what_is_cut_off_is_refused(change: Change, missing: int) -> None:
    encoded = codec.encode(change)
    with pytest.raises(FatalError):
        codec.decode(encoded[:-missing], codec.key_of(change))


def test_a_newer_writer_is_named_with_the_remedy() -> None:
    encoded = codec.encode(CHANGE)
    with pytest.raises(FatalError, match="newer version; upgrade the workers"):
        codec.decode(encoded[:2] + b"\x00" * 8 + encoded[10:], b'["42"]')


def test_a_change_of_an_older_schema_is_resolved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    older = json.loads(SCHEMA_FILE.read_text())
    older["fields"] = [field for field in older["fields"] if field["name"] != "omitted"]
    (tmp_path / "change.older.avsc").write_text(json.dumps(older))
    parsed = codec._load(tmp_path / "change.older.avsc")
    mark = codec._fingerprint(parsed)
    known = codec.known_schemas() | {mark: parsed}
    monkeypatch.setattr(codec, "known_schemas", lambda: known)
    fields = fields_of(CHANGE)
    del fields["omitted"]
    written = b"\xc3\x01" + mark + body(parsed, fields)
    assert codec.decode(written, b'["42"]') == CHANGE


def test_blocks_with_their_size_are_read_too() -> None:
    encoded = codec.encode(CHANGE)
    entries = b"\x04id\x02\x0442\x08name\x00"
    assert b"\x04" + entries in encoded
    with_size = encoded.replace(b"\x04" + entries, b"\x03" + bytes([len(entries) * 2]) + entries)
    assert codec.decode(with_size, b'["42"]') == CHANGE


def test_keys_are_compact_json_text() -> None:
    assert codec.encode_key(("42",)) == b'["42"]'
    assert codec.encode_key(("1", 'é"')) == '["1","é\\""]'.encode()
    assert codec.encode_truncate_key(7) == b'{"truncate":7}'
    assert codec.decode_key(b'{"truncate":7}') == ()


@given(keys)
def test_keys_come_back(values: tuple[str, ...]) -> None:
    assert codec.decode_key(codec.encode_key(values)) == values
