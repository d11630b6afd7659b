"""A sink whose verdicts the test writes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flusso_shared.seams import Batch, Written

Verdict = Callable[[Batch], Written]


def accept(_batch: Batch) -> Written:
    """Everything is fine."""
    return Written()


class ScriptedSink:
    """Gives the scripted verdicts in order, then accepts everything.  Keeps every batch that it was given."""

    def __init__(self, *script: Verdict, name: str = "scripted") -> None:
        self.name = name
        self.batches: list[Batch] = []
        self._script = list(script)
        self._lock = threading.Lock()

    def write(self, batch: Batch) -> Written:
        with self._lock:
            self.batches.append(batch)
            verdict = self._script.pop(0) if self._script else accept
        return verdict(batch)

    def close(self) -> None: ...

    @property
    def documents(self) -> dict[str, bytes | None]:
        """What stands at the destination, going by versions."""
        newest: dict[str, tuple[int, bytes | None]] = {}
        for batch in self.batches:
            for operation in batch.operations:
                if operation.version >= newest.get(operation.id, (0, None))[0]:
                    newest[operation.id] = (operation.version, operation.document)
        return {name: document for name, (_, document) in newest.items() if document is not None}
