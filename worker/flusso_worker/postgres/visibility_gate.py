"""The visibility gate (I2): a batch is resolved and built only in a snapshot that sees all of its changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status
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
    status: Status
    index: str

    def open(self, xids: Xids) -> Snapshot:
        """Start a transaction whose snapshot sees all of `xids`; wait without limit until there is one.

        Raises `StoppedError` on shutdown, and as `Database.begin` does.
        """
        try:
            return self._open(xids)
        finally:
            self.status.retried(self._doing)

    def _open(self, xids: Xids) -> Snapshot:
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
                self._report_wait(hidden, now - waiting_since)
            self.clock.wait(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)

    @property
    def _doing(self) -> str:
        return f"see the commits that index {self.index} waits for"

    def _report_wait(self, hidden: list[int], seconds: float) -> None:
        """Log it, and have the process be degraded: it waits for Postgres."""
        told = (
            f"index {self.index}: transaction {min(hidden)} is in the log but has not been visible to other sessions for"
            f" {seconds:.0f} s; waiting (a synchronous standby that lags or is gone delays visibility: see pg_stat_replication)"
        )
        self.status.retrying(self._doing, told, index=self.index)
        fields = {"action": "gate_shut", "index": self.index, "transactions": len(hidden)}
        logger.warning("%s", told, extra=fields)
