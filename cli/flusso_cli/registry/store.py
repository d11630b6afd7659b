"""The entries of processes in the bookkeeping index of one cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flusso_cli.registry.entry import KIND, Entry
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, path

_MAX_ENTRIES = 1000


class Registry:
    """Reads and writes entries.  Thread-safe.  Its methods raise `RetryableError` and `FatalError`."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._meta = f"{prefix}flusso_meta"
        self._store = GenerationStore(cluster, prefix)

    def put(self, entry: Entry) -> None:
        """Write the entry of this process."""
        # A write to an index that was deleted would create it with another mapping.
        self._store.ensure()
        self._cluster.request("PUT", self._where(entry), entry.to_json())

    def remove(self, entry: Entry) -> None:
        """Remove the entry of another process; no error when there is none."""
        self._cluster.request("DELETE", self._where(entry), allow=(HTTPStatus.NOT_FOUND,))

    def entries(self) -> list[Entry]:
        """All entries, by part, host and start; those that cannot be read are passed over."""
        query = {"size": _MAX_ENTRIES, "query": {"term": {"kind": KIND}}}
        where = path(self._meta, "_search")
        reply = self._cluster.request("POST", where, query, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            return []
        found = _readable(hit["_source"] for hit in reply.json()["hits"]["hits"])
        return sorted(found, key=lambda entry: (entry.part, entry.host, entry.started_at))

    def close(self) -> None:
        """Close the connections to the cluster."""
        self._cluster.close()

    def _where(self, entry: Entry) -> str:
        return path(self._meta, "_doc", f"{KIND}:{entry.id}")


def _readable(sources: Iterable[Mapping[str, Any]]) -> list[Entry]:
    found: list[Entry] = []
    for source in sources:
        try:
            found.append(Entry.from_json(source))
        except TypeError:
            # Another version wrote it.
            continue
    return found
