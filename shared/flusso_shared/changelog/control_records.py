"""The control records that capture writes, as values: the lineage, checkpoints and each table's snapshot.

Keys: `lineage` (one `Lineage`), `position/<slot>/<created_lsn>` (one `Checkpoint` each),
`snapshot/<schema.table>` (one `TableSnapshot` each).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition

LINEAGE_KEY = "lineage"
SNAPSHOT_PREFIX = "snapshot/"
CHECKPOINT_PREFIX = "position/"
RESYNC_PREFIX = "doubt/"
"""As earlier versions wrote it."""
RESYNC_TRUNCATE_FIELD, RESYNC_READ_FIELD = "sweep", "read"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The history that a seed belongs to (I6): another system, slot or creation point is another history."""

    system_id: str
    slot: str
    created_lsn: str
    """The slot's consistent point when it was made, as `X/Y`."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Lineage:
        return cls(str(value["system_id"]), str(value["slot"]), str(value["created_lsn"]))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The LSN up to which the log of a lineage was read.  The slot was never confirmed beyond it (I6)."""

    lineage: Lineage
    timeline: int
    lsn: int
    acknowledged: int = 0
    """The LSN up to which every change is acknowledged by the change log.  0 where an earlier version wrote the record."""

    @property
    def key(self) -> str:
        """One per lineage: a late record of an older lineage cannot be taken for one of this."""
        return f"{CHECKPOINT_PREFIX}{self.lineage.slot}/{self.lineage.created_lsn}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Checkpoint:
        lineage = Lineage.from_json(value["lineage"])
        acknowledged = int(value.get("acknowledged", 0))
        return cls(lineage, int(value["timeline"]), int(value["lsn"]), acknowledged)


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """The progress of the snapshot of one table, in this lineage."""

    table: TableName
    lineage: Lineage
    state: Literal["running", "complete"]
    last_key: tuple[str, ...] = ()
    """The primary key that was published and acknowledged last; empty before the first chunk."""
    rows: int = 0
    total: int = 0
    """The planner's estimate of the table's rows, for progress."""
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    """When complete: the topic's end offsets, so that all snapshot rows stand before them."""
    begun: Mapping[TopicPartition, int] = field(default_factory=dict)
    """The topic's end offsets before its first row was published: a group that was there by then sees all rows."""
    skipped: bool = False
    """Complete on request (`--skip-backfill`), without its rows."""

    @property
    def key(self) -> str:
        return f"{SNAPSHOT_PREFIX}{self.table}"

    def to_json(self) -> dict[str, Any]:
        return {
            "table": [self.table.schema, self.table.name],
            "lineage": self.lineage.to_json(),
            "state": self.state,
            "last_key": list(self.last_key),
            "rows": self.rows,
            "total": self.total,
            "ends": offsets_to_json(self.ends),
            "begun": offsets_to_json(self.begun),
            "skipped": self.skipped,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TableSnapshot:
        return cls(
            table=TableName(*value["table"]),
            lineage=Lineage.from_json(value["lineage"]),
            state=value["state"],
            last_key=tuple(value["last_key"]),
            rows=value["rows"],
            total=value["total"],
            ends=offsets_from_json(value["ends"]),
            begun=offsets_from_json(value.get("begun", [])),
            skipped=bool(value.get("skipped", False)),
        )


def resync_tables(records: Mapping[str, Mapping[str, Any]]) -> set[TableName]:
    """The tables, among loaded control records, whose changes may be missing until a resync of them is published."""
    return {
        TableName(*value["table"])
        for key, value in records.items()
        if key.startswith(RESYNC_PREFIX)
        and (value[RESYNC_TRUNCATE_FIELD] or value[RESYNC_READ_FIELD])
    }


def offsets_to_json(offsets: Offsets) -> list[list[Any]]:
    """`[[topic, partition, offset], ...]`, sorted."""
    return [[at.topic, at.partition, offset] for at, offset in sorted(offsets.items())]


def offsets_from_json(value: list[list[Any]]) -> dict[TopicPartition, int]:
    """The inverse of `offsets_to_json`."""
    return {TopicPartition(topic, partition): offset for topic, partition, offset in value}


def lineage_of(records: Mapping[str, Mapping[str, Any]]) -> Lineage | None:
    """The lineage among loaded control records, if capture has written one."""
    value = records.get(LINEAGE_KEY)
    return None if value is None else Lineage.from_json(value)


def checkpoint_of(records: Mapping[str, Mapping[str, Any]], lineage: Lineage) -> Checkpoint | None:
    """How far the log of `lineage` was read, if that was recorded."""
    found = [
        Checkpoint.from_json(value)
        for key, value in records.items()
        if key.startswith(CHECKPOINT_PREFIX)
    ]
    return next((position for position in found if position.lineage == lineage), None)


def snapshots_of(records: Mapping[str, Mapping[str, Any]]) -> dict[TableName, TableSnapshot]:
    """The snapshots of the current lineage among loaded control records."""
    lineage = lineage_of(records)
    found = [
        TableSnapshot.from_json(value)
        for key, value in records.items()
        if key.startswith(SNAPSHOT_PREFIX)
    ]
    return {item.table: item for item in found if item.lineage == lineage}
