"""The entry of this process in the registry, from its options and the addresses where it listens."""

from __future__ import annotations

import os
import socket
import time
from contextlib import AbstractContextManager, nullcontext

from flusso_cli.registry import advertised
from flusso_cli.registry.entry import Entry, Part
from flusso_cli.registry.heartbeat import Heartbeat
from flusso_cli.registry.store import Registry
from flusso_shared import release
from flusso_shared.config.connections import opensearch_connections
from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.process.environment import environment
from flusso_shared.process.service import Surfaces
from flusso_shared.status import Status
from flusso_worker.sinks.cluster import Cluster

_CONNECTIONS = 1


def registered(
    part: Part,
    project: Project,
    prefix: str,
    status: Status,
    surfaces: Surfaces,
    *,
    slot: str | None = None,
    publication: str | None = None,
) -> AbstractContextManager[object]:
    """Within the block this process is in the registry; without an OpenSearch sink there is none."""
    if not any(isinstance(sink, OpenSearchSinkConfig) for sink in project.config.sinks):
        return nullcontext()
    started_at = time.time()

    def connect() -> Registry:
        # The process may lack what a sink needs: capture reaches no sink.
        first = opensearch_connections(project.config, environment())[0]
        return Registry(Cluster(first, _CONNECTIONS), prefix)

    def describe() -> Entry:
        own = advertised.own_address()
        return Entry(
            id=status.id,
            part=part,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=release.version(),
            revision=release.revision(),
            public=advertised.url(surfaces.public, own),
            private=advertised.url(surfaces.private, own, tls=surfaces.tls),
            started_at=started_at,
            slot=slot,
            publication=publication,
        )

    return Heartbeat(connect, describe)
