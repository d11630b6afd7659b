"""The entry of a worker in the bookkeeping: its schemas and options, and a heartbeat that shows that it lives."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping

from flusso_shared.errors import FlussoError
from flusso_worker.generations.applied_options import AppliedOptions
from flusso_worker.generations.store import GenerationStore

logger = logging.getLogger(__name__)

_LAST_ENTRY_SECONDS = 5.0
"""How long the end of a process waits for the last entry."""


class Registration:
    """The entry of one worker.  Used by one thread at a time."""

    def __init__(
        self,
        store: GenerationStore,
        schemas: Mapping[str, str],
        options: Mapping[str, AppliedOptions],
    ) -> None:
        """Per index the hash of the schema of this worker, and its options."""
        self._store = store
        self._schemas = schemas
        self._options = {index: given.to_json() for index, given in options.items()}
        self._worker = f"worker:{uuid.uuid4()}"
        self._sequence = 0

    def beat(self) -> None:
        """Write a heartbeat.  The first call creates the entry, which every search finds when it returns."""
        self._put(ended=False)

    def end(self) -> None:
        """Record that the worker ends: others wait only for the grace period."""
        self._put(ended=True)

    def _put(self, *, ended: bool) -> None:
        first = self._sequence == 0
        self._sequence += 1
        entry = {
            "kind": "worker",
            "index": sorted(self._schemas),
            "schemas": dict(self._schemas),
            "options": self._options,
            "sequence": self._sequence,
            "ended": ended,
        }
        self._store.put_worker(self._worker, entry, seen=first or ended)


class Heartbeat:
    """A thread that writes heartbeats until it is stopped, and then records that the worker ends."""

    def __init__(self, registration: Registration, every: float) -> None:
        self._registration = registration
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.failure: BaseException | None = None
        """An unexpected error that ended the thread."""

    def start(self) -> None:
        """Start the thread; the entry exists already."""
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every):
                self._attempt(self._registration.beat)
            self._attempt(self._registration.end)
        except BaseException as error:  # noqa: BLE001 - the worker raises it
            self.failure = error

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except FlussoError as error:
            logger.warning(
                "cannot renew this worker's entry in flusso_meta: %s",
                error,
                extra={"action": "heartbeat"},
            )

    def finish(self) -> None:
        """Stop the thread, waiting a few seconds at most for a server that does not answer."""
        self._stop.set()
        self._thread.join(_LAST_ENTRY_SECONDS)
