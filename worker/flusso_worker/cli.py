"""`flusso-worker`: builds the documents that changes touch and writes them to the sinks."""

from __future__ import annotations

import typer

from flusso_shared import metrics
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.clock import Clock
from flusso_shared.config import lock as locks
from flusso_shared.config.connections import (
    opensearch_connections,
    queue_connection,
    source_conninfo,
)
from flusso_shared.config.model import StdoutSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.plan.model import Plan
from flusso_shared.process import command_line as shared
from flusso_shared.process.environment import environment
from flusso_shared.process.http import Credentials
from flusso_shared.process.service import Core, Parts, serve
from flusso_shared.seams import ChangeLog
from flusso_worker.administration import WorkerAdministration
from flusso_worker.daemon import Worker, WorkerOptions
from flusso_worker.pipeline.stages import Process
from flusso_worker.sinks.cluster import Cluster

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def worker_options(
    project: Project, index_prefix: str | None, startup_timeout: float, *, pretty: bool = False
) -> WorkerOptions:
    """What the configuration and the environment come to.  Without any sink there is one on stdout."""
    config, env = project.config, environment()
    stdout = tuple(sink for sink in config.sinks if isinstance(sink, StdoutSinkConfig))
    if not config.sinks:
        stdout = (StdoutSinkConfig(name="stdout", type="stdout", pretty=pretty),)
    return WorkerOptions(
        conninfo=source_conninfo(config.source, env),
        topic_prefix=config.queue.topic_prefix,
        index_prefix=shared.index_prefix(project, index_prefix),
        opensearch=opensearch_connections(config, env),
        stdout=stdout,
        policy=config.policy,
        limit=config.limit,
        startup_timeout=shared.timeout(startup_timeout),
    )


def administration_of(
    options: WorkerOptions, plan: Plan, log: ChangeLog, clock: Clock
) -> WorkerAdministration:
    """What the private surface can ask of a process with a worker in it."""
    cluster = Cluster(options.opensearch[0]) if options.opensearch else None
    prefixes = (options.index_prefix, options.topic_prefix)
    return WorkerAdministration(plan, cluster, prefixes, log, clock)


@app.command()
def worker(
    config: shared.ConfigOption = None,
    lock: shared.LockOption = shared.DEFAULT_LOCK,
    locked: shared.LockedOption = False,
    index_prefix: shared.IndexPrefixOption = None,
    public_address: shared.PublicOption = None,
    private_address: shared.PrivateOption = None,
    admin_user: shared.UserOption = shared.DEFAULT_USER,
    admin_password: shared.PasswordOption = shared.DEFAULT_PASSWORD,
    startup_timeout: shared.TimeoutOption = shared.DEFAULT_TIMEOUT,
    _version: shared.VersionOption = False,
) -> None:
    """Consume row changes from Kafka and keep the indexes equal to the database."""
    project = locks.choose(config, lock, locked=locked)
    credentials = Credentials(admin_user, admin_password)
    addresses = shared.addresses(project, public_address, private_address, credentials)
    core = Core(metrics.of_process("worker"))

    def make() -> Parts:
        options = worker_options(project, index_prefix, startup_timeout)
        log = KafkaLog(queue_connection(project.config.queue, environment()))
        process = Process(log, core.metrics, core.status)
        daemon = Worker(options, project.plan, process, core.clock, core.stop)
        administration = administration_of(options, project.plan, log, core.clock)
        core.reception.administration = administration

        def work() -> None:
            try:
                daemon.run()
            finally:
                core.reception.administration = None
                administration.close()
                log.close()

        return {"worker": work}

    serve(core, addresses, make)


def main() -> None:
    """The command's entry point."""
    shared.execute(app)
