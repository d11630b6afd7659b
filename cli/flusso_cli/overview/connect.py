"""The deployment of a configuration, from outside and from one of its processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache

from flusso_cli.overview.bookkeeping import Local, Stored
from flusso_cli.overview.model import Sink
from flusso_cli.overview.target import Target
from flusso_cli.registry.entry import Entry
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.config.connections import (
    opensearch_connection,
    queue_connection,
    source_conninfo,
)
from flusso_shared.config.model import OpenSearchSinkConfig, QueueConnection, SinkConfig
from flusso_shared.config.project import Project
from flusso_shared.config.server_addresses import redacted
from flusso_shared.errors import ConfigError, FlussoError
from flusso_shared.process.environment import environment
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.sinks.cluster import Cluster


def from_outside(project: Project, prefix: str, slot: str | None, stack: ExitStack) -> Target:
    """The deployment seen from a command, over its servers; `stack` closes the connections.

    `slot` None means that of the capture that runs.

    Raises `ConfigError` and `FatalError` for connections that cannot be used.
    """
    sinks = [_sink(config, stack) for config in project.config.sinks]

    @cache
    def connection() -> QueueConnection:
        return queue_connection(project.config.queue, environment())

    @cache
    def log() -> ChangeLog:
        opened = KafkaLog(connection())
        stack.callback(opened.close)
        return opened

    try:
        log_name = f"Kafka at {connection().bootstrap_servers}"
    except ConfigError:
        # A deployment of `flusso run` needs none; where it is needed, the error is that of `log`.
        log_name = "Kafka"
    seen = _target(project, prefix, sinks, log, log_name)
    return replace(seen, slot=slot)


def from_inside(
    project: Project,
    prefix: str,
    own: Callable[[], Entry],
    log: ChangeLog,
    local: LocalStore | None,
    stack: ExitStack,
) -> Target:
    """The deployment seen from one of its processes, which reads or writes `log`, and may have a `local` bookkeeping.

    A sink that this process cannot use is shown with the reason: capture writes to none.
    """
    sinks: list[tuple[Sink, Cluster | None]] = []
    for config in project.config.sinks:
        try:
            sinks.append(_sink(config, stack))
        except FlussoError as error:
            sinks.append((Sink(config.name, config.type, "-", error=str(error)), None))
    seen = _target(project, prefix, sinks, lambda: log, log.where)
    if seen.bookkeeping is None and local is not None:
        names = [index.name for index in project.plan.indexes]
        seen = replace(seen, bookkeeping=Local(local, names))
    return replace(seen, own=cache(own), in_memory=not log.durable)


def _target(
    project: Project,
    prefix: str,
    sinks: Sequence[tuple[Sink, Cluster | None]],
    log: Callable[[], ChangeLog],
    log_name: str,
) -> Target:
    clusters = [cluster for sink, cluster in sinks if sink.kind == "opensearch"]
    # The records in the first one count; another is no substitute where that cannot be used.
    first = clusters[0] if clusters else None
    return Target(
        plan=project.plan,
        index_prefix=prefix,
        topic_prefix=project.config.queue.topic_prefix,
        conninfo=cache(lambda: source_conninfo(project.config.source, environment())),
        log=log,
        log_name=log_name,
        bookkeeping=Stored(first, prefix) if first is not None else None,
        sinks=sinks or [(Sink("stdout", "stdout", "stdout"), None)],
    )


def _sink(config: SinkConfig, stack: ExitStack) -> tuple[Sink, Cluster | None]:
    if not isinstance(config, OpenSearchSinkConfig):
        return Sink(config.name, config.type, "stdout"), None
    connection = opensearch_connection(config, environment())
    cluster = Cluster(connection)
    stack.callback(cluster.close)
    address = ", ".join(map(redacted, connection.urls))
    return Sink(config.name, config.type, address), cluster
