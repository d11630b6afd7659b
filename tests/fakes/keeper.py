"""A keeper of generations that decides what the test says."""

from __future__ import annotations

from collections.abc import Collection

from flusso_shared.errors import FlussoError
from flusso_shared.names import GenerationName, TableName
from flusso_worker.generations.keeper import Active
from flusso_worker.generations.record import Generation


class FakeKeeper:
    """A `Keeper` whose answers the test sets: `active`, `waits`, `snapshot`, or an `error` of each step."""

    def __init__(self) -> None:
        self.active: list[Active] = []
        self.error: FlussoError | None = None
        self.snapshot: TableName | None = None
        self.waits = self.paused = False
        self.live: Generation | None = None
        self.evicted: set[GenerationName] = set()

    def step(self) -> list[Active]:
        if self.error is not None:
            raise self.error
        return self.active

    @property
    def standby(self) -> bool:
        return self.waits

    def before_streaming(self) -> None:
        """The log keeps changes for readers that start later."""

    def evict(self, stopped: Collection[GenerationName]) -> None:
        self.evicted = set(stopped)

    def wanted_snapshot(self) -> TableName | None:
        return self.snapshot
