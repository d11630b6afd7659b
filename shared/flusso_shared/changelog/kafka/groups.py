"""Positions of Kafka's consumer groups, seen from outside."""

from __future__ import annotations

from collections.abc import Collection

from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.group_offsets import GroupOffsets
from flusso_shared.changelog.kafka.topics import Topics
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition


class KafkaGroups:
    """`Groups` over the clients of one cluster.  Thread-safe."""

    def __init__(self, admin: Admin, topics: Topics, offsets: GroupOffsets) -> None:
        self._admin = admin
        self._topics = topics
        self._offsets = offsets

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        from_first = self._partitions(beginning)
        from_recent = [each for each in self._partitions(recent) if each not in set(from_first)]
        earliest = self._admin.earliest(from_first)
        # The ends first: what is published between the two requests must not be passed over.
        ends = self._admin.latest(from_recent)
        return earliest | ends | self._admin.recent(from_recent, int(seconds * 1000))

    def resumed_starts(self, recorded: Offsets, tables: Collection[TableName]) -> Offsets:
        return recorded

    def retains(self, group: str) -> bool:
        return True

    def ends(self, tables: Collection[TableName]) -> Offsets:
        return self._admin.latest(self._partitions(tables))

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        return self._offsets.committed(group, self._partitions(tables))

    def names(self) -> list[str]:
        return self._admin.groups()

    def reset(self, group: str, offsets: Offsets) -> None:
        self._offsets.reset(group, offsets)

    def forget(self, group: str) -> None:
        """Delete the group.  Raises `RetryableError` while it has members."""
        self._offsets.close(group)
        self._admin.forget(group)

    def _partitions(self, tables: Collection[TableName]) -> list[TopicPartition]:
        topics = sorted({self._topics.name(table) for table in tables})
        found = self._admin.partitions(topics)
        if missing := [topic for topic in topics if topic not in found]:
            raise RetryableError(
                f"topics do not exist yet: {', '.join(missing)}; flusso-capture creates them"
            )
        return [TopicPartition(topic, number) for topic in topics for number in found[topic]]
