"""The thread that writes the entry of this process until it ends.  It never stops or delays the process."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from flusso_cli.registry.entry import BEAT_SECONDS, Entry, removable
from flusso_cli.registry.store import Registry
from flusso_shared.errors import FlussoError, StoppedError
from flusso_shared.retry import Backoff

logger = logging.getLogger(__name__)

_CLEANUP_INTERVAL_SECONDS = 60.0
_MAX_PAUSE_SECONDS = 30.0
"""Between two attempts, while they fail."""
_LAST_ENTRY_SECONDS = 2.0
"""How long the end of the process waits for the last entry, if OpenSearch has answered before."""


class Heartbeat:
    """A context manager: within the block the process has an entry, and after it the entry says that it ended.

    After an error it does not say so: the process then counts as silent, as one that was killed.
    """

    def __init__(self, connect: Callable[[], Registry], describe: Callable[[], Entry]) -> None:
        """Both functions are called in the thread, because they may fail or wait."""
        self._connect = connect
        self._describe = describe
        self._stop = threading.Event()
        self._failed = False
        """Whether the process ends with an error."""
        self._reached = False
        """Whether the last attempt reached OpenSearch."""
        self._thread = threading.Thread(target=self._run, name="process-entry", daemon=True)
        self._registry: Registry | None = None
        self._entry: Entry | None = None
        self._clean_at = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._failed = not (error is None or isinstance(error, StoppedError))
        self._stop.set()
        self._thread.join(_LAST_ENTRY_SECONDS if self._reached else 0.0)

    def _run(self) -> None:
        pause = Backoff(first=BEAT_SECONDS, ceiling=_MAX_PAUSE_SECONDS)
        while not self._stop.is_set():
            self._reached = self._attempt(ended=False)
            if self._reached:
                pause.reset()
                self._stop.wait(BEAT_SECONDS)
            else:
                self._stop.wait(pause.next())
        if self._entry is not None and not self._failed:
            self._attempt(ended=True)
        if self._registry is not None:
            self._registry.close()

    def _attempt(self, *, ended: bool) -> bool:
        """Write the entry; whether that succeeded."""
        try:
            if self._registry is None:
                self._registry = self._connect()
            entry = (self._entry or self._describe()).beat(time.time(), ended=ended)
            self._registry.put(entry)
        except FlussoError as error:
            _log(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - nothing here may end the process
            _log(repr(error))
            return False
        self._entry = entry
        if not ended:
            # Removing may be refused; another process does it, or nothing is lost.
            with contextlib.suppress(FlussoError):
                self._clean_up(self._registry)
        return True

    def _clean_up(self, registry: Registry) -> None:
        """Remove entries of processes that are gone, once a minute."""
        now = time.monotonic()
        if now < self._clean_at:
            return
        self._clean_at = now + _CLEANUP_INTERVAL_SECONDS
        for entry in removable(registry.entries(), time.time()):
            registry.remove(entry)


def _log(reason: str) -> None:
    logger.warning(
        "cannot write the entry of this process in flusso_meta, so `flusso status` may not list it: %s",
        reason,
        extra={"action": "register"},
    )
