"""Asks the cluster of one sink whether it answers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from flusso_shared.config.model import OpenSearchConnection
from flusso_shared.errors import RetryableError
from flusso_worker.sinks.cluster import Cluster

_CONNECTIONS = 1
_TIMEOUT_SECONDS = 5
"""Of a request.  Silence counts before that (`health.servers`); the next request shows sooner that it is over."""


class OpenSearchProbe:
    """A `process.server_watch.Probe`."""

    def __init__(self, connection: OpenSearchConnection) -> None:
        self._nodes = len(connection.urls)
        config = connection.config.model_copy(update={"timeout_secs": _TIMEOUT_SECONDS})
        own = connection.model_copy(update={"config": config})
        self._cluster = Cluster(own, _CONNECTIONS)

    @property
    def server(self) -> str:
        return f"opensearch {self._cluster.name}"

    def ask(self) -> str | None:
        """Ask one node after the other, until one answers.  Raises `RetryableError` and `FatalError`."""
        for _ in range(self._nodes - 1):
            try:
                return self._ask_once()
            except RetryableError:
                continue  # the next request goes to another node
        return self._ask_once()

    def _ask_once(self) -> str | None:
        # 403: the user may not ask for the name of the cluster, but the cluster knows it.
        reply = self._cluster.request("GET", "/", allow=(HTTPStatus.FORBIDDEN,))
        found = reply.json() if reply.status == HTTPStatus.OK else {}
        version = found.get("version") if isinstance(found, Mapping) else None
        number = version.get("number") if isinstance(version, Mapping) else None
        return None if number is None else str(number)

    def close(self) -> None:
        self._cluster.close()
