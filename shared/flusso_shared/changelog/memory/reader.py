"""A member of a consumer group of the log in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from flusso_shared.change import Record
from flusso_shared.changelog.memory.buffer import Buffer, Group
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition


class MemoryReader:
    """Reads the tables of one group, sharing them with the group's other members."""

    def __init__(
        self,
        buffer: Buffer,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> None:
        self._buffer = buffer
        self._on_revoked = on_revoked
        self._positions: dict[TopicPartition, int] = {}
        with buffer.lock:
            self.partitions: Collection[TopicPartition] = tuple(buffer.partitions(tables))
            self._group = buffer.groups.setdefault(group, Group())
            for partition in self.partitions:
                self._group.committed.setdefault(partition, buffer.topic_at(partition).end)
            self._group.members.append(self)
            buffer.readable.notify_all()

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records; returns with what there is as soon as there is something."""
        deadline = time.monotonic() + timeout
        while True:
            with self._buffer.lock:
                surplus = self._surplus()
            if surplus:
                self._give_up(surplus)
            with self._buffer.lock:
                self._take_over()
                if records := self._read(max_records):
                    return records
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                if not self._surplus():
                    self._buffer.readable.wait(left)

    def commit(self, offsets: Offsets) -> None:
        """Acknowledge everything before `offsets` to the writer."""
        with self._buffer.lock:
            owned = {
                partition: offset
                for partition, offset in offsets.items()
                if self._group.owners.get(partition) is self
            }
            self._buffer.commit(self._group, owned)

    def assignment(self) -> Collection[TopicPartition]:
        return set(self._positions)

    def lag(self) -> int:
        with self._buffer.lock:
            return sum(
                self._buffer.topic_at(at).end - self._group.committed[at] for at in self._positions
            )

    def close(self) -> None:
        """Leave.  The group holds its place, and what it has not applied, until it is forgotten."""
        with self._buffer.lock:
            if self in self._group.members:
                self._group.members.remove(self)
            self._disown(self._positions)
            self._positions.clear()

    def _surplus(self) -> set[TopicPartition]:
        return self._positions.keys() - self._group.share(self) if self._shared else set()

    @property
    def _shared(self) -> bool:
        return len(self._group.members) > 1

    def _give_up(self, surplus: set[TopicPartition]) -> None:
        """Hand partitions over, after what is in flight of them is applied."""
        self._on_revoked(surplus)
        with self._buffer.lock:
            self._disown(surplus)
            for partition in surplus:
                del self._positions[partition]

    def _disown(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._group.owners.pop(partition, None)
        self._buffer.readable.notify_all()

    def _take_over(self) -> None:
        """Own the partitions that no other member holds any more, from the group's offsets on."""
        if len(self._positions) == len(self.partitions):
            return
        for partition in self._group.share(self):
            if partition not in self._group.owners:
                self._group.owners[partition] = self
                self._positions[partition] = self._group.committed[partition]

    def _read(self, max_records: int) -> list[Record]:
        records: list[Record] = []
        for partition, position in self._positions.items():
            topic = self._buffer.topic_at(partition)
            if position < topic.begin or position > topic.end:
                raise FatalError(
                    f"the position {position} of {partition.topic} is no longer in memory"
                    f" ({topic.begin} to {topic.end}): start the process again"
                )
            if position == topic.end:
                continue
            found = topic.records(position, max_records - len(records))
            self._positions[partition] = position + len(found)
            records.extend(found)
            if len(records) >= max_records:
                break
        return records
