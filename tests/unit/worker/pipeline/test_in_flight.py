"""Which chunks may be in flight at once."""

from __future__ import annotations

import threading

from flusso_shared.seams import Operation
from flusso_worker.documents.built import Built
from flusso_worker.pipeline.in_flight import ByteBudget, InFlightRequests
from flusso_worker.pipeline.offsets import PendingBatch
from support.waiting import until


def _chunk(document: str, content: bytes | None) -> Built:
    return Built([], [Operation(document, 1, content)], 0.0, 2)


def test_a_delete_waits_for_the_writes_of_its_document() -> None:
    """OpenSearch forgets the version of a delete when a shard starts again: an older write would come back after it."""
    answer = threading.Event()

    def flush(built: Built) -> None:
        del built
        answer.wait(10)

    requests = InFlightRequests("items_1", 2, flush, ByteBudget())
    try:
        requests.submit(PendingBatch({}, 1), _chunk("a", b"{}"), threading.Event())
        assert not requests.has_capacity(_chunk("a", None))
        assert requests.has_capacity(_chunk("b", None))
        assert requests.has_capacity(_chunk("a", b"{}"))
        answer.set()
        until("the write is done", lambda: requests.has_capacity(_chunk("a", None)), 10)
    finally:
        answer.set()
        requests.close()
