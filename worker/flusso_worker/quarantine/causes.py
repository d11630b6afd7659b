"""Which change of a batch caused a document to be built, for the operator who reads the quarantine.  Pure.

Used only where documents may be quarantined.  It stores positions and link columns, never whole rows, and searches
for a cause only when a document could not be written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from flusso_shared.change import Record
from flusso_worker.documents.built import Key

Reached = Callable[[Sequence[Record], Collection[Key]], set[Key]]
"""The root keys, of those given, whose documents contain rows that the records changed."""
Trace = Callable[[Sequence[Record], Collection[Key]], Mapping[Key, Record]]
"""Root key -> the record that caused its document to be built, for the keys with such a record."""


class BatchCauses:
    """The causes of the documents of one batch."""

    def __init__(self, records: Sequence[Record], trace: Trace) -> None:
        self._records = records
        self._trace = trace

    def of(self, keys: Collection[Key]) -> Mapping[Key, Mapping[str, Any] | None]:
        if len(self._records) == 1:
            return dict.fromkeys(keys, _change(self._records[0]))
        found = self._trace(self._records, keys)
        batch = _batch(self._records)
        return {key: _change(found[key]) if key in found else batch for key in keys}


class KnownCause:
    """The cause that an existing entry recorded."""

    def __init__(self, change: Mapping[str, Any] | None) -> None:
        self._change = change

    def of(self, keys: Collection[Key]) -> Mapping[Key, Mapping[str, Any] | None]:
        return dict.fromkeys(keys, self._change)


def last_reaching(
    records: Sequence[Record], keys: Collection[Key], reached: Reached
) -> dict[Key, Record]:
    """For each of `keys` the last record whose change reaches it, if there is one; found by bisecting the batch."""
    here = reached(records, keys) if keys else set()
    if len(records) == 1 or not here:
        return dict.fromkeys(here, records[0])
    middle = len(records) // 2
    late = last_reaching(records[middle:], here, reached)
    return late | last_reaching(records[:middle], here - late.keys(), reached)


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
    """The offsets of the batch: one of its changes is the cause."""
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
