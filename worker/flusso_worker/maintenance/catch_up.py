"""Waits until the pipeline has applied what was committed before: what differs then is no change in flight."""

from __future__ import annotations

import logging

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.seams import Groups
from flusso_worker.generations.record import Generation
from flusso_worker.postgres.database import Database

logger = logging.getLogger(__name__)

_BREATH = 0.5
"""Seconds in which the log of asynchronous commits reaches the disk."""
_LOOK = 0.2
_NOW = b"SELECT pg_current_wal_flush_lsn()::text"
_CONFIRMED = (
    b"SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= $2::pg_lsn"
)


class Applied:
    """Of one generation.  The slot tells what is published (in memory: applied), the group what is applied."""

    def __init__(
        self,
        generation: Generation,
        database: Database,
        log: tuple[Groups, str] | None,
        clock: Clock,
        patience: float,
    ) -> None:
        """`log` has the groups of a log that outlives the process, and the topics' prefix."""
        self._generation = generation
        self._database = database
        self._log = log
        self._clock = clock
        self._patience = patience
        self.behind = False
        """Whether the pipeline was waited for in vain: it does not run, or has much to catch up with."""

    def wait(self) -> None:
        """Wait for everything that is committed by now, at most for the patience given, and in vain only once."""
        self._clock.wait(_BREATH)
        lsn = self._database.rows(_NOW)[0][0]
        deadline = self._clock.monotonic() + (0.0 if self.behind else self._patience)
        while not self._published(lsn):
            if self._clock.monotonic() >= deadline:
                self._give_up()
                return
            self._clock.wait(_LOOK)
        self._consumed(deadline)

    def _published(self, lsn: str) -> bool:
        slot = self._generation.lineage.slot
        return bool(self._database.rows(_CONFIRMED, [slot.encode(), lsn.encode()]))

    def _consumed(self, deadline: float) -> None:
        if self._log is None:
            return
        groups, prefix = self._log
        tables = self._generation.plan.tables
        group = self._generation.name.group(prefix)
        ends = groups.ends(tables)
        while True:
            try:
                committed = groups.committed(group, tables)
            except RetryableError as error:
                logger.debug("cannot read the group's offsets yet: %s", error)
                committed = {}
            if all(committed.get(at, 0) >= end for at, end in ends.items()):
                return
            if self._clock.monotonic() >= deadline:
                self._give_up()
                return
            self._clock.wait(_LOOK)

    def _give_up(self) -> None:
        if not self.behind:
            self.behind = True
            logger.warning(
                "index %s: the pipeline has not applied in %.0f s what was committed before: does it run? What it"
                " has not applied shows as differences",
                self._generation.name.index,
                self._patience,
                extra={"action": "verify_behind"},
            )
