"""A durable change log of one table in memory, shared by the workers of one process, with the rows behind it.

It stands for Kafka: groups with members cannot be reset or deleted, positions outlive every worker.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from flusso_shared.changelog.control_records import LINEAGE_KEY, TableSnapshot
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Offsets, TopicPartition
from support.kits.worker_kit import LINEAGE
from support.stores.small import USERS

PARTITION = TopicPartition("users", 0)


class DeployLog:
    """`Groups`, `Control` and the log itself.  Thread-safe."""

    where = "the change log in memory"
    durable = True

    def __init__(self, rows: int) -> None:
        self._lock = threading.RLock()
        self.rows = dict.fromkeys(map(str, range(rows)), 0)
        self._changes = list(self.rows)
        self._groups: dict[str, int] = {}
        self._members: dict[str, set[str]] = {}
        self._snapshot = TableSnapshot(
            USERS, LINEAGE, "complete", ends={PARTITION: rows}, begun={PARTITION: 0}
        )

    @property
    def groups(self) -> DeployLog:
        return self

    @property
    def control(self) -> DeployLog:
        return self

    def load(self) -> dict[str, dict[str, Any]]:
        return {
            LINEAGE_KEY: LINEAGE.to_json(),
            self._snapshot.key: self._snapshot.to_json(),
        }

    def missing(self, tables: Collection[TableName]) -> list[str]:
        return []

    def holds_back(self, group: str, *, seeding: bool = False, overdue: bool = False) -> bool:
        return False

    # --- groups -------------------------------------------------------------------------------------

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        return {PARTITION: 0}

    def resumed_starts(self, recorded: Offsets, tables: Collection[TableName]) -> Offsets:
        return recorded

    def retains(self, group: str) -> bool:
        return True

    def ends(self, tables: Collection[TableName]) -> Offsets:
        with self._lock:
            return {PARTITION: len(self._changes)}

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        with self._lock:
            return {PARTITION: self._groups[group]} if group in self._groups else {}

    def reset(self, group: str, offsets: Offsets) -> None:
        with self._lock:
            self._require_empty(group)
            self._groups[group] = offsets[PARTITION]

    def forget(self, group: str) -> None:
        with self._lock:
            self._require_empty(group)
            self._groups.pop(group, None)

    def _require_empty(self, group: str) -> None:
        if self._members.get(group):
            raise RetryableError(f"group {group} has members")

    # --- members ------------------------------------------------------------------------------------

    def join(self, member: str, groups: Collection[str]) -> None:
        """The groups that a worker reads in from now on, and no others."""
        with self._lock:
            for group in set(self._members) | set(groups):
                members = self._members.setdefault(group, set())
                members.discard(member)
                if group in groups:
                    members.add(member)

    def change(self, key: str) -> None:
        """A row changes, and the log says so."""
        with self._lock:
            self.rows[key] += 1
            self._changes.append(key)

    def read(self, group: str) -> tuple[int, Mapping[str, int]] | None:
        """What the group has not applied: up to where, and the rows as they are now; None at the end."""
        with self._lock:
            start, end = self._groups.get(group), len(self._changes)
            if start is None or start == end:
                return None
            return end, {key: self.rows[key] for key in self._changes[start:end]}

    def commit(self, member: str, group: str, end: int) -> None:
        """Note that everything before `end` is applied, if the worker is still a member."""
        with self._lock:
            if member in self._members.get(group, ()) and group in self._groups:
                self._groups[group] = max(self._groups[group], end)
