"""The gauge of how far the slot is behind, on a timer and a connection of its own."""

from __future__ import annotations

import logging

from flusso_capture import slot
from flusso_capture.options import CaptureOptions, Process
from flusso_capture.session import session
from flusso_shared import retry

logger = logging.getLogger(__name__)


class LagGauge:
    """Reads the lag every `lag_poll_seconds`.  `work` is the body of its thread."""

    def __init__(self, options: CaptureOptions, process: Process) -> None:
        self._options = options
        self._process = process

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
                    lag = slot.lag(connection, options.slot)
                    process.status.set_slot_lag(lag)
                    if lag is not None:
                        process.metrics.slot_lag_bytes.set(lag)
                    process.clock.wait(options.lag_poll_seconds)
        finally:
            process.status.set_slot_lag(None)
