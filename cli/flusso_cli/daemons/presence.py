"""How a process shows itself and the deployment: its entry in the registry, and `GET /overview`."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from flusso_cli.overview.connect import from_inside
from flusso_cli.overview.observer import Observer
from flusso_cli.registry import advertised
from flusso_cli.registry.entry import Entry, Part
from flusso_cli.registry.heartbeat import Heartbeat
from flusso_cli.registry.store import Registry
from flusso_shared import release
from flusso_shared.config.connections import opensearch_connections
from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.process.environment import environment
from flusso_shared.process.service import Core, Surfaces
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.sinks.cluster import Cluster

_CONNECTIONS = 1


@dataclass(frozen=True, slots=True)
class Myself:
    """What a process knows of itself."""

    part: Part
    project: Project
    prefix: str
    """Of the indexes."""
    surfaces: Surfaces
    slot: str | None = None
    """Set if it captures, and so is `publication`."""
    publication: str | None = None
    started_at: float = field(default_factory=time.time)


@contextmanager
def present(
    myself: Myself, core: Core, log: ChangeLog, local: LocalStore | None = None
) -> Iterator[None]:
    """Within the block the process is in the registry, if there is an OpenSearch sink, and gives the overview.

    `local` is the bookkeeping of a worker without an OpenSearch sink.  Raises nothing, and waits for no server.
    """

    def connect() -> Registry:
        # The process may lack what the sink needs: capture writes documents to none.
        first = opensearch_connections(myself.project.config, environment())[0]
        return Registry(Cluster(first, _CONNECTIONS), myself.prefix)

    def describe() -> Entry:
        return _entry(myself, core.status.id)

    with ExitStack() as stack:
        if any(isinstance(sink, OpenSearchSinkConfig) for sink in myself.project.config.sinks):
            stack.enter_context(Heartbeat(connect, describe))
        window = _Window(myself, core.status.id, log, local)
        stack.callback(window.close)
        core.overview_slot.look = window.look
        try:
            yield
        finally:
            core.overview_slot.look = None


class _Window:
    """Looks at the deployment.  Connects at the first look, which may never come."""

    def __init__(self, myself: Myself, id: str, log: ChangeLog, local: LocalStore | None) -> None:
        self._myself, self._id = myself, id
        self._log, self._local = log, local
        self._lock = threading.Lock()
        self._connections = ExitStack()
        self._observer: Observer | None = None

    def look(self) -> Mapping[str, Any]:
        with self._lock:
            if self._observer is None:
                self._observer = Observer(
                    from_inside(
                        self._myself.project,
                        self._myself.prefix,
                        lambda: _entry(self._myself, self._id),
                        self._log,
                        self._local,
                        self._connections,
                    )
                )
            observer = self._observer
        return observer.look().to_json()

    def close(self) -> None:
        self._connections.close()


def _entry(myself: Myself, id: str) -> Entry:
    """May wait for a name server."""
    own = advertised.own_address()
    surfaces = myself.surfaces
    return Entry(
        id=id,
        part=myself.part,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=release.version(),
        revision=release.revision(),
        public=advertised.url(surfaces.public, own),
        private=advertised.url(surfaces.private, own, tls=surfaces.tls),
        started_at=myself.started_at,
        slot=myself.slot,
        publication=myself.publication,
    )
