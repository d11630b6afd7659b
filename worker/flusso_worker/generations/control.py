"""Control records in the bookkeeping index: where `flusso run` stores the lineage of the slot."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, path


class OpenSearchControl:
    """A `Control` in one document per slot.  Only the process that owns the slot writes it.

    What OpenSearch refuses at the first request is a `FatalError`: the configuration is wrong.  Once it has accepted a
    request it may accept the next one again, when an operator has repaired what it refuses for: that is a `RetryableError`.
    """

    def __init__(self, cluster: Cluster, prefix: str, slot: str) -> None:
        self._cluster = cluster
        self._path = path(f"{prefix}flusso_meta", "_doc", f"control:{slot}")
        self._store = GenerationStore(cluster, prefix)
        self._lock = threading.Lock()
        """One writer at a time: all records are one document."""
        self._accepted = False

    def load(self) -> dict[str, dict[str, Any]]:
        with self._refused_for_now():
            return self._load()

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        with self._lock, self._refused_for_now():
            self._store.ensure()
            records = {**self._load(), key: dict(value)}
            self._cluster.request("PUT", self._path, {"kind": "control", "records": records})

    def _load(self) -> dict[str, dict[str, Any]]:
        reply = self._cluster.request("GET", self._path, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            return {}
        records: dict[str, dict[str, Any]] = reply.json()["_source"]["records"]
        return records

    @contextmanager
    def _refused_for_now(self) -> Iterator[None]:
        try:
            yield
        except FatalError as error:
            if not self._accepted:
                raise
            raise RetryableError(str(error)) from error
        self._accepted = True
