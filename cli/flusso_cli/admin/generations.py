"""Access to generations: through a running process with `--server`, else through their records in OpenSearch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from flusso_cli.admin.deployment import Deployment, deployment
from flusso_cli.admin.remote import Access, Remote, has_records
from flusso_shared.config.choose import find_project
from flusso_worker.generations import pause, reindex
from flusso_worker.generations.pause import Positions
from flusso_worker.generations.record import Known
from flusso_worker.generations.view import GenerationView, views


class Bookkeeping(Protocol):
    """The operations that both ways offer."""

    def generations(self) -> list[GenerationView]:
        """Every generation."""
        ...

    def reindex(self, index: str) -> str:
        """Request a new generation; returns the answer for the operator."""
        ...

    def cancel(self, index: str) -> str:
        """Cancel that request."""
        ...

    def take_over(self, index: str) -> str:
        """Make the schema of the configuration, or of the process, the newest; returns the answer for the operator."""
        ...

    def pause(self, index: str) -> str:
        """Pause an index; returns the answer for the operator."""
        ...

    def resume(self, index: str) -> str:
        """Resume it; returns the answer for the operator."""
        ...


class Direct:
    """The bookkeeping in OpenSearch, and Kafka's groups for the lag."""

    def __init__(self, servers: Deployment) -> None:
        self._servers = servers

    def generations(self) -> list[GenerationView]:
        store = self._servers.store
        names = dict.fromkeys([*self._servers.indexes, *store.indexes()])
        return [view for name in names for view in self._views(store.read_index(name))]

    def reindex(self, index: str) -> str:
        return reindex.ask(self._servers.store, self._servers.check_index(index), time.time())

    def cancel(self, index: str) -> str:
        return reindex.cancel(self._servers.store, self._servers.check_index(index))

    def take_over(self, index: str) -> str:
        name = self._servers.check_index(index)
        (hash,) = [item.hash for item in self._servers.project.plan.indexes if item.name == name]
        return reindex.take_over(self._servers.store, name, hash)

    def pause(self, index: str) -> str:
        name = self._servers.check_index(index)
        return pause.pause(self._servers.store, name, self._positions, time.time())

    def resume(self, index: str) -> str:
        name = self._servers.check_index(index)
        return pause.resume(self._servers.store, name, self._positions, time.time())

    @property
    def _positions(self) -> Positions:
        return Positions(lambda: self._servers.log.groups, self._servers.topic_prefix)

    def _views(self, known: Known) -> list[GenerationView]:
        # Only its own process knows the offsets of a log in memory.
        in_kafka = all(item.generation.durable for item in known.stored)
        groups = self._servers.log.groups if known.stored and in_kafka else None
        return views(known, groups, self._servers.topic_prefix)


@contextmanager
def bookkeeping(
    access: Access,
    files: tuple[Path | None, Path, bool],
    index_prefix: str | None,
) -> Iterator[Bookkeeping]:
    """A process that is named, else the servers of the configuration here, else a process at the default address."""
    config, lock, locked = files
    found = None if access.server is not None else find_project(config, lock, locked=locked)
    if found is None or not has_records(found[0]):
        remote = Remote(access if found is None else access.instead_of_servers(found[0]))
        try:
            yield remote
        finally:
            remote.close()
        return
    with deployment(found[0], index_prefix) as servers:
        yield Direct(servers)
