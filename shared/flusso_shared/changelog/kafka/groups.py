"""Positions of Kafka's consumer groups, seen from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.group_offsets import GroupOffsets
from flusso_shared.changelog.kafka.topics import Topics
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition

_WHILE_SECONDS = 10.0


class KafkaGroups:
    """`Groups` over the clients of one cluster.  Thread-safe."""

    def __init__(self, admin: Admin, topics: Topics, offsets: GroupOffsets) -> None:
        self._admin = admin
        self._topics = topics
        self._offsets = offsets
        self._lock = threading.Lock()
        self._looked_at: dict[TableName, tuple[float, list[TopicPartition]]] = {}
        """The partitions of tables, and when they were asked for."""

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
        partitions = [at for table in tables for at in self._lately(table)]
        return self._offsets.committed(group, partitions)

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

    def _lately(self, table: TableName) -> list[TopicPartition]:
        """The partitions of a table, as of a while ago: positions are asked for all the time, and partitions seldom change."""
        now = time.monotonic()
        with self._lock:
            at, found = self._looked_at.get(table, (float("-inf"), []))
        if now - at >= _WHILE_SECONDS:
            found = self._partitions([table])
            with self._lock:
                self._looked_at[table] = now, found
        return found
