"""Polled records -> what a build needs of them: changes by table, transaction ids, offsets.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flusso_shared.change import Change, Op, Origin, Record
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition
from flusso_worker.documents.built import Cause


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """One batch of changes."""

    changes: Mapping[TableName, Sequence[Change]]
    """Row changes by table; truncates are not among them."""
    truncated: Mapping[TableName, frozenset[TopicPartition]]
    """Truncated tables, and the partitions in which the truncates were read."""
    xids: Mapping[Origin, frozenset[int]]
    """The transactions that the snapshot of the build must contain (I2), by the history that their ids belong to."""
    offsets: Offsets
    """By partition, the next offset to read: committed once everything that depends on the batch is applied (I7)."""
    count: int
    """Of records."""
    committed_at: float | None = None
    """Seconds since the epoch, by the clock of Postgres: the oldest commit in the batch.  None where its rows were only read."""
    records: Sequence[Record] = ()
    """The batch as it was read."""

    @property
    def cause(self) -> Cause:
        """Why its documents are built; a batch of several kinds counts as live changes if it has any."""
        if self.xids:
            return "change"
        first = self.records[0].change.op if self.records else Op.READ
        return "snapshot" if first is Op.SNAPSHOT else "rebuild"


def gather(records: Sequence[Record]) -> ChangeBatch:
    """Group `records`, which are in order within each partition."""
    changes: dict[TableName, list[Change]] = {}
    truncated: dict[TableName, set[TopicPartition]] = {}
    xids: dict[Origin, dict[int, int]] = {}
    """With the commit time of each transaction."""
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
                of_origin = xids[change.origin] = {}
            of_origin[change.xid] = change.commit_time
    commits = [time for of_origin in xids.values() for time in of_origin.values()]
    return ChangeBatch(
        changes=changes,
        truncated={table: frozenset(places) for table, places in truncated.items()},
        xids={origin: frozenset(ids) for origin, ids in xids.items()},
        offsets={TopicPartition(*at): offset + 1 for at, offset in last.items()},
        count=len(records),
        committed_at=min(commits) / 1_000_000 if commits else None,
        records=records,
    )
