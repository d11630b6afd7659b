"""Control records in the bookkeeping index: where `flusso run` keeps the lineage over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flusso_worker.generation_store import GenerationStore
from flusso_worker.opensearch import Cluster, path

_NOT_FOUND = 404
_ID = "control:"
_KEYS = ("lineage",)


class OpenSearchControl:
    """A `Control` for the keys that outlive a process."""

    def __init__(self, cluster: Cluster, prefix: str, slot: str) -> None:
        """Records of different slots do not meet."""
        self._cluster = cluster
        self._meta = f"{prefix}flusso_meta"
        self._slot = slot
        self._store = GenerationStore(cluster, prefix)

    def load(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for key in _KEYS:
            reply = self._cluster.request("GET", self._path(key), allow=(_NOT_FOUND,))
            if reply.status != _NOT_FOUND:
                found[key] = dict(reply.json()["_source"]["value"])
        return found

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        self._store.ensure()
        self._cluster.request("PUT", self._path(key), {"kind": "control", "value": dict(value)})

    def _path(self, key: str) -> str:
        return path(self._meta, "_doc", f"{_ID}{self._slot}:{key}")
