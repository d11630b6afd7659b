"""The visibility gate (I2): a batch is resolved and built only in a snapshot that sees all of its changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.snapshot import Snapshot, Xids

logger = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 0.002
_LONGEST_WAIT_SECONDS = 0.05
_FIRST_LOG_SECONDS = 1.0
_LOG_INTERVAL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Starts transactions of `database` for one index."""

    database: Database
    clock: Clock
    metrics: Metrics
    index: str

    def open(self, xids: Xids) -> Snapshot:
        """Start a transaction whose snapshot sees all of `xids`; wait without limit until there is one.

        Raises `StoppedError` on shutdown, and as `Database.begin` does.
        """
        waiting_since = self.clock.monotonic()
        wait, log_at = _FIRST_WAIT_SECONDS, waiting_since + _FIRST_LOG_SECONDS
        while True:
            snapshot = self.database.begin()
            hidden = snapshot.hidden(xids)
            if not hidden:
                return snapshot
            self.database.finish()
            self.metrics.counter("flusso_visibility_gate_waits_total", self.index).inc()
            now = self.clock.monotonic()
            if now >= log_at:
                log_at = now + _LOG_INTERVAL_SECONDS
                self._log_wait(hidden, now - waiting_since)
            self.clock.wait(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)

    def _log_wait(self, hidden: list[int], seconds: float) -> None:
        logger.warning(
            "index %s: transaction %s is in the log but has not been visible to other sessions for %.0f s; "
            "waiting (a synchronous standby that lags or is gone delays visibility: see pg_stat_replication)",
            self.index,
            min(hidden),
            seconds,
            extra={"action": "gate_shut", "index": self.index, "transactions": len(hidden)},
        )
