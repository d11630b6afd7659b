"""A pipeline that does nothing."""

from __future__ import annotations

import threading

from flusso_worker.generations.keeper import Active


class FakePipeline:
    """Runs from `start` to `join`, or until the test has it fail."""

    def __init__(self, item: Active) -> None:
        self.name = item.name
        self.reading = threading.Event()
        self.running = False
        self.healthy = False
        self.failure: BaseException | None = None
        self.stopped = self.joined = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.stopped = True

    def join(self, seconds: float) -> None:
        self.running = False
        self.joined = True

    def fail(self, error: BaseException) -> None:
        self.running, self.failure = False, error
