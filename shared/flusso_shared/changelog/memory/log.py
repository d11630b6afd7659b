"""The change log in memory, for `flusso run`: one partition per table, bounded, gone with the process.

A change is acknowledged once every group that reads its table has committed past it, which is when all
sinks have it.  So the replication slot takes the place of Kafka: after a restart it sends the rest again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from flusso_shared.change import AnyChange, Change
from flusso_shared.changelog.control_records import SNAPSHOT_PREFIX
from flusso_shared.changelog.memory.buffer import Acknowledge, Buffer, Group
from flusso_shared.changelog.memory.reader import MemoryReader
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Control, Offsets, TopicPartition

CAPACITY = 100_000
MAX_BYTES = 128 * 1024 * 1024
_HOLDS_BACK_AFTER_SECONDS = 1.0
"""Seconds without any room after which `holds_back` names the groups that lag."""


class MemoryLog:
    """A `ChangeLog` between threads of one process."""

    where = "the change log in memory"
    durable = False

    def __init__(
        self,
        capacity: int = CAPACITY,
        max_bytes: int = MAX_BYTES,
        lasting: Control | None = None,
    ) -> None:
        """Holds at most `capacity` changes of `max_bytes` in all; `lasting` keeps what is known of the slot over restarts."""
        self._buffer = Buffer(capacity, max_bytes)
        self._control = MemoryControl(lasting)
        self._groups = MemoryGroups(self._buffer)

    def prepare(self, tables: Collection[TableName]) -> dict[TableName, str]:
        """Nothing to create."""
        return {}

    def missing(self, tables: Collection[TableName]) -> list[str]:
        return []

    def writer(self) -> MemoryWriter:
        return MemoryWriter(self._buffer)

    def reader(
        self,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> MemoryReader:
        """Join `group`; a group without a position starts at the end.

        From its first position on (`Groups.reset`, or its first reader) a group holds what it has not
        applied, and with it the writer, also while it has no member.
        """
        return MemoryReader(self._buffer, group, tables, on_revoked)

    def holds_back(self, group: str, *, seeding: bool = False, overdue: bool = False) -> bool:
        with self._buffer.lock:
            if seeding and self._buffer.behind_others(group):
                return True
            if overdue and self._buffer.is_behind(group):
                return True
            return self._buffer.full_for(group, time.monotonic() - _HOLDS_BACK_AFTER_SECONDS)

    @property
    def control(self) -> MemoryControl:
        return self._control

    @property
    def groups(self) -> MemoryGroups:
        return self._groups


class MemoryWriter:
    """Publishes into the buffer."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._acknowledgements: list[Acknowledge] = []
        self._outstanding = 0

    @property
    def max_record_bytes(self) -> None:
        """Changes stay as they are."""

    def publish(self, change: AnyChange, acknowledged: Acknowledge) -> bool:
        assert isinstance(change, Change), "it takes no records"
        with self._buffer.lock:
            taken = self._buffer.publish(change, acknowledged, self._acknowledgements)
        self._outstanding += taken
        return taken

    def poll(self, timeout: float) -> None:
        waiting = self._acknowledgements
        with self._buffer.lock:
            if not waiting and timeout > 0:
                self._buffer.applied.wait_for(lambda: bool(waiting), timeout)
            served = waiting.copy()
            waiting.clear()
        self._outstanding -= len(served)
        for acknowledged in served:
            acknowledged()

    def close(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self.poll(0.0)
        while self._outstanding and (left := deadline - time.monotonic()) > 0:
            self.poll(left)


class MemoryControl:
    """Control records of one process; records about the slot may be kept elsewhere, so that they outlive the process."""

    def __init__(self, lasting: Control | None) -> None:
        self._lasting = lasting
        self._lock = threading.Lock()
        self._records: dict[str, dict[str, Any]] = {}

    def load(self) -> dict[str, dict[str, Any]]:
        kept = self._lasting.load() if self._lasting is not None else {}
        with self._lock:
            return kept | self._records

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        # Snapshots belong to the process: the changes that they published end with it.
        if self._lasting is not None and not key.startswith(SNAPSHOT_PREFIX):
            self._lasting.put(key, value)
        with self._lock:
            self._records[key] = dict(value)


class MemoryGroups:
    """Offsets of the groups in memory."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        """The ends: nothing older is held for a group that does not exist yet."""
        return self.ends({*beginning, *recent})

    def resumed_starts(self, recorded: Offsets, tables: Collection[TableName]) -> Offsets:
        """The ends: nothing older is held."""
        return self.ends(tables)

    def retains(self, group: str) -> bool:
        with self._buffer.lock:
            return group in self._buffer.groups

    def ends(self, tables: Collection[TableName]) -> Offsets:
        with self._buffer.lock:
            topics = [self._buffer.topic(table) for table in tables]
            return {topic.partition: topic.end for topic in topics}

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        with self._buffer.lock:
            found = self._buffer.groups.get(group)
            committed = found.committed if found is not None else {}
            partitions = self._buffer.partitions(tables)
            return {each: committed[each] for each in partitions if each in committed}

    def names(self) -> list[str]:
        with self._buffer.lock:
            return list(self._buffer.groups)

    def reset(self, group: str, offsets: Offsets) -> None:
        with self._buffer.lock:
            found = self._buffer.groups.setdefault(group, Group())
            self._refuse_members(group, found)
            self._buffer.commit(found, offsets)

    def forget(self, group: str) -> None:
        """Delete the group and drop what it held."""
        with self._buffer.lock:
            found = self._buffer.groups.get(group)
            if found is None:
                return
            self._refuse_members(group, found)
            del self._buffer.groups[group]
            self._buffer.release(found.committed)

    @staticmethod
    def _refuse_members(name: str, group: Group) -> None:
        if group.members:
            raise RetryableError(f"the group {name} still has members")
