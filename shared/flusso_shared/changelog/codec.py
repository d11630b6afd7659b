"""Changes as Kafka records: the key as JSON, the value as Avro single-object encoding.

A value is the marker C3 01, the CRC-64-AVRO fingerprint of the writer's schema (little-endian) and the body.
The current schema is `schemas/change.avsc`; older ones, which stored records may still use, are beside it as
`change.<anything>.avsc` and are resolved by fastavro.
"""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader
from fastavro.read import SchemaResolutionError
from fastavro.schema import fingerprint, to_parsing_canonical_form

from flusso_shared.change import Change, Op, Origin
from flusso_shared.changelog import avro
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName

_MARKER = b"\xc3\x01"
_HEADER_LENGTH = 10
_CURRENT = "change.avsc"
TRACE_HEADER = "traceparent"
"""The header of a record whose change was published within a span (`Change.trace`)."""

Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode


# --- keys -------------------------------------------------------------------------------------------


def encode_key(values: tuple[str, ...]) -> bytes:
    """`["42"]`: the primary key's values in text form, compact."""
    return _to_json(values).encode()


def encode_truncate_key(lsn: int) -> bytes:
    """`{"truncate": lsn}`: a compacted topic wants a key, and a truncate has no row."""
    return _to_json({"truncate": lsn}).encode()


def decode_key(data: bytes) -> tuple[str, ...]:
    """The inverse of both; the key of a truncate is empty.  Raises `ValueError` for anything else."""
    if data[:2] == b'["' and data[-2:] == b'"]' and b"\\" not in data:
        # Without escapes a quote only ever ends a value: five times as fast, and a worker reads little else.
        plain = data[2:-2].decode().split('","')
        if data.count(b'"') == 2 * len(plain):
            return tuple(plain)
    values = _from_json(data.decode())
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    if isinstance(values, dict) and "truncate" in values:
        return ()
    raise ValueError("neither a list of text nor a truncate")


def key_of(change: Change) -> bytes:
    """The record's key."""
    if change.op is Op.TRUNCATE:
        return encode_truncate_key(change.lsn)
    return encode_key(change.key)


def trace_of(headers: Headers) -> str:
    """`Change.trace` from the headers of a record; empty where they have none."""
    value = dict(headers).get(TRACE_HEADER)
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


# --- values -----------------------------------------------------------------------------------------


def encode(change: Change) -> bytes:
    """The record's value.  The key is not part of it."""
    return header() + avro.write_body(change)


def decode(value: bytes, key: bytes | None) -> Change:
    """The change of a record.  Raises `FatalError` for a record that is not a change, or that a newer version wrote."""
    try:
        names = decode_key(key or b"null")
        if value[:_HEADER_LENGTH] != header():
            return _decode_resolving(value, names)
        return _decode_current(value, names)
    except (ValueError, LookupError, EOFError, TypeError) as error:
        raise FatalError(
            f"the record is not a change that flusso-capture wrote ({error}); "
            "no other program may write to its topics: give flusso a `topic_prefix` of its own"
        ) from error


def _decode_current(value: bytes, key: tuple[str, ...]) -> Change:
    try:
        return avro.read_body(value, _HEADER_LENGTH, key)
    except avro.UnusualBlockError:
        return _decode_resolving(value, key)


def _decode_resolving(value: bytes, key: tuple[str, ...]) -> Change:
    """Read with the schema of its writer."""
    if value[:2] != _MARKER:
        raise ValueError("the marker of Avro's single-object encoding is missing")
    writer = known_schemas().get(value[2:_HEADER_LENGTH])
    if writer is None:
        raise FatalError(
            f"a change was written with schema {value[2:_HEADER_LENGTH].hex()}, which this version "
            "does not know: it was written by a newer version; upgrade the workers"
        )
    try:
        found: Any = schemaless_reader(
            io.BytesIO(value[_HEADER_LENGTH:]), writer, known_schemas()[header()[2:]]
        )
    except SchemaResolutionError as error:
        raise ValueError(f"the schemas do not resolve: {error}") from error
    return _from_fields(found, key)


def _from_fields(fields: dict[str, Any], key: tuple[str, ...]) -> Change:
    return Change(
        op=Op(fields["op"]),
        table=TableName(fields["schema"], fields["table"]),
        key=key,
        before=fields["before"],
        after=fields["after"],
        omitted=tuple(fields["omitted"]),
        lsn=fields["lsn"],
        commit_lsn=fields["commit_lsn"],
        commit_time=fields["commit_time"],
        xid=fields["xid"],
        sequence=fields["sequence"],
        origin=Origin(fields["system_id"], fields["timeline"]),
    )


# --- schemas ----------------------------------------------------------------------------------------


@cache
def known_schemas() -> dict[bytes, Any]:
    """By fingerprint every schema that a record may be written with; logical types are left out."""
    return {
        _fingerprint(schema): schema
        for schema in map(_load, sorted(_schema_folder().glob("change*.avsc")))
    }


@cache
def header() -> bytes:
    """What every value begins with: the marker and the fingerprint of the current schema."""
    return _MARKER + _fingerprint(_load(_schema_folder() / _CURRENT))


def _fingerprint(schema: Any) -> bytes:
    # fastavro gives the digits in the order that the bytes have in a record.
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def _load(path: Path) -> Any:
    def without_logical_type(item: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in item.items() if key != "logicalType"}

    return parse_schema(json.loads(path.read_text("utf-8"), object_hook=without_logical_type))


def _schema_folder() -> Path:
    """In an installed package beside this module, else the repository's."""
    package = Path(__file__).parents[1]
    installed = package / "_schemas"
    return installed if installed.is_dir() else package.parents[1] / "schemas"
