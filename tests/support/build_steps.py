"""Builds one batch as the pipeline's loop does, without flushing it."""

from __future__ import annotations

from collections.abc import Iterator

from flusso_worker.documents.built import Built
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.pipeline.build_batch import BatchBuilder


def built_in_steps(builder: BatchBuilder, batch: ChangeBatch) -> Iterator[Built]:
    """The chunks of a batch: visibility gate, resolve, build."""
    snapshot = builder.open_visibility_gate(batch)
    resolved = builder.resolve(batch, snapshot)
    yield from builder.build(batch, resolved, snapshot)
