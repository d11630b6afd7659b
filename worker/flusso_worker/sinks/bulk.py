"""Operations -> the NDJSON bodies of bulk requests, bounded in number and bytes.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple

from flusso_shared.seams import Operation, Rejection

MAX_ID_BYTES = 512
"""OpenSearch's limit."""

GUARD = b'{"index":{"_id":""}}\n{}\n'
"""An item that never succeeds.  `require_alias` applies to index items only: a request that consists of versioned
deletes creates an index with the name in its path.  One index item in the request prevents that."""


class Chunk(NamedTuple):
    """One bulk request.  Its reply may have one item more than there are operations: the last, of the guard."""

    operations: Sequence[Operation]
    body: bytes


def chunks(operations: Iterable[Operation], batch_size: int, max_bytes: int) -> Iterator[Chunk]:
    """Split into requests of at most `batch_size` operations and `max_bytes` bytes; a larger document is sent alone."""
    taken: list[Operation] = []
    lines: list[bytes] = []
    size = 0
    for operation in operations:
        document = operation.document
        action = _action(operation)
        length = len(action) + 1 + (0 if document is None else len(document) + 1)
        if taken and (len(taken) >= batch_size or size + length > max_bytes):
            yield _chunk(taken, lines)
            taken, lines, size = [], [], 0
        taken.append(operation)
        lines.append(action)
        if document is not None:
            lines.append(_line(document))
        size += length
    if taken:
        yield _chunk(taken, lines)


def whole(operations: Sequence[Operation]) -> Chunk:
    """One request of all operations."""
    lines: list[bytes] = []
    for operation in operations:
        lines.append(_action(operation))
        if operation.document is not None:
            lines.append(_line(operation.document))
    return _chunk(operations, lines)


def sort_out(operations: Iterable[Operation]) -> tuple[list[Operation], list[Rejection]]:
    """Operations that can be sent, and those whose ids are invalid, for which OpenSearch would refuse the whole request.

    No document can have such an id, so deleting it needs no request.
    """
    valid: list[Operation] = []
    refused: list[Rejection] = []
    for operation in operations:
        reason = _invalid_id(operation.id)
        if reason is None:
            valid.append(operation)
        elif operation.document is not None:
            refused.append(Rejection(operation.id, HTTPStatus.BAD_REQUEST, reason))
    return valid, refused


def _invalid_id(document_id: str) -> str | None:
    if not document_id:
        return "the document id is empty, which OpenSearch does not allow"
    # No character takes more than four bytes.
    if len(document_id) * 4 > MAX_ID_BYTES and len(document_id.encode()) > MAX_ID_BYTES:
        return f"the document id is longer than {MAX_ID_BYTES} bytes, OpenSearch's limit"
    return None


def _chunk(operations: Sequence[Operation], lines: list[bytes]) -> Chunk:
    if all(operation.document is None for operation in operations):
        lines = [*lines, GUARD]
    else:
        lines.append(b"")
    return Chunk(operations, b"\n".join(lines))


def _action(operation: Operation) -> bytes:
    """The action line without a line end.  The index is in the path of the request."""
    document_id, version, document = operation
    # Ids are mostly numbers; only others may need escapes of JSON.
    quoted = f'"{document_id}"' if document_id.isalnum() else json.dumps(document_id)
    meta = f'{{"_id":{quoted},"version":{version},"version_type":"external_gte"}}}}'
    return (b'{"delete":' if document is None else b'{"index":') + meta.encode()


def _line(document: bytes) -> bytes:
    # Inside a JSON string a line end is escaped, so this one is white space.
    return document.replace(b"\n", b" ") if b"\n" in document else document
