"""Waits until the pipeline has applied all earlier commits: a difference after that is not a change in flight."""

from __future__ import annotations

import logging

from flusso_shared.clock import Clock
from flusso_shared.errors import RetryableError
from flusso_shared.seams import Groups
from flusso_worker.generations.record import Generation
from flusso_worker.postgres.database import Database

logger = logging.getLogger(__name__)

_WAL_FLUSH_SECONDS = 0.5
"""Until the WAL of asynchronous commits is flushed to disk."""
_POLL_SECONDS = 0.2
_NOW = b"SELECT pg_current_wal_flush_lsn()::text"
_CONFIRMED = (
    b"SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= $2::pg_lsn"
)


class CatchUp:
    """Waits for the pipeline of one generation.

    The slot's confirmed position shows what is published (without Kafka: applied), the group's offsets what is applied.
    """

    def __init__(
        self,
        generation: Generation,
        database: Database,
        log: tuple[Groups, str] | None,
        clock: Clock,
        patience: float,
    ) -> None:
        """`log`: consumer groups and topic prefix of a durable log, else None.  `patience`: seconds per wait."""
        self._generation = generation
        self._database = database
        self._log = log
        self._clock = clock
        self._patience = patience
        self.behind = False
        """Whether a wait ended before the pipeline had caught up: it does not run, or has much to catch up with."""

    def wait_until_applied(self) -> None:
        """Wait until everything that is committed by now is applied, at most for `patience`.

        Does not wait again after a wait has timed out.  Raises `RetryableError`, `StoppedError`.
        """
        self._clock.wait(_WAL_FLUSH_SECONDS)
        lsn = self._database.rows(_NOW)[0][0]
        deadline = self._clock.monotonic() + (0.0 if self.behind else self._patience)
        while not self._is_published(lsn):
            if self._clock.monotonic() >= deadline:
                self._time_out()
                return
            self._clock.wait(_POLL_SECONDS)
        self._await_group(deadline)

    def _is_published(self, lsn: str) -> bool:
        slot = self._generation.lineage.slot
        return bool(self._database.rows(_CONFIRMED, [slot.encode(), lsn.encode()]))

    def _await_group(self, deadline: float) -> None:
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
                self._time_out()
                return
            self._clock.wait(_POLL_SECONDS)

    def _time_out(self) -> None:
        if not self.behind:
            self.behind = True
            logger.warning(
                "index %s: the pipeline has not applied all earlier commits in %.0f s; check that it runs. Changes that"
                " it has not applied are reported as differences",
                self._generation.name.index,
                self._patience,
                extra={"action": "verify_behind"},
            )
