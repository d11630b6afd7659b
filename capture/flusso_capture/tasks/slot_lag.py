"""The gauges of how far the slot is behind, and whether it is about to be lost, on a timer and a connection of its own."""

from __future__ import annotations

import logging

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.source import slot
from flusso_capture.source.connection import session
from flusso_shared import retry

logger = logging.getLogger(__name__)

_AT_RISK = ("unreserved", "lost")


class LagGauge:
    """Reads the lag every `lag_poll_seconds`.  `work` is the body of its thread."""

    def __init__(self, options: CaptureOptions, process: Process) -> None:
        self._options = options
        self._process = process
        self._at_risk = False

    def work(self) -> None:
        """Until a stop is requested (`StoppedError`)."""
        clock = self._process.clock
        while True:
            retry.forever(self._poll, doing="read the slot's lag", clock=clock)

    def _poll(self) -> None:
        options, process = self._options, self._process
        try:
            with session(options.conninfo, process.stop, "read the slot's lag") as connection:
                while True:
                    self._tell(slot.health(connection, options.slot))
                    process.clock.wait(options.lag_poll_seconds)
        finally:
            process.status.set_slot_lag(None)

    def _tell(self, health: slot.Health | None) -> None:
        metrics, status = self._process.metrics, self._process.status
        status.set_slot_lag(None if health is None else health.lag)
        if health is None:
            return
        metrics.gauge("flusso_replication_slot_lag_bytes").set(health.lag)
        at_risk = health.wal_status in _AT_RISK
        metrics.gauge("flusso_replication_slot_at_risk").set(at_risk)
        if at_risk and not self._at_risk:
            logger.error(
                "replication slot %s is about to be invalidated: it is %d bytes behind, more than "
                "max_slot_wal_keep_size lets the server keep; see what holds capture up, or raise it",
                self._options.slot,
                health.lag,
                extra={"action": "slot_at_risk"},
            )
        self._at_risk = at_risk
