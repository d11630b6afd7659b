"""The visibility gate (I2): a batch is resolved and built only in a snapshot that sees all of its changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.metrics import Metrics
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.snapshot import Snapshot, Xids

logger = logging.getLogger(__name__)

_FIRST_WAIT = 0.002
_LONGEST_WAIT = 0.05
_QUIET = 1.0
_SAY_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Opens snapshots of `database` for one index."""

    database: Database
    clock: Clock
    metrics: Metrics
    index: str

    def open(self, xids: Xids) -> Snapshot:
        """Begin a transaction that sees all of `xids`; waits for as long as it takes, never opens silently.

        Raises `StoppedError` on shutdown.
        """
        shut_since = self.clock.monotonic()
        wait, speak_at = _FIRST_WAIT, shut_since + _QUIET
        while True:
            snapshot = self.database.begin()
            hidden = snapshot.hidden(xids)
            if not hidden:
                return snapshot
            self.database.finish()
            self.metrics.counter("flusso_visibility_gate_waits_total", self.index).inc()
            now = self.clock.monotonic()
            if now >= speak_at:
                speak_at = now + _SAY_AGAIN
                self._say(hidden, now - shut_since)
            self.clock.wait(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _say(self, hidden: list[int], seconds: float) -> None:
        logger.warning(
            "index %s: transaction %s is in the log but has not been visible to other sessions for %.0f s; "
            "waiting (a synchronous standby that lags or is gone delays visibility: see pg_stat_replication)",
            self.index,
            min(hidden),
            seconds,
            extra={"action": "gate_shut", "index": self.index, "transactions": len(hidden)},
        )
