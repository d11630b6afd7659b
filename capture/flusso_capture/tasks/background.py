"""Threads behind the stream: named, and supervised by it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_shared.errors import StoppedError


class Background:
    """A thread whose failure `check` raises in the thread that supervises it."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        """`work` ends with `StoppedError` when a stop is requested."""
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._work()
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - `check` raises it in the supervising thread
            self._failure = error
