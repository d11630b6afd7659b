"""The metrics of the slot: how far it is behind, and whether the server is about to invalidate it."""

from __future__ import annotations

import logging
import math

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.source import slot
from flusso_capture.source.connection import session
from flusso_shared import retry
from flusso_shared.status import SlotState

logger = logging.getLogger(__name__)

_STATUSES = ("reserved", "extended", "unreserved", "lost")
_AT_RISK_STATUSES = ("unreserved", "lost")


class SlotLagMonitor:
    """Reads the lag every `lag_poll_seconds`, over a connection of its own.  `work` is the body of its thread."""

    def __init__(self, options: CaptureOptions, context: CaptureContext) -> None:
        self._options = options
        self._context = context
        self._at_risk = False
        # Until it is read: 0 would say that the slot is about to be lost.
        context.metrics.gauge("flusso_replication_slot_safe_bytes").set(math.nan)

    def work(self) -> None:
        """Read the lag until a stop is requested (`StoppedError`)."""
        clock = self._context.clock
        while True:
            retry.forever(self._poll, doing="read the slot's lag", clock=clock)

    def _poll(self) -> None:
        options, context = self._options, self._context
        try:
            with session(options.conninfo, context.stop, "read the slot's lag") as connection:
                while True:
                    self._report(slot.state(connection, options.slot))
                    context.clock.wait(options.lag_poll_seconds)
        finally:
            context.status.set_slot(None)

    def _report(self, state: SlotState | None) -> None:
        metrics = self._context.metrics
        self._context.status.set_slot(state)
        for name in _STATUSES:
            current = state is not None and state.wal_status == name
            metrics.gauge("flusso_replication_slot_wal_status", name).set(current)
        if state is None:
            return
        if state.lag_bytes is not None:
            metrics.gauge("flusso_replication_slot_lag_bytes").set(state.lag_bytes)
        if state.retained_bytes is not None:
            metrics.gauge("flusso_replication_slot_retained_bytes").set(state.retained_bytes)
        safe = math.inf if state.safe_bytes is None else state.safe_bytes
        if state.wal_status == "lost":
            safe = 0
        metrics.gauge("flusso_replication_slot_safe_bytes").set(safe)
        at_risk = state.wal_status in _AT_RISK_STATUSES
        metrics.gauge("flusso_replication_slot_at_risk").set(at_risk)
        if at_risk and not self._at_risk:
            logger.error(
                "replication slot %s is about to be invalidated: it is %s bytes behind, more than "
                "max_slot_wal_keep_size lets the server keep; see what holds capture up, or raise it",
                self._options.slot,
                state.lag_bytes,
                extra={"action": "slot_at_risk"},
            )
        self._at_risk = at_risk
