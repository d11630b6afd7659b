"""Operations -> the NDJSON bodies of bulk requests, bounded in number and bytes.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple

from flusso_shared.seams import Operation, Rejection

MAX_ID_BYTES = 512

GUARD = b'{"index":{"_id":""}}\n{}\n'
"""An item that never succeeds.  `require_alias` holds for index items only: a request of nothing but versioned
deletes creates what it names, as an index.  One index item in the request is enough to prevent that."""


class Chunk(NamedTuple):
    """One bulk request.  The reply may have one item more than there are operations: the guard's, the last."""

    operations: Sequence[Operation]
    body: bytes


def chunks(operations: Iterable[Operation], batch_size: int, max_bytes: int) -> Iterator[Chunk]:
    """Split into requests; a document larger than `max_bytes` goes alone."""
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
    """What can be sent, and what OpenSearch would refuse together with its whole request: impossible ids.

    No document can have such an id, so deleting it is done already.
    """
    sound: list[Operation] = []
    refused: list[Rejection] = []
    for operation in operations:
        reason = _impossible(operation.id)
        if reason is None:
            sound.append(operation)
        elif operation.document is not None:
            refused.append(Rejection(operation.id, HTTPStatus.BAD_REQUEST, reason))
    return sound, refused


def _impossible(document_id: str) -> str | None:
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
    """The action line without its end.  The index stands in the request's path."""
    document_id, version, document = operation
    # Ids are mostly numbers; only others may need JSON's escapes.
    quoted = f'"{document_id}"' if document_id.isalnum() else json.dumps(document_id)
    meta = f'{{"_id":{quoted},"version":{version},"version_type":"external_gte"}}}}'
    return (b'{"delete":' if document is None else b'{"index":') + meta.encode()


def _line(document: bytes) -> bytes:
    # Never inside a JSON string: there it would be escaped.
    return document.replace(b"\n", b" ") if b"\n" in document else document
