"""What a deployment has put on record of its indexes and its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from flusso_cli.registry.entry import Entry
from flusso_cli.registry.store import Registry
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.record import Generation, Known
from flusso_worker.generations.store import GenerationStore
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Records:
    """All of it, as read at one moment."""

    known: Mapping[str, Known] = field(default_factory=dict)
    """By index."""
    entries: Sequence[Entry] = ()

    @property
    def generations(self) -> list[Generation]:
        """The generations that have a group."""
        return [
            item.generation
            for known in self.known.values()
            for item in known.stored
            if item.generation.state in ("seeding", "live")
        ]


class Bookkeeping(Protocol):
    """Where the records are.  Its methods raise `RetryableError` and `FatalError`."""

    has_registry: bool
    """Whether all processes of the deployment are in the records."""

    def records(self) -> Records: ...

    def quarantine(self) -> Mapping[str, int] | None:
        """The number of documents in quarantine by index; None where there is no quarantine."""
        ...


class Stored:
    """In the first OpenSearch sink."""

    has_registry = True

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._generations = GenerationStore(cluster, prefix)
        self._registry = Registry(cluster, prefix)
        self._quarantine = QuarantineStore(cluster, prefix)

    def records(self) -> Records:
        store = self._generations
        known = store.read_indexes(store.indexes())
        return Records(known, self._registry.entries())

    def quarantine(self) -> Mapping[str, int]:
        return self._quarantine.counts()


class Local:
    """In the memory of this process, which has no OpenSearch sink."""

    has_registry = False

    def __init__(self, store: LocalStore, indexes: Sequence[str]) -> None:
        self._store = store
        self._indexes = indexes

    def records(self) -> Records:
        found = {index: self._store.read_index(index) for index in self._indexes}
        return Records({index: known for index, known in found.items() if known.stored})

    def quarantine(self) -> None:
        return None


def version(cluster: Cluster) -> str | None:
    """The version of a cluster; None where the user may not ask for it."""
    reply = cluster.request("GET", "/", allow=(HTTPStatus.FORBIDDEN,))
    if reply.status == HTTPStatus.FORBIDDEN:
        return None
    found = reply.json().get("version", {}).get("number")
    return None if found is None else str(found)
