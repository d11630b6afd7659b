"""Which change of a batch a document goes back to, for whoever looks into the quarantine later.

Made only where documents may be quarantined.  It keeps positions, never the images of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flusso_shared.change import Record
from flusso_shared.names import TableName
from flusso_worker.chunks import Key


class Causes(Protocol):
    """Tells what a document was built for."""

    def of(self, key: Key) -> Mapping[str, Any] | None:
        """The change behind the document of a root key, or the batch that it is among; None when unknown."""
        ...


class BatchCauses:
    """The causes of one batch's documents."""

    def __init__(self, records: Sequence[Record], root: TableName | None) -> None:
        """`root` is the table whose primary keys are the root keys of documents; None where others name them."""
        self._of_root = {
            record.change.key: _change(record) for record in records if record.change.table == root
        }
        self._only = _change(records[0]) if len(records) == 1 else None
        self._batch = _batch(records)

    def of(self, key: Key) -> Mapping[str, Any] | None:
        return self._of_root.get(key) or self._only or self._batch


class KnownCause:
    """What was noted before."""

    def __init__(self, change: Mapping[str, Any] | None) -> None:
        self._change = change

    def of(self, key: Key) -> Mapping[str, Any] | None:
        return self._change


def _change(record: Record) -> dict[str, Any]:
    (topic, partition, offset), change = record
    found: dict[str, Any] = {
        "table": str(change.table),
        "key": list(change.key),
        "op": str(change.op),
        "topic": topic,
        "partition": partition,
        "offset": offset,
    }
    return found | {"lsn": _lsn(change.lsn)} if change.lsn else found


def _batch(records: Sequence[Record]) -> dict[str, Any]:
    """Where the batch stands: one of its changes is the cause."""
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    for (topic, partition, offset), _ in records:
        first, last = ends.get((topic, partition), (offset, offset))
        ends[topic, partition] = (min(first, offset), max(last, offset))
    return {
        "one_of": len(records),
        "offsets": [
            {"topic": topic, "partition": partition, "first": first, "last": last}
            for (topic, partition), (first, last) in sorted(ends.items())
        ],
    }


def _lsn(value: int) -> str:
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"
