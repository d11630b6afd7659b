"""A change log that keeps what is published and acknowledges when told to: for tests of capture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from flusso_shared.change import AnyChange, Change
from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import ChangeReader, Offsets, TopicPartition


class HeldLog:
    """A `ChangeLog` without readers.  `hold` keeps acknowledgements back; `full` refuses changes."""

    where = "the change log in memory"
    durable = True

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.prepared: list[TableName] = []
        self.topics = "first"
        """What all topics are known by."""
        self.hold = threading.Event()
        self.full = threading.Event()
        self.broken = threading.Event()
        self.forgetful = False
        """Whether only the number of changes is kept."""
        self.count = 0
        self.writers = 0
        self.records: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()

    def prepare(self, tables: Collection[TableName]) -> dict[TableName, str]:
        self.prepared = [*self.prepared, *tables]
        return {table: self.topics for table in tables}

    def holds_back(self, group: str, *, seeding: bool = False, overdue: bool = False) -> bool:
        return False

    def missing(self, tables: Collection[TableName]) -> list[str]:
        return []

    def writer(self) -> HeldWriter:
        self.writers += 1
        return HeldWriter(self)

    def reader(
        self,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> ChangeReader:
        raise NotImplementedError

    @property
    def control(self) -> HeldControl:
        return HeldControl(self.records)

    @property
    def groups(self) -> HeldGroups:
        return HeldGroups(self)

    def take(self) -> list[Change]:
        """What was published since the last call."""
        with self.lock:
            taken, self.changes = self.changes, []
        return taken


class HeldWriter:
    """Publishes into the list."""

    def __init__(self, log: HeldLog) -> None:
        self._log = log
        self._waiting: list[Callable[[], None]] = []
        self._idle = threading.Event()

    @property
    def max_record_bytes(self) -> None:
        """The tests look at changes."""

    def publish(self, change: AnyChange, acknowledged: Callable[[], None]) -> bool:
        assert isinstance(change, Change)
        log = self._log
        if log.full.is_set() or len(self._waiting) >= 10_000_000:
            return False
        with log.lock:
            log.count += 1
            if not log.forgetful:
                log.changes.append(change)
        self._waiting.append(acknowledged)
        return True

    def poll(self, timeout: float) -> None:
        if self._log.broken.is_set():
            self._log.broken.clear()
            raise RetryableError("the writer broke, as the test wants it")
        if self._log.hold.is_set() or not self._waiting:
            self._idle.wait(timeout)
            return
        waiting, self._waiting = self._waiting, []
        for acknowledged in waiting:
            acknowledged()

    def close(self, timeout: float) -> None:
        if not self._log.hold.is_set() and not self._log.broken.is_set():
            self.poll(0)


class HeldControl:
    """Control records in a dictionary."""

    def __init__(self, records: dict[str, dict[str, Any]]) -> None:
        self._records = records

    def load(self) -> dict[str, dict[str, Any]]:
        return dict(self._records)

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        self._records[key] = dict(value)


class HeldGroups:
    """Only `ends` means something here."""

    def __init__(self, log: HeldLog) -> None:
        self._log = log

    def starts(
        self, beginning: Collection[TableName], recent: Collection[TableName], seconds: float
    ) -> Offsets:
        return {}

    def resumed_starts(self, recorded: Offsets, tables: Collection[TableName]) -> Offsets:
        return recorded

    def retains(self, group: str) -> bool:
        return True

    def ends(self, tables: Collection[TableName]) -> Offsets:
        return {TopicPartition(str(table), 0): self._log.count for table in tables}

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        return {}

    def reset(self, group: str, offsets: Offsets) -> None: ...

    def names(self) -> list[str]:
        return []

    def forget(self, group: str) -> None: ...
