"""Publishing under back-pressure: what the stream, snapshots and resyncs do while the change log's buffer is full."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_shared.change import AnyChange
from flusso_shared.errors import StoppedError
from flusso_shared.seams import ChangeWriter

_POLL_SECONDS = 0.05


class Publisher:
    """Publishes through one writer.  Owned by the writer's thread."""

    def __init__(
        self, writer: ChangeWriter, stop: threading.Event, on_wait: Callable[[], None]
    ) -> None:
        """`on_wait` runs after every poll of a wait, at least 20 times per second."""
        self._writer = writer
        self._queue = writer.publish
        self._stop = stop
        self._on_wait = on_wait

    def publish(self, change: AnyChange, acknowledged: Callable[[], None]) -> None:
        """Queue `change`; while the buffer is full, wait for acknowledgements.

        `acknowledged` is called by a later poll.  Raises `StoppedError` when a stop is requested while it waits.
        """
        while not self._queue(change, acknowledged):
            self.await_acknowledgements()

    def serve_acknowledgements(self) -> None:
        """Run the callbacks of changes that have become durable.  Does not wait."""
        self._writer.poll(0)

    def await_acknowledgements(self) -> None:
        """Serve acknowledgements for up to 50 ms.  Raises `StoppedError` when a stop is requested."""
        if self._stop.is_set():
            raise StoppedError("stop requested")
        self._writer.poll(_POLL_SECONDS)
        self._on_wait()
