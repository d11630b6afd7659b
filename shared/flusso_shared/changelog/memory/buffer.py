"""What a change log in memory holds: the changes of each table and the offset of each group.

Not thread-safe by itself: the caller holds `lock`.  No method waits or calls back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from flusso_shared.change import Change, Image, Position, Record
from flusso_shared.changelog.topic_names import table_part
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition

_RECORD_BYTES = (
    600  # what Python itself takes for a change, its position and its place in the buffer
)
_TRIM_AT = 4096

Acknowledge = Callable[[], None]
Entry = tuple[Record, int, Acknowledge, list[Acknowledge]]
"""The record, its size, what to call once it is applied, and where its writer looks for such calls."""


class Member(Protocol):
    """A member of a group; compared by identity."""

    @property
    def partitions(self) -> Collection[TopicPartition]:
        """The tables that it reads."""
        ...


@dataclass(slots=True)
class Group:
    """A consumer group: what it has applied, who is in it and who reads what."""

    committed: dict[TopicPartition, int] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    owners: dict[TopicPartition, Member] = field(default_factory=dict)

    def share(self, member: Member) -> set[TopicPartition]:
        """What `member` ought to have; every partition falls to exactly one of those who want it."""
        wanting: dict[TopicPartition, list[Member]] = {}
        for each in self.members:
            for partition in each.partitions:
                wanting.setdefault(partition, []).append(each)
        return {
            partition
            for number, (partition, members) in enumerate(sorted(wanting.items()))
            if members[number % len(members)] is member
        }


class Topic:
    """The changes of one table that some group has not applied yet."""

    def __init__(self, name: str) -> None:
        self.partition = TopicPartition(name, 0)
        self.end = 0
        self._entries: list[Entry] = []
        self._base = 0
        """The offset of the first in `_entries`."""
        self.begin = 0
        """Everything before it is applied; entries in between only wait to be trimmed."""

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.end += 1

    def skip(self) -> None:
        """Assign an offset to a change that no group reads."""
        if self.begin == self.end:
            self._entries.clear()
            self.begin += 1
            self._base = self.begin
        self.end += 1

    def records(self, offset: int, count: int) -> list[Record]:
        """At most `count` records from `offset` on."""
        start = offset - self._base
        return [entry[0] for entry in self._entries[start : start + count]]

    def release(self, offset: int) -> list[Entry]:
        """Drop everything before `offset`; returns what was dropped."""
        if offset <= self.begin:
            return []
        released = self._entries[self.begin - self._base : offset - self._base]
        self.begin = offset
        if self.begin - self._base >= _TRIM_AT or self.begin == self.end:
            del self._entries[: self.begin - self._base]
            self._base = self.begin
        return released


class Buffer:
    """All topics and groups of a log in memory, within its bounds."""

    def __init__(self, capacity: int, max_bytes: int) -> None:
        self.lock = threading.Lock()
        self.readable = threading.Condition(self.lock)
        """Signalled when there may be something to read, or to hand over to another member."""
        self.applied = threading.Condition(self.lock)
        """Signalled when changes were applied by all who read them."""
        self.groups: dict[str, Group] = {}
        self._topics: dict[TableName, Topic] = {}
        self._by_partition: dict[TopicPartition, Topic] = {}
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._count = 0
        self._bytes = 0
        self._full_since: float | None = None
        """Since when there has been no room for a change; None while changes pass."""

    def topic(self, table: TableName) -> Topic:
        """The topic of a table, made when it is first asked for."""
        found = self._topics.get(table)
        if found is None:
            found = self._topics[table] = Topic(table_part(table))
            self._by_partition[found.partition] = found
        return found

    def topic_at(self, partition: TopicPartition) -> Topic:
        """The topic of a partition that `topic` gave before."""
        return self._by_partition[partition]

    def partitions(self, tables: Iterable[TableName]) -> list[TopicPartition]:
        return [self.topic(table).partition for table in tables]

    def publish(
        self, change: Change, acknowledged: Acknowledge, acknowledgements: list[Acknowledge]
    ) -> bool:
        """Append a change; False when there is no room.  One that no group reads is applied at once."""
        topic = self.topic(change.table)
        if not any(topic.partition in group.committed for group in self.groups.values()):
            topic.skip()
            acknowledgements.append(acknowledged)
            return True
        size = _size(change)
        # An empty buffer takes anything: a change larger than the bound must pass too.
        if self._count >= self._capacity or (self._count and self._bytes + size > self._max_bytes):
            self._full_since = self._full_since or time.monotonic()
            return False
        self._full_since = None
        name, partition = topic.partition
        record = Record(Position(name, partition, topic.end), change)
        topic.append((record, size, acknowledged, acknowledgements))
        self._count += 1
        self._bytes += size
        self.readable.notify_all()
        return True

    def full_for(self, name: str, since: float) -> bool:
        """Whether there has been no room since then, and group `name` has not applied all."""
        if self._full_since is None or self._full_since > since:
            return False
        return self.is_behind(name)

    def is_behind(self, name: str) -> bool:
        """Whether group `name` has not applied all."""
        group = self.groups.get(name)
        if group is None:
            return False
        return any(at < self._by_partition[each].end for each, at in group.committed.items())

    def behind_others(self, name: str) -> bool:
        """Whether another group has applied something that group `name` has not."""
        group = self.groups.get(name)
        if group is None:
            return False
        return any(
            other.committed.get(each, 0) > at
            for other in self.groups.values()
            for each, at in group.committed.items()
        )

    def commit(self, group: Group, offsets: Offsets) -> None:
        """Set what a group has applied, and drop what all groups have applied."""
        group.committed.update(offsets)
        self.release(offsets)

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Acknowledge what every group that reads these partitions has applied."""
        for partition in partitions:
            topic = self._by_partition.get(partition)
            if topic is None:
                continue
            held = [
                group.committed[partition]
                for group in self.groups.values()
                if partition in group.committed
            ]
            self._acknowledge(topic.release(min(min(held, default=topic.end), topic.end)))

    def _acknowledge(self, released: list[Entry]) -> None:
        if not released:
            return
        self._full_since = None
        for _, size, acknowledged, acknowledgements in released:
            self._bytes -= size
            acknowledgements.append(acknowledged)
        self._count -= len(released)
        self.applied.notify_all()


def _size(change: Change) -> int:
    """About what a change takes in memory."""
    return _RECORD_BYTES + _image_size(change.before) + _image_size(change.after)


def _image_size(image: Image | None) -> int:
    if not image:
        return 0
    # Text is counted as it is; each value is an object of its own besides.
    return 64 * len(image) + sum([len(value) for value in image.values() if value])
