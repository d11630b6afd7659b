"""The quarantine through a running process: list, drop, and retry in the background.

One retry at a time.  It has connections of its own, so that neither the pipelines nor the surface wait for it.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from flusso_shared.clock import Clock
from flusso_shared.config.model import OpenSearchConnection
from flusso_shared.errors import FatalError, FlussoError, StoppedError
from flusso_shared.postgres.connection import Conninfo
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from flusso_worker.maintenance.document_writer import DocumentWriter, WriterDependencies
from flusso_worker.maintenance.quarantine_retry import Retried, retry_all
from flusso_worker.quarantine.quarantine import without_values
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster

logger = logging.getLogger(__name__)

_JOIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RetryProgress:
    """A retry that runs, or the last one."""

    index: str
    total: int
    done: int = 0
    written: int = 0
    kept: int = 0
    """Those that failed again."""
    running: bool = True
    error: str | None = None
    """What ended it before its end."""

    def after(self, item: Retried) -> RetryProgress:
        return replace(
            self,
            done=self.done + 1,
            written=self.written + (item.outcome == "written"),
            kept=self.kept + (item.outcome == "kept"),
        )


class QuarantineAdministration:
    """A `Quarantine` of the private surface.  Thread-safe."""

    def __init__(
        self,
        connections: Sequence[OpenSearchConnection],
        conninfo: Conninfo,
        prefix: str,
        clock: Clock,
    ) -> None:
        """The sinks by name; the entries are in the first.  The waits of `clock` end when the process stops."""
        self._clusters = [Cluster(connection) for connection in connections]
        self._conninfo = conninfo
        self._clock = clock
        self._store = QuarantineStore(self._clusters[0], prefix)
        self._generations = GenerationStore(self._clusters[0], prefix)
        self._lock = threading.Lock()
        self._progress: RetryProgress | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def entries(self, limit: int) -> Sequence[Mapping[str, Any]]:
        found = list(islice(self._store.entries(brief=True), limit))
        found.sort(key=lambda entry: (entry.generation.physical, entry.at, entry.id))
        return [_shown(entry) for entry in found]

    def drop(self, index: str, ids: Collection[str]) -> str:
        versions: dict[str, dict[str, int]] = defaultdict(dict)
        for entry in self._chosen(index, ids):
            versions[entry.generation.physical][entry.id] = entry.version
        for physical, chosen in versions.items():
            self._store.remove(physical, chosen)
        return f"dropped {sum(map(len, versions.values()))} from the quarantine of {index}"

    def retry(self, index: str, ids: Collection[str]) -> str:
        entries = self._chosen(index, ids)
        with self._lock:
            if self._progress is not None and self._progress.running:
                raise FatalError(
                    f"a retry of {self._progress.index} is running; wait until it has ended, and try again"
                )
            self._progress = RetryProgress(index, len(entries))
            self._thread = threading.Thread(
                target=self._run, args=(entries,), name="quarantine-retry", daemon=True
            )
            self._thread.start()
        return f"retry of {len(entries)} of {index} begun"

    def progress(self) -> Mapping[str, Any] | None:
        found = self._progress
        return None if found is None else asdict(found)

    def close(self) -> None:
        """End a retry after its current document; what it has written stays."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        for cluster in self._clusters:
            cluster.close()

    def _chosen(self, index: str, ids: Collection[str]) -> list[Entry]:
        found = list(self._store.entries([index], ids, brief=True))
        if not found:
            raise FatalError(
                f"there is no such entry in the quarantine of {index} any more; it was written or dropped meanwhile"
            )
        return found

    def _run(self, entries: Sequence[Entry]) -> None:
        error: str | None = None
        try:
            with closing(
                retry_all(entries, self._store, self._generations.active, self._writer)
            ) as results:
                for item in results:
                    self._advance(item)
                    if self._closed.is_set():
                        break
        except StoppedError:
            error = "the process was stopped"
        except FlussoError as raised:
            error = str(raised)
            logger.error(
                "the retry of documents in quarantine ended: %s",
                error,
                extra={"action": "quarantine_retry"},
            )
        except BaseException:
            error = "an unexpected error; the log of this process has it"
            logger.exception(
                "the retry of documents in quarantine ended", extra={"action": "quarantine_retry"}
            )
            raise
        finally:
            with self._lock:
                assert self._progress is not None
                self._progress = replace(self._progress, running=False, error=error)

    def _advance(self, item: Retried) -> None:
        with self._lock:
            assert self._progress is not None
            self._progress = self._progress.after(item)

    def _writer(self, generation: Generation) -> DocumentWriter:
        dependencies = WriterDependencies(self._conninfo, self._clusters, self._store, self._clock)
        return DocumentWriter(generation, dependencies)


def _shown(entry: Entry) -> dict[str, Any]:
    """An entry without values of its row, except the id."""
    return {
        "index": entry.generation.index,
        "id": entry.id,
        "generation": entry.generation.physical,
        "at": entry.at,
        "reason": without_values(entry.reason),
    }
