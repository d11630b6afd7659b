"""The spans of batches between poll and commit: `batch`, with children `resolve`, `build`, `flush` and `commit`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile

from flusso_shared.tracing import MAX_LINKS, Tracer
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.pipeline.offsets import PendingBatch
from flusso_worker.pipeline.spec import PipelineSpec


class BatchSpans:
    """Opens a span for each batch, and ends it when its offsets are committed.  Owned by one thread."""

    def __init__(self, spec: PipelineSpec, tracer: Tracer) -> None:
        self._generation = spec.generation
        self._tracer = tracer
        self._open: deque[PendingBatch] = deque()
        """Oldest first; always empty without traces."""

    def begin(self, batch: ChangeBatch, pending: PendingBatch) -> None:
        """Give `pending` the span of its batch; linked to the spans that published the changes."""
        if self._tracer.enabled:
            traces = {record.change.trace for record in batch.records} - {""}
            pending.span = self._tracer.start(
                "batch",
                sorted(traces)[:MAX_LINKS],
                index=self._generation.index,
                generation=self._generation.physical,
                changes=batch.count,
            )
            self._open.append(pending)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """A block that commits the offsets of all batches that are done; ends their spans unless it fails."""
        done = list(takewhile(lambda pending: pending.done, self._open))
        with ExitStack() as stack:
            for pending in done:
                stack.enter_context(pending.span.child("commit"))
            yield
        for _ in done:
            self._open.popleft().span.end()

    def close(self) -> None:
        """End what is left: batches that another member repeats."""
        while self._open:
            self._open.popleft().span.end()
