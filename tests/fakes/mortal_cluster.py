"""A connection to OpenSearch whose process dies after some request."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from flusso_shared.config.model import OpenSearchConnection
from flusso_worker.sinks.cluster import Cluster, Reply

_WRITES = ("PUT", "POST", "DELETE")


class DeathError(BaseException):
    """The process ends here."""


class MortalCluster(Cluster):
    """Dies right after its `dies_after`th request that changes something; then no request is made any more."""

    def __init__(self, given: OpenSearchConnection, dies_after: int | None = None) -> None:
        super().__init__(given)
        self.dead = threading.Event()
        """Set it to have the process die at its next request, or at the end of the one under way."""
        self._dies_after = dies_after
        self._changes = 0

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
    ) -> Reply:
        if self.dead.is_set():
            raise DeathError
        reply = super().request(method, path, body, params, allow)
        if method in _WRITES and not path.endswith(("/_search", "/_refresh")):
            self._changes += 1
            if self._changes == self._dies_after:
                self.dead.set()
        if self.dead.is_set():
            raise DeathError
        return reply
