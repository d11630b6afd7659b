"""Keeps a sample of every look at the deployment, so that the charts are filled when a page is opened.

While no page is open it looks every 15 seconds itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flusso_shared.errors import RetryableError
from flusso_shared.process.overview_route import OverviewSlot
from flusso_shared.process.page.history import History

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 15.0
_JOIN_SECONDS = 1.0


class Recorder:
    """The overview, and its samples.  Thread-safe."""

    def __init__(self, slot: OverviewSlot) -> None:
        self.history = History()
        self.slot = slot
        self._looked_at = 0.0

    def overview(self) -> Mapping[str, Any]:
        """The deployment as it is now.  Raises `RetryableError` while the process starts or stops."""
        look = self.slot.look
        if look is None:
            raise RetryableError("this process is starting or stopping; try again in a moment")
        found = look()
        self._looked_at = time.monotonic()
        self.history.add(found)
        return found

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within the block a thread looks while no page does."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self._record, args=(stop,), name="status-page", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_JOIN_SECONDS)

    def _record(self, stop: threading.Event) -> None:
        pause = 0.0
        while not stop.wait(pause):
            since = time.monotonic() - self._looked_at
            if since < _IDLE_SECONDS:
                pause = _IDLE_SECONDS - since
                continue
            pause = _IDLE_SECONDS
            try:
                self.overview()
            except RetryableError as error:
                logger.debug("no sample for the status page: %s", error)
            except Exception:
                # The charts must not stop the process.
                logger.exception("no sample for the status page", extra={"action": "status_page"})
