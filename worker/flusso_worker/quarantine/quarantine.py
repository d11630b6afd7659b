"""What happens to a document that cannot be built or written: `on_error` of its index decides (I8).

With `stop` the pipeline of the index ends at it.  With `skip` the document is put into the quarantine and the pipeline
continues; a later build of the same document that succeeds, by any worker, removes it from the quarantine.  So every
worker checks, after it has written documents, whether another worker has put one of them into the quarantine since its
last check; and a worker that puts one in builds it once more afterwards (see `Flusher`).  Of two such workers at least
one sees the write of the other.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flusso_shared import failpoints, retry
from flusso_shared.clock import Clock
from flusso_shared.config.model import OnError
from flusso_shared.errors import PoisonError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.status import Status
from flusso_worker.documents.built import Causes, Failure
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 1000
_VALUES = re.compile(
    r"Preview of field's value: .*|The prefix of the first immense term .*|(?<=For input string: ).*"
    r'|"[^"]*"|(?<=date field )\[.*?\]|(?<!field )(?<!type )\[[^\]]*\]|\(-?\d[^)]*\)',
    re.DOTALL,
)
"""What OpenSearch and Postgres quote of a value in a message."""
_MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Policy:
    """The configuration of one index."""

    on_error: OnError = "stop"
    limit: int = DEFAULT_LIMIT
    """Number of documents in quarantine at which the index stops."""


class Quarantine:
    """The quarantine of one generation.  Thread-safe."""

    def __init__(
        self,
        generation: GenerationName,
        policy: Policy,
        store: QuarantineStore | None,
        metrics: Metrics,
        status: Status,
        clock: Clock,
    ) -> None:
        """Without a `store` (no OpenSearch sink) documents are skipped, counted and logged, not stored."""
        self.generation = generation
        self.policy = policy
        self._store = store
        self._metrics = metrics
        self._status = status
        self._clock = clock
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._stamp: str | None = None
        self._loaded = False

    def take(self, failures: Sequence[Failure], causes: Causes | None) -> None:
        """Put documents into the quarantine; durable when it returns.

        Raises `PoisonError` when the index must stop: at the first of them, or because the limit is reached.
        What the index contains of the documents stays as it is.
        """
        if not failures:
            return
        if self.policy.on_error == "stop":
            raise self._stopped_at(failures[0])
        new, left = self._keep(failures, causes)
        failpoints.hit("after_quarantine")
        self._report(new)
        if left:
            raise self._full(left[0])

    def clear(self, versions: Mapping[str, int]) -> None:
        """Remove these documents, which are written now, at these versions."""
        if self._store is None or not versions:
            return
        with self._lock:
            known = self._refreshed(self._store)
            written = {name: versions[name] for name in known if name in versions}
            if not written:
                return
            self._persist("clear", lambda store: store.remove(self.generation.physical, written))
            self._known -= written.keys()
            self._count()
        logger.info(
            "index %s: %d document(s) left the quarantine",
            self.generation.index,
            len(written),
            extra={"action": "quarantine_cleared", "index": self.generation.index},
        )

    def _keep(
        self, failures: Sequence[Failure], causes: Causes | None
    ) -> tuple[list[Failure], list[Failure]]:
        """Put in as many as the limit allows; return those that are new, and those that are over the limit."""
        with self._lock:
            known = self._refreshed(self._store) if self._store is not None else self._known
            new = [failure for failure in failures if failure.id not in known]
            room = max(0, self.policy.limit - len(known))
            new, left = new[:room], new[room:]
            outside = {failure.id for failure in left}
            taken = [failure for failure in failures if failure.id not in outside]
            now = self._clock.time()
            changes = causes.of({item.key for item in taken}) if causes and self._store else {}
            entries = [
                Entry.of(self.generation, item, changes.get(item.key), now) for item in taken
            ]
            self._persist("put", lambda store: store.put(entries))
            self._known |= {failure.id for failure in taken}
            self._count()
        return new, left

    def _refreshed(self, store: QuarantineStore) -> set[str]:
        """The ids of the documents in quarantine, with those that other workers put in since the last check."""
        if self._loaded and self.policy.on_error == "stop":
            return self._known  # no worker adds any
        physical = self.generation.physical

        def read() -> None:
            stamp = store.stamp(physical)
            if stamp != self._stamp or not self._loaded:
                self._known = store.ids(physical) if stamp is not None else set()
                self._stamp, self._loaded = stamp, True
                self._count()

        self._with_retries(read, "read the quarantine")
        return self._known

    def _persist(self, what: str, action: Callable[[QuarantineStore], None]) -> None:
        store = self._store
        if store is not None:
            self._with_retries(lambda: action(store), f"{what} entries of the quarantine")

    def _with_retries(self, action: Callable[[], None], doing: str) -> None:
        index = self.generation.index
        retry.forever(
            action,
            doing=f"{doing} of index {index}",
            clock=self._clock,
            status=self._status,
            index=index,
        )

    def _count(self) -> None:
        index, known = self.generation.index, len(self._known)
        self._metrics.gauge("flusso_quarantine_documents", index).set(known)
        self._status.set_quarantine(index, known)

    def _report(self, failures: Sequence[Failure]) -> None:
        if not failures:
            return
        self._metrics.counter("flusso_documents_quarantined_total", self.generation.index).inc(
            len(failures)
        )
        self._status.add("documents_quarantined", len(failures))
        for failure in failures:
            logger.warning(
                "index %s: document %r skipped: %s",
                self.generation.index,
                failure.id,
                without_values(failure.reason),
                extra={
                    "action": "quarantined",
                    "index": self.generation.index,
                    "document": failure.id,
                },
            )

    def _stopped_at(self, failure: Failure) -> PoisonError:
        return PoisonError(
            f"index {self.generation.index}: document {failure.id!r} cannot be written:"
            f" {without_values(failure.reason)}."
            ' Repair the row or the schema, or set on_error = "skip" to continue without such documents'
        )

    def _full(self, failure: Failure) -> PoisonError:
        index = self.generation.index
        return PoisonError(
            f"index {index}: {self.policy.limit} documents are in quarantine, which is its quarantine_limit, and"
            f" document {failure.id!r} cannot be written either: {without_values(failure.reason)}. See `flusso"
            f" quarantine list --index {index}`; repair them, or raise quarantine_limit"
        )


def without_values(reason: str) -> str:
    """A reason for the log, without what it quotes, which may be a value of the row."""
    return _VALUES.sub("...", reason)[:_MAX_REASON_CHARACTERS]
