"""Operations -> the NDJSON bodies of bulk requests, bounded in number and bytes.  Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flusso_shared.seams import Operation


class Chunk(NamedTuple):
    """One bulk request."""

    operations: Sequence[Operation]
    body: bytes


def chunks(operations: Sequence[Operation], batch_size: int, max_bytes: int) -> Iterator[Chunk]:
    """Split into requests; a document larger than `max_bytes` goes alone."""
    taken: list[Operation] = []
    lines: list[bytes] = []
    size = 0
    for operation in operations:
        line = _line(operation)
        if taken and (len(taken) >= batch_size or size + len(line) > max_bytes):
            yield Chunk(taken, b"".join(lines))
            taken, lines, size = [], [], 0
        taken.append(operation)
        lines.append(line)
        size += len(line)
    if taken:
        yield Chunk(taken, b"".join(lines))


def _line(operation: Operation) -> bytes:
    """Action line and document.  The index stands in the request's path."""
    document_id, version, document = operation
    # ids are mostly numbers and uuids; only others need JSON's escapes
    quoted = f'"{document_id}"' if document_id.isalnum() else json.dumps(document_id)
    meta = f'{{"_id":{quoted},"version":{version},"version_type":"external_gte"}}}}\n'
    if document is None:
        return b'{"delete":' + meta.encode()
    if b"\n" in document:
        document = document.replace(b"\n", b" ")
    return b'{"index":' + meta.encode() + document + b"\n"
