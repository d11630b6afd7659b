"""What the administration commands connect to: a running process over HTTP, or the servers that a configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.config.choose import needed_project
from flusso_shared.config.connections import (
    opensearch_connections,
    queue_connection,
    source_conninfo,
)
from flusso_shared.config.model import OpenSearchConnection
from flusso_shared.config.project import Project
from flusso_shared.errors import ConfigError, FatalError, RetryableError
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.process import option_values
from flusso_shared.process.environment import environment
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster

Format = Literal["human", "json"]
FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]
JsonOption = Annotated[
    bool, typer.Option("--json", envvar="FLUSSO_JSON", help="Print one JSON document.")
]
SqlOption = Annotated[
    bool, typer.Option("--sql", envvar="FLUSSO_SQL", help="Show the SQL as well.")
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="FLUSSO_SERVER",
        help="Private address of a running process to ask, instead of OpenSearch and Kafka: host:port or a URL.",
    ),
]
ServerCaOption = Annotated[
    Path | None,
    typer.Option(
        "--server-ca",
        envvar="FLUSSO_SERVER_CA",
        exists=True,
        dir_okay=False,
        help="File of the certificates (PEM) to verify that process with; then it is asked by https.",
    ),
]


class Deployment:
    """The servers of one configuration.  Make it with `deployment`."""

    def __init__(self, project: Project, index_prefix: str | None) -> None:
        self.project = project
        self.prefix = option_values.index_prefix(project, index_prefix)
        self.topic_prefix = project.config.queue.topic_prefix
        connections = self._connections()
        self.clusters = [Cluster(connection) for connection in connections]
        """The OpenSearch sinks by name; the records in the first are authoritative."""
        self.store = GenerationStore(self.clusters[0], self.prefix)
        self.quarantine = QuarantineStore(self.clusters[0], self.prefix)
        self._log: KafkaLog | None = None

    @property
    def conninfo(self) -> Conninfo:
        """The database."""
        return source_conninfo(self.project.config.source, environment())

    def check_addresses(self) -> None:
        """Raises `ConfigError` for addresses that cannot be used, before anything connects."""
        env, queue = environment(), self.project.config.queue
        source_conninfo(self.project.config.source, env)
        if queue.model_fields_set or "KAFKA_BOOTSTRAP_SERVERS" in env:
            queue_connection(queue, env)

    @property
    def log(self) -> KafkaLog:
        """The change log in Kafka, connected at the first request."""
        if self._log is None:
            self._log = KafkaLog(queue_connection(self.project.config.queue, environment()))
        return self._log

    @property
    def indexes(self) -> list[str]:
        """The names of the enabled indexes."""
        return [index.name for index in self.project.plan.indexes]

    def check_index(self, name: str) -> str:
        """A name as it was given -> the index; raises `FatalError` when there is none."""
        folded = name.strip().lower()
        if folded not in self.indexes:
            raise FatalError(f"unknown index {name}; there are {', '.join(self.indexes) or 'none'}")
        return folded

    def live(self, index: str) -> Generation:
        """The generation that queries see.  Raises `FatalError` when there is none."""
        live = self.store.read_index(index).live
        if live is None:
            raise FatalError(f"index {index} has no live generation yet: it is still being seeded")
        return live.generation

    def close(self) -> None:
        for cluster in self.clusters:
            cluster.close()
        if self._log is not None:
            self._log.close()

    def _connections(self) -> tuple[OpenSearchConnection, ...]:
        connections = opensearch_connections(self.project.config, environment())
        if not connections:
            raise ConfigError("the configuration has no OpenSearch sink")
        return connections


@contextmanager
def deployment(project: Project, index_prefix: str | None) -> Iterator[Deployment]:
    """The servers of `project`, until the block ends."""
    with ExitStack() as stack:
        opened = Deployment(project, index_prefix)
        stack.callback(opened.close)
        yield opened


@contextmanager
def chosen_deployment(
    config: Path | None, lock: Path, index_prefix: str | None, *, locked: bool
) -> Iterator[Deployment]:
    """The servers of the configuration that the options choose.  Raises `ConfigError` where there is none."""
    project, _ = needed_project(config, lock, locked=locked)
    with deployment(project, index_prefix) as servers:
        yield servers


@contextmanager
def one_attempt() -> Iterator[None]:
    """A block whose transient errors end the command, with what to do; daemons retry these."""
    try:
        yield
    except RetryableError as error:
        raise FatalError(
            f"{error}; check that the server runs, and its address in the configuration and the environment, then run"
            " the command again"
        ) from error


def console(*, stderr: bool = False) -> Console:
    """Plain text: no markup, no emoji (ids may contain `:on:`), no highlighting, no wrapping where stdout is no terminal."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
