"""Writes batches to one OpenSearch cluster; retries transient errors, of the items concerned only."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from flusso_shared import failpoints
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.metrics import Metrics
from flusso_shared.retry import TOLD_AFTER, Backoff, log_next_try
from flusso_shared.seams import (
    Batch,
    Conflict,
    Operation,
    Rejection,
    Written,
)
from flusso_shared.status import Status
from flusso_worker.sinks import bulk, bulk_reply
from flusso_worker.sinks.bulk_reply import RetryReason, Wait
from flusso_worker.sinks.cluster import BlockedError, BusyError, Cluster, CutError, Reply, path
from flusso_worker.sinks.pace import Pace
from flusso_worker.sinks.scan import hits

logger = logging.getLogger(__name__)

MAX_BATCH_AGE_SECONDS = 10.0
"""After which a write is late: below the session timeout (15 s), after which other workers repeat it."""
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_REFUSALS = (HTTPStatus.BAD_REQUEST, _TOO_LARGE)
"""The statuses with which OpenSearch or a proxy refuses a whole request."""
_MAX_SERVER_ERRORS = 8
"""Attempts with one document, over half a minute, that end in an error of the server, until the document is rejected."""
_MAX_CUTS = 6
"""Times that the connection breaks over a request of one document while small requests are answered, until the document
is rejected as too large."""
_MAX_CUTS_IF_LARGER = 2
"""The same for a document that is not smaller than one that was rejected so."""
_MIN_REQUEST_BYTES = 64 * 1024
"""To which the limit of a request shrinks at most."""
_QUOTED_CHARACTERS = 500
"""Of an answer, in a message."""


_Next = tuple[Sequence[Sequence[Operation]], Wait | None]
"""The requests still to be sent, the last of them first, and what to wait for before."""


class OpenSearchSink:
    """A `Sink` over one cluster.  Thread-safe.

    OpenSearch forgets the version of a deleted document when its shard starts again or moves.  An older write that
    comes after that would bring the document back.  Prompt writes do not: a request does not wait for a shard at the
    server, so it fails or is executed at once.  A late one, or one that follows a failed attempt, is built again (I3):
    the newer snapshot contains the delete, or the delete is still to come.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        max_age: float = MAX_BATCH_AGE_SECONDS,
        status: Status | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`clock` ends waits between attempts; lasting problems are reported to `status`.  `max_age` is in seconds."""
        self._status = status or Status()
        self._metrics = metrics or Metrics("worker")
        self._cluster = cluster
        self._clock = clock
        self._max_age = max_age
        self._limit = _Limit(cluster.config.max_bytes, cluster.config.max_bytes)
        self._pace = Pace(cluster.config.batch_size)
        self._params = {"require_alias": "true", "timeout": "0s"}
        if cluster.config.pipeline:
            self._params["pipeline"] = cluster.config.pipeline

    @property
    def name(self) -> str:
        return self._cluster.name

    def write(self, batch: Batch) -> Written:
        operations, refused = bulk.sort_out(batch.operations)
        outcome = _Outcome(rejected=refused)
        size = self._pace.operations
        if failpoints.watched("mid_bulk"):
            size = max(1, min(size, len(operations) // 2))
        for number, chunk in enumerate(bulk.chunks(operations, size, self._limit.bytes)):
            if number == 1:
                failpoints.hit("mid_bulk")
            try:
                self._write_chunk(batch, chunk, outcome)
            finally:
                self._status.retried(self._doing(batch))
        return outcome.written()

    def close(self) -> None:
        """Nothing to close: the owner of the cluster closes its connections."""

    def _write_chunk(self, batch: Batch, chunk: bulk.Chunk, outcome: _Outcome) -> None:
        if self._is_late(batch) and len(batch.operations) > 1:
            # A single document is sent however long its build took.
            outcome.again.update(item.id for item in chunk.operations)
            return
        backoff = Backoff()
        waiting: list[Sequence[Operation]] = []
        first = True
        while True:
            if not first and self._is_late(batch):
                outcome.doubt(chunk.operations)
            try:
                again, wait = self._write_once(batch, chunk, outcome)
            except RetryableError as error:
                outcome.doubt(chunk.operations)
                if self._is_late(batch):
                    # It took until now to be answered by nothing, and the next question may take as long.
                    self._report(batch, str(error))
                again, wait = self._unanswered(batch, chunk, error, outcome)
            first = False
            waiting.extend(again)
            if not waiting:
                return
            if wait is not None:
                self._pause(backoff, batch, wait)
            else:
                backoff.reset()
            chunk = bulk.whole(waiting.pop())

    def _write_once(self, batch: Batch, chunk: bulk.Chunk, outcome: _Outcome) -> _Next:
        """Send one request; return the operations still to write, in requests, and the reason to wait, if any."""
        began = self._clock.monotonic()
        reply = self._send(batch, chunk.body)
        seconds = self._clock.monotonic() - began
        if reply.status == HTTPStatus.NOT_FOUND:
            raise self._gone(batch, reply.text[:_QUOTED_CHARACTERS])
        if reply.status in _REFUSALS:
            return self._refused_whole(batch, chunk, reply, outcome)
        verdicts = bulk_reply.judge(chunk.operations, reply.text)
        if verdicts.gone:
            raise self._gone(batch, verdicts.gone)
        if verdicts.refused:
            raise FatalError(
                f"sink {self.name}: OpenSearch refuses to write to {batch.generation.physical}:"
                f" {verdicts.refused}; check the privileges of the user and the `pipeline` of"
                f" [sinks.{self.name}]"
            )
        self._limit.passed(len(chunk.body))
        self._pace.learn(len(chunk.operations), seconds)
        again = outcome.take(verdicts)
        return ([again], verdicts.wait) if again else ((), None)

    def _send(self, batch: Batch, body: bytes) -> Reply:
        where = path(batch.generation.write_alias, "_bulk")
        allow = (HTTPStatus.NOT_FOUND, *_REFUSALS)
        return self._cluster.request("POST", where, body, params=self._params, allow=allow)

    def _refused_whole(
        self, batch: Batch, chunk: bulk.Chunk, reply: Reply, outcome: _Outcome
    ) -> _Next:
        """Split a request that was refused as a whole; reject its document if it has only one.  Returns as `_write_once`."""
        if len(chunk.operations) > 1:
            if reply.status == _TOO_LARGE:
                self._limit.refused(len(chunk.body))
            return _halves(chunk.operations), None
        if not bulk_reply.is_error(reply.text) and not self._refused_again(
            batch, chunk.operations[0], outcome
        ):
            # The answer is not from OpenSearch: it may be an outage of a proxy.
            told = f"a bulk request was answered {reply.status}"
            return [chunk.operations], Wait("refused", told)
        reason = _large(chunk) if reply.status == _TOO_LARGE else reply.text[:_QUOTED_CHARACTERS]
        outcome.rejected.append(Rejection(chunk.operations[0].id, reply.status, reason))
        return (), None

    def _refused_again(self, batch: Batch, operation: Operation, outcome: _Outcome) -> bool:
        """Whether a single document is refused for the second time in a row, while a small request is answered."""
        if not self._answers_small_request(batch):
            outcome.cuts[operation.id] = 0
            return False
        outcome.cuts[operation.id] += 1
        return outcome.cuts[operation.id] >= _MAX_CUTS_IF_LARGER

    def _unanswered(
        self, batch: Batch, chunk: bulk.Chunk, error: RetryableError, outcome: _Outcome
    ) -> _Next:
        """What to send after a request without an answer.  Returns as `_write_once`.

        While a small request is answered, the reason may be the size: the request is split, and a single document
        is rejected after some attempts.  In an outage no request is answered, and all is sent again.
        """
        operations, wait = chunk.operations, Wait(_why(error), str(error))
        if not self._answers_small_request(batch):
            outcome.cuts.clear()
            return [operations], wait
        if len(operations) > 1:
            self._limit.refused(len(chunk.body))
            return _halves(operations), None if isinstance(error, CutError) else wait
        if isinstance(error, CutError):
            name = operations[0].id
            outcome.cuts[name] += 1
            known = self._limit.cut_alone is not None and len(chunk.body) >= self._limit.cut_alone
            if outcome.cuts[name] >= (_MAX_CUTS_IF_LARGER if known else _MAX_CUTS):
                self._limit.cut_alone = min(
                    self._limit.cut_alone or len(chunk.body), len(chunk.body)
                )
                outcome.rejected.append(Rejection(name, _TOO_LARGE, f"{_large(chunk)}: {error}"))
                return (), None
        return [operations], wait

    def _answers_small_request(self, batch: Batch) -> bool:
        """Whether a bulk request that writes nothing is answered now, on the same route."""
        try:
            reply = self._send(batch, bulk.GUARD)
        except RetryableError:
            return False
        return '"items"' in reply.text

    def _is_late(self, batch: Batch) -> bool:
        return self._clock.monotonic() - batch.built_at > self._max_age

    def _pause(self, backoff: Backoff, batch: Batch, wait: Wait) -> None:
        delay = backoff.next()
        self._status.retry_sink(self.name)
        self._metrics.counter("flusso_sink_retries_total", self.name, wait.reason).inc()
        if backoff.attempt >= TOLD_AFTER or self._is_late(batch):
            self._report(batch, wait.text)
        told = f"{self._doing(batch)} yet"
        log_next_try(logger, told, delay, wait.text, {"index": batch.generation.index})
        self._clock.wait(delay)

    def _report(self, batch: Batch, reason: str) -> None:
        doing = self._doing(batch)
        index = batch.generation.index
        self._status.retrying(doing, f"{doing} yet: {reason}", sink=self.name, index=index)

    def _doing(self, batch: Batch) -> str:
        return f"sink {self.name}: cannot write to {batch.generation.physical}"

    def _gone(self, batch: Batch, reason: str) -> FatalError:
        return FatalError(
            f"sink {self.name}: the index {batch.generation.physical} does not exist or is closed ({reason}); unless it"
            " was superseded, it is rebuilt as a new generation; if it was closed, open it"
        )


@dataclass(slots=True)
class _Outcome:
    """The result so far of a batch that is being written."""

    rejected: list[Rejection] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    server_errors: Counter[str] = field(default_factory=Counter)
    """Document id -> attempts that ended in an error of the server."""
    cuts: Counter[str] = field(default_factory=Counter)
    """Document id -> times that the connection broke over a request of that document alone."""
    again: set[str] = field(default_factory=set)
    """Ids of documents to be built again."""

    def written(self) -> Written:
        """What `write` returns.  A rejected document is not to be built again here."""
        again = frozenset(self.again).difference(item.id for item in self.rejected)
        return Written(tuple(self.rejected), tuple(self.conflicts), again)

    def doubt(self, operations: Iterable[Operation]) -> None:
        """Have the documents of `operations` built again, whatever becomes of these; a late delete does no harm."""
        self.again.update(item.id for item in operations if item.document is not None)

    def take(self, verdicts: bulk_reply.Verdicts) -> list[Operation]:
        """Record the verdicts; return the operations to send again."""
        self.rejected.extend(verdicts.rejected)
        self.conflicts.extend(verdicts.conflicts)
        self.doubt(verdicts.unavailable)
        again = verdicts.retry
        for operation, rejection in verdicts.uncertain:
            self.server_errors[operation.id] += 1
            if self.server_errors[operation.id] < _MAX_SERVER_ERRORS:
                again.append(operation)
            else:
                self.rejected.append(rejection)
        return again


@dataclass(slots=True)
class _Limit:
    """The size in bytes of requests that OpenSearch, or a proxy before it, accepts; learned from refusals.

    Shared by threads without a lock: a race costs one request.
    """

    most: int
    bytes: int
    cut_alone: int | None = None
    """Bytes of the smallest document that was rejected because the connection broke over it."""

    def refused(self, size: int) -> None:
        """A request of several documents was refused."""
        self.bytes = min(self.most, max(_MIN_REQUEST_BYTES, size // 2))

    def passed(self, size: int) -> None:
        """A request was accepted: raise the limit by a little if the request was near it."""
        if self.bytes < self.most and size >= self.bytes // 2:
            self.bytes = min(self.most, self.bytes + self.bytes // 8)


def _why(error: RetryableError) -> RetryReason:
    if isinstance(error, BusyError):
        return "busy"
    return "blocked" if isinstance(error, BlockedError) else "unanswered"


def _halves(operations: Sequence[Operation]) -> list[Sequence[Operation]]:
    """Both halves; the last of a list is sent first."""
    middle = len(operations) // 2
    return [operations[middle:], operations[:middle]]


def _large(chunk: bulk.Chunk) -> str:
    return (
        f"a bulk request of {len(chunk.body)} bytes for this document alone is larger than OpenSearch, or"
        " a proxy before it, accepts (http.max_content_length)"
    )


def indexed_ids(cluster: Cluster, alias: str, size: int = 5000) -> Iterable[list[str]]:
    """The ids of all documents behind `alias`, after a refresh, in lists."""
    for page in hits(cluster, alias, {"_source": False}, size):
        yield [hit["_id"] for hit in page]
