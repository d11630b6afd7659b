"""What the keepers of one process read of the log and of the bookkeeping: read once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flusso_shared.changelog.control_records import Lineage, TableSnapshot, lineage_of, snapshots_of
from flusso_shared.clock import Clock
from flusso_shared.errors import FlussoError
from flusso_shared.names import TableName
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.record import Known
from flusso_worker.generations.store import GenerationStore, Hit
from flusso_worker.sinks.cluster import Cluster


@dataclass(frozen=True, slots=True)
class LogState:
    """Of one moment."""

    lineage: Lineage | None
    """None before capture has created its slot."""
    snapshots: Mapping[TableName, TableSnapshot]
    """Those of the lineage."""
    complete: bool
    """Whether the topics of all tables are known to exist."""


class LogView:
    """Owned by the thread of the keepers."""

    def __init__(
        self, log: ChangeLog, tables: Collection[TableName], clock: Clock, moment: float
    ) -> None:
        """`tables`: those of all keepers.  `moment`: how many seconds old a reading may be."""
        self._log = log
        self._tables = tables
        self._clock = clock
        self._moment = moment
        self._at = float("-inf")
        self._state: LogState | None = None

    def read(self) -> LogState:
        """The state now or a moment ago.  Raises `RetryableError`."""
        now = self._clock.monotonic()
        if self._state is None or now - self._at >= self._moment:
            records = self._log.control.load()
            self._state = LogState(lineage_of(records), snapshots_of(records), self._complete())
            self._at = now
        return self._state

    def _complete(self) -> bool:
        try:
            return not self._log.missing(self._tables)
        except FlussoError:
            # What is wrong with one topic is told to the indexes that need it.
            return False

    def missing(self, tables: Collection[TableName]) -> list[str]:
        """The topics of these tables that do not exist, now or a moment ago."""
        return [] if self.read().complete else self._log.missing(tables)


class SharedStore(GenerationStore):
    """Thread-safe."""

    def __init__(
        self, cluster: Cluster, prefix: str, indexes: Sequence[str], clock: Clock, moment: float
    ) -> None:
        """`indexes`: those of the keepers.  `moment`: how many seconds old a reading may be.

        Each write is a compare-and-set: what is based on an older reading than that of another process fails, as it
        does where a process stands still between the two.
        """
        super().__init__(cluster, prefix)
        self._indexes = indexes
        self._clock = clock
        self._moment = moment
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._unread: dict[str, list[Hit]] = {}
        """What was read with other indexes, until the keeper of each asks for it; what it asks for next is read again."""

    def read_index(self, index: str) -> Known:
        """Everything that is recorded of a logical index, as of now or of a moment ago."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._at >= self._moment:
                self._unread = self._hits_of(self._indexes)
                self._at = now
            hits = self._unread.pop(index, None)
        return super().read_index(index) if hits is None else self._known(index, hits)
