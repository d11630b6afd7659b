"""What a pipeline is about, what it runs, and what it shares with the others of the process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.documents.built import Built
from flusso_worker.documents.change_batch import Intake
from flusso_worker.pipeline.in_flight import Airspace


class Stages(Protocol):
    """What a batch goes through."""

    def produce(self, intake: Intake) -> Iterable[Built]:
        """Resolve and build, in the pipeline's thread; may be repeated after a `RetryableError`."""
        ...

    def rest(self) -> None:
        """End transactions, between two chunks: what follows is built in a newer one.  For `produce`'s thread."""
        ...

    def flush(self, built: Built) -> None:
        """Write to every sink, in a flush thread."""
        ...

    def cancel(self) -> None:
        """Interrupt a statement in progress, from any thread."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The generation that a pipeline keeps."""

    generation: GenerationName
    plan: IndexPlan
    group: str
    flushes: int = 2
    """Flushes at the same time.  1 keeps the order of writes, for sinks without versions."""


@dataclass(frozen=True, slots=True)
class Process:
    """What all pipelines of a process share."""

    log: ChangeLog
    metrics: Metrics
    status: Status
    air: Airspace = field(default_factory=Airspace)
