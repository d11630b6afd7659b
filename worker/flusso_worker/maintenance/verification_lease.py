"""Which of several workers verifies an index: a document in `flusso_meta` that its holder keeps changing.

A lease expires when its document has not changed for a while by the observer's own clock: the clocks of two machines
are never compared.
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

from flusso_shared.clock import Clock
from flusso_worker.sinks.cluster import Cluster, path


class VerificationLease:
    """One worker's view of the lease of one index.  Owned by one thread."""

    def __init__(
        self, cluster: Cluster, index_prefix: str, index: str, patience: float, clock: Clock
    ) -> None:
        """`patience`: seconds without a change after which the lease has expired."""
        self._cluster = cluster
        self._index = index
        self._where = path(f"{index_prefix}flusso_meta", "_doc", f"verification:{index}")
        self._patience = patience
        self._clock = clock
        self._owner = uuid.uuid4().hex
        self._seen: tuple[int, int] | None = None
        self._since = 0.0

    def acquire_or_renew(self) -> bool:
        """Acquire the lease, or renew it; False while another worker has it.  Raises `RetryableError`."""
        reply = self._cluster.request("GET", self._where, allow=(HTTPStatus.NOT_FOUND,))
        known = reply.json()
        if "found" not in known:
            return False  # `flusso_meta` does not exist yet; the index keeper creates it
        if not known["found"]:
            return self._put({"op_type": "create"})
        seen = known["_seq_no"], known["_primary_term"]
        if known["_source"]["owner"] != self._owner and not self._expired(seen):
            return False
        return self._put({"if_seq_no": str(seen[0]), "if_primary_term": str(seen[1])})

    def release(self) -> None:
        """Give up the lease, if it is held here, so that another worker acquires it at once."""
        known = self._cluster.request("GET", self._where, allow=(HTTPStatus.NOT_FOUND,)).json()
        if known.get("found") and known["_source"]["owner"] == self._owner:
            params = {
                "if_seq_no": str(known["_seq_no"]),
                "if_primary_term": str(known["_primary_term"]),
            }
            allow = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
            self._cluster.request("DELETE", self._where, params=params, allow=allow)

    def _expired(self, seen: tuple[int, int]) -> bool:
        now = self._clock.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since >= self._patience

    def _put(self, params: dict[str, str]) -> bool:
        body: dict[str, Any] = {"kind": "verification", "index": self._index, "owner": self._owner}
        reply = self._cluster.request(
            "PUT", self._where, body, params, allow=(HTTPStatus.CONFLICT,)
        )
        return reply.status != HTTPStatus.CONFLICT
