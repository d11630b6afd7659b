"""The options of a worker, from its command line, its configuration and the environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flusso_shared.config.connections import opensearch_connections, source_conninfo
from flusso_shared.config.model import OnError, OpenSearchConnection, StdoutSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.process import option_values
from flusso_shared.process.environment import environment
from flusso_worker.generations.applied_options import AppliedOptions, applied_options
from flusso_worker.generations.schema_order import DEFAULT_HEARTBEAT, HeartbeatOptions
from flusso_worker.quarantine.quarantine import DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Where the worker reads and writes."""

    conninfo: Conninfo
    topic_prefix: str
    index_prefix: str
    opensearch: tuple[OpenSearchConnection, ...]
    """Sorted by name; the first contains `flusso_meta`."""
    stdout: tuple[StdoutSinkConfig, ...]
    policy: Callable[[str], OnError]
    """`on_error` of an index (`Config.policy`)."""
    limit: Callable[[str], int] = lambda _index: DEFAULT_LIMIT
    """`quarantine_limit` of an index (`Config.limit`)."""
    heartbeat: HeartbeatOptions = DEFAULT_HEARTBEAT
    """Intervals of the heartbeats between workers."""
    startup_timeout: float | None = None
    """Seconds to wait for a server that has never answered; None waits without limit."""

    def applied(self, plan: Plan) -> dict[str, AppliedOptions]:
        """Per index of `plan` what changes without building it again."""
        return {
            index.name: applied_options(index, self.policy(index.name), self.limit(index.name))
            for index in plan.indexes
        }


def worker_options(
    project: Project, index_prefix: str | None, startup_timeout: float, *, pretty: bool = False
) -> WorkerOptions:
    """The options that follow from the configuration and the environment.  Without any sink there is one on stdout."""
    config, env = project.config, environment()
    stdout = tuple(sink for sink in config.sinks if isinstance(sink, StdoutSinkConfig))
    if not config.sinks:
        stdout = (StdoutSinkConfig(name="stdout", type="stdout", pretty=pretty),)
    return WorkerOptions(
        conninfo=source_conninfo(config.source, env),
        topic_prefix=config.queue.topic_prefix,
        index_prefix=option_values.index_prefix(project, index_prefix),
        opensearch=opensearch_connections(config, env),
        stdout=stdout,
        policy=config.policy,
        limit=config.limit,
        startup_timeout=option_values.timeout(startup_timeout),
    )
