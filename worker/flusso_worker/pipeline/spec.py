"""What a pipeline keeps, and what it shares with the other pipelines of the worker.  Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_shared.tracing import NO_TRACER, Tracer
from flusso_worker.pipeline.in_flight import ByteBudget


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """The generation that a pipeline keeps."""

    generation: GenerationName
    plan: IndexPlan
    group: str
    """The consumer group."""
    created_at: float = 0.0
    """Seconds since the epoch: when the generation was created."""
    flushes: int = 2
    """Flush threads.  1 keeps the order of writes, for sinks without versions."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What all pipelines of a worker share."""

    log: ChangeLog
    metrics: Metrics
    status: Status
    counts_changes: bool = True
    """Whether the worker counts changes in `status`.  In `flusso run` capture does, each once for all indexes."""
    tracer: Tracer = NO_TRACER
    byte_budget: ByteBudget = field(default_factory=ByteBudget)
    """Bounds the bytes in flight of all pipelines together."""
