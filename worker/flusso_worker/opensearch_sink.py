"""Writes batches to one OpenSearch cluster; retries what passes, only the items concerned."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, RetryableError, StaleBatchError
from flusso_shared.retry import Backoff
from flusso_shared.seams import Batch, Conflict, Operation, Rejection, Written
from flusso_worker import bulk, bulk_reply
from flusso_worker.opensearch import Cluster, path

logger = logging.getLogger(__name__)

MAX_BATCH_AGE = 120.0
"""Seconds after which a batch is built anew: far below `index.gc_deletes`, so no delete is forgotten by then."""
MAX_ID_BYTES = 512
_TOO_LARGE = 413
_NOT_FOUND = 404


class OpenSearchSink:
    """A `Sink` over one cluster.  Thread-safe."""

    def __init__(self, cluster: Cluster, clock: Clock, max_age: float = MAX_BATCH_AGE) -> None:
        """Waits between attempts end with `clock`."""
        self._cluster = cluster
        self._clock = clock
        self._max_age = max_age
        self._params = {"require_alias": "true"}
        if cluster.config.pipeline:
            self._params["pipeline"] = cluster.config.pipeline

    @property
    def name(self) -> str:
        return self._cluster.name

    def write(self, batch: Batch) -> Written:
        rejected: list[Rejection] = []
        conflicts: list[Conflict] = []
        sound = []
        for operation in batch.operations:
            if len(operation.id) * 4 > MAX_ID_BYTES and len(operation.id.encode()) > MAX_ID_BYTES:
                reason = f"the document id is longer than {MAX_ID_BYTES} bytes, OpenSearch's limit"
                rejected.append(Rejection(operation.id, 400, reason))
            else:
                sound.append(operation)
        config = self._cluster.config
        for chunk in bulk.chunks(sound, config.batch_size, config.max_bytes):
            self._write_chunk(batch, chunk, rejected, conflicts)
        return Written(tuple(rejected), tuple(conflicts))

    def close(self) -> None:
        """The cluster's connections belong to whoever made them."""

    def _write_chunk(
        self,
        batch: Batch,
        chunk: bulk.Chunk,
        rejected: list[Rejection],
        conflicts: list[Conflict],
    ) -> None:
        backoff = Backoff()
        waiting = [chunk]
        while waiting:
            now = waiting.pop()
            self._refuse_stale(batch)
            try:
                reply = self._post(batch, now.body)
            except RetryableError as error:
                waiting.append(now)
                self._pause(backoff, batch, str(error))
                continue
            if reply is None:
                waiting.extend(_split(now, rejected))
                continue
            verdicts = bulk_reply.judge(now.operations, reply)
            if verdicts.gone:
                raise self._gone(batch, verdicts.gone)
            rejected.extend(verdicts.rejected)
            conflicts.extend(verdicts.conflicts)
            if verdicts.retry:
                waiting.extend(_whole(verdicts.retry))
                self._pause(backoff, batch, verdicts.retry_reason)

    def _post(self, batch: Batch, body: bytes) -> str | None:
        """The reply's text; None when the request was too large."""
        target = batch.generation.write_alias
        reply = self._cluster.request(
            "POST",
            path(target, "_bulk"),
            body,
            params=self._params,
            allow=(_TOO_LARGE, _NOT_FOUND),
        )
        if reply.status == _NOT_FOUND:
            raise self._gone(batch, reply.text[:500])
        return None if reply.status == _TOO_LARGE else reply.text

    def _refuse_stale(self, batch: Batch) -> None:
        age = self._clock.monotonic() - batch.built_at
        if age > self._max_age:
            raise StaleBatchError(f"built {age:.0f} s ago and not written yet")

    def _pause(self, backoff: Backoff, batch: Batch, reason: str) -> None:
        delay = backoff.next()
        logger.warning(
            "sink %s: cannot write to %s yet, next try in %.1f s: %s",
            self.name,
            batch.generation.physical,
            delay,
            reason,
            extra={"action": "retry", "index": batch.generation.index},
        )
        self._clock.wait(delay)

    def _gone(self, batch: Batch, reason: str) -> FatalError:
        return FatalError(
            f"sink {self.name}: the index {batch.generation.physical} is gone ({reason}); it is rebuilt as a"
            " new generation, or was superseded by one"
        )


def _whole(operations: Iterable[Operation]) -> list[bulk.Chunk]:
    """Operations of one request, as one request again."""
    taken = list(operations)
    return list(bulk.chunks(taken, len(taken), 1 << 62))


def _split(chunk: bulk.Chunk, rejected: list[Rejection]) -> list[bulk.Chunk]:
    """Halves of a request that was too large; a single document that is, is refused for good."""
    if len(chunk.operations) == 1:
        reason = (
            f"a bulk request of {len(chunk.body)} bytes for this document alone is larger than"
            " http.max_content_length allows"
        )
        rejected.append(Rejection(chunk.operations[0].id, _TOO_LARGE, reason))
        return []
    middle = len(chunk.operations) // 2
    return _whole(chunk.operations[:middle]) + _whole(chunk.operations[middle:])


def indexed_ids(cluster: Cluster, alias: str, size: int = 5000) -> Iterable[list[str]]:
    """The ids of all documents behind `alias`, after a refresh, in lists."""
    cluster.request("POST", path(alias, "_refresh"))
    query = {"size": size, "_source": False, "sort": ["_doc"]}
    reply = cluster.request("POST", path(alias, "_search"), query, params={"scroll": "5m"}).json()
    scroll = reply["_scroll_id"]
    try:
        while hits := reply["hits"]["hits"]:
            yield [hit["_id"] for hit in hits]
            again = {"scroll": "5m", "scroll_id": scroll}
            reply = cluster.request("POST", "/_search/scroll", again).json()
            scroll = reply["_scroll_id"]
    finally:
        cluster.request("DELETE", "/_search/scroll", {"scroll_id": [scroll]}, allow=(_NOT_FOUND,))
