"""Tracks the offsets of one member's partitions.  Pure.

Workers only see changes, but a group's position also has to pass what they do not see: tombstones, and
records that compaction removed.  Otherwise a group that has done everything would report lag for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flusso_shared.seams import Offsets, TopicPartition


@dataclass(slots=True)
class _PartitionOffsets:
    """Offsets of what comes next, since the partition was assigned; 0 for nothing yet."""

    first: int = 0
    """Of the first change returned to the worker: the group has applied what is before it."""
    read: int = 0
    """After the last record, seen by the worker or not."""
    delivered: int = 0
    """After the last change returned to the worker."""
    applied: int = 0
    """Before it the worker has applied everything."""
    asked: int = 0
    """The offset of the last commit request, or of the brokers' last answer."""

    @property
    def due(self) -> int:
        """What may be committed: past unseen records only when everything before them is applied."""
        return max(self.applied, self.read) if self.applied >= self.delivered else self.applied


class MemberOffsets:
    """The partitions that a member owns."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _PartitionOffsets] = {}

    @property
    def owned(self) -> Collection[TopicPartition]:
        return set(self._partitions)

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._partitions[partition] = _PartitionOffsets()

    def remove(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._partitions.pop(partition, None)

    def deliver(self, partition: TopicPartition, offset: int) -> bool:
        """Note a change for the worker; False when the member has lost the partition."""
        progress = self._partitions.get(partition)
        if progress is None:
            return False
        if not progress.read:
            progress.first = offset
        progress.read = progress.delivered = offset + 1
        return True

    def skip(self, partition: TopicPartition, next_offset: int) -> None:
        """Note that there is nothing for the worker before `next_offset`."""
        progress = self._partitions.get(partition)
        if progress is not None:
            progress.read = max(progress.read, next_offset)

    def apply(self, offsets: Offsets) -> None:
        """Note what the worker has applied; other members' partitions are left out."""
        for partition, offset in offsets.items():
            progress = self._partitions.get(partition)
            if progress is not None:
                progress.applied = max(progress.applied, offset)

    def due(self) -> dict[TopicPartition, int]:
        """What should be committed and is not."""
        return {
            partition: progress.due
            for partition, progress in self._partitions.items()
            if progress.due > progress.asked
        }

    def lag(self, ends: Offsets) -> int:
        """The number of offsets before `ends` that are not applied, in partitions of which something was read."""
        return sum(
            max(0, end - max(progress.due, progress.first))
            for partition, end in ends.items()
            if (progress := self._partitions.get(partition)) is not None and progress.read
        )

    def asked(self, offsets: Offsets) -> None:
        """Note where the brokers are asked, or said, to have the group: not due again for now.

        The last answer counts, even if it is behind what was asked since: a request that was repeated may come
        after a later one.
        """
        for partition, offset in offsets.items():
            progress = self._partitions.get(partition)
            if progress is not None:
                progress.asked = offset

    def refused(self, partitions: Collection[TopicPartition]) -> None:
        """Note that the brokers did not take what they were asked: it is due again."""
        self.asked(dict.fromkeys(partitions, 0))
