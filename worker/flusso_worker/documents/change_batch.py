"""Records as polled -> what a build needs to know of them: changes by table, ids to wait for, offsets.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flusso_shared.change import Change, Op, Origin, Record
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition


@dataclass(frozen=True, slots=True)
class Intake:
    """One batch of changes."""

    changes: Mapping[TableName, Sequence[Change]]
    """Row changes by table; truncates are not among them."""
    truncated: Mapping[TableName, frozenset[TopicPartition]]
    """Truncated tables, and where that was read."""
    xids: Mapping[Origin, frozenset[int]]
    """The transactions that a snapshot must see before the batch is resolved (I2)."""
    offsets: Offsets
    """What may be committed once everything that depends on the batch is applied."""
    count: int
    records: Sequence[Record] = ()
    """The batch as it was read."""


def gather(records: Sequence[Record]) -> Intake:
    """Group `records`, which are in order within each partition."""
    changes: dict[TableName, list[Change]] = {}
    truncated: dict[TableName, set[TopicPartition]] = {}
    xids: dict[Origin, set[int]] = {}
    last: dict[tuple[str, int], int] = {}
    for position, change in records:
        last[position[:2]] = position[2]
        if change.op is Op.TRUNCATE:
            truncated.setdefault(change.table, set()).add(TopicPartition(*position[:2]))
        else:
            of_table = changes.get(change.table)
            if of_table is None:
                of_table = changes[change.table] = []
            of_table.append(change)
        if change.xid:
            of_origin = xids.get(change.origin)
            if of_origin is None:
                of_origin = xids[change.origin] = set()
            of_origin.add(change.xid)
    return Intake(
        changes=changes,
        truncated={table: frozenset(places) for table, places in truncated.items()},
        xids={origin: frozenset(ids) for origin, ids in xids.items()},
        offsets={TopicPartition(*at): offset + 1 for at, offset in last.items()},
        count=len(records),
        records=records,
    )
