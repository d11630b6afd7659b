"""A worker's entry in the bookkeeping: which schemas it carries, and a heartbeat that shows that it lives."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping

from flusso_shared.errors import FlussoError
from flusso_worker.generations.store import GenerationStore

logger = logging.getLogger(__name__)


_LAST = 5.0
"""Seconds for the last entry, in the end."""


class Registration:
    """The entry of one worker.  Thread-safe as its store is; its calls come one after the other."""

    def __init__(self, store: GenerationStore, schemas: Mapping[str, str]) -> None:
        """`schemas`: per index the hash of the schema that the worker carries."""
        self._store = store
        self._schemas = schemas
        self._worker = f"worker:{uuid.uuid4()}"
        self._sequence = 0

    def beat(self) -> None:
        """Show that the worker lives.  The first call makes the entry, and every search sees it then."""
        self._put(ended=False)

    def end(self) -> None:
        """Say that the worker ends: others wait for its next start for a short time only."""
        self._put(ended=True)

    def _put(self, *, ended: bool) -> None:
        first = self._sequence == 0
        self._sequence += 1
        entry = {
            "kind": "worker",
            "index": sorted(self._schemas),
            "schemas": dict(self._schemas),
            "sequence": self._sequence,
            "ended": ended,
        }
        self._store.put_worker(self._worker, entry, seen=first or ended)


class Heartbeat:
    """A thread that beats until it is stopped, and says in the end that the worker ends."""

    def __init__(self, registration: Registration, every: float) -> None:
        self._registration = registration
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.failure: BaseException | None = None
        """An unexpected error that ended it."""

    def start(self) -> None:
        """Beat from now on; the entry is there already."""
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
            logger.warning("cannot renew this worker's entry in flusso_meta: %s", error)

    def finish(self) -> None:
        """Stop; a server that does not answer is not waited for long."""
        self._stop.set()
        self._thread.join(_LAST)
