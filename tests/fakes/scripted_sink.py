"""A sink whose verdicts the test writes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_shared.seams import Batch, Conflict, Operation, Written

Verdict = Callable[[Batch], Written]


class ScriptedSink:
    """A `Sink` in memory: gives the scripted verdicts in order, then its own.  Thread-safe.

    It keeps every batch that it was given, and takes all documents; its own verdict reports older versions.
    """

    def __init__(self, *script: Verdict, name: str = "scripted") -> None:
        self.name = name
        self.batches: list[Batch] = []
        self._script = list(script)
        self._newest: dict[str, Operation] = {}
        self._lock = threading.Lock()

    def write(self, batch: Batch) -> Written:
        with self._lock:
            self.batches.append(batch)
            verdict = self._script.pop(0) if self._script else None
            conflicts = [each for each in map(self._take, batch.operations) if each is not None]
        return Written(conflicts=tuple(conflicts)) if verdict is None else verdict(batch)

    def close(self) -> None: ...

    @property
    def documents(self) -> dict[str, bytes]:
        """What stands at the destination, going by versions."""
        with self._lock:
            newest = list(self._newest.values())
        return {each.id: each.document for each in newest if each.document is not None}

    def _take(self, operation: Operation) -> Conflict | None:
        stored = self._newest.get(operation.id)
        if stored is not None and stored.version > operation.version:
            return Conflict(operation.id, operation.version, stored.version)
        self._newest[operation.id] = operation
        return None
