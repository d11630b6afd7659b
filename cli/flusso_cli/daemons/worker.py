"""`flusso-worker`: builds the documents that changes touch and writes them to the sinks."""

from __future__ import annotations

from contextlib import closing

from flusso_shared.process import command_line
from flusso_shared.process.commands import App

app = App()


@app.command()
def worker(
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    public_address: command_line.PublicOption = None,
    private_address: command_line.PrivateOption = None,
    private_cert: command_line.CertOption = None,
    private_key: command_line.KeyOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
    startup_timeout: command_line.TimeoutOption = command_line.DEFAULT_TIMEOUT,
    stall_timeout: command_line.StallOption = command_line.DEFAULT_STALL_TIMEOUT,
    _version: command_line.VersionOption = False,
) -> None:
    """Consume row changes from Kafka and keep the indexes equal to the database."""
    # Here, so that `--help` and `--version` do not pay for them.
    from flusso_cli.daemons.presence import Myself, present
    from flusso_cli.daemons.start_line import started
    from flusso_shared.changelog.kafka.log import KafkaLog
    from flusso_shared.changelog.kafka.probe import KafkaProbe
    from flusso_shared.config.choose import choose
    from flusso_shared.config.connections import queue_connection
    from flusso_shared.postgres.probe import PostgresProbe
    from flusso_shared.process import option_values
    from flusso_shared.process.environment import environment
    from flusso_shared.process.server_watch import Probe, watching
    from flusso_shared.process.service import Parts, Surfaces, core_of, serve
    from flusso_worker.administration import WorkerAdministration
    from flusso_worker.daemon import Worker
    from flusso_worker.options import worker_options
    from flusso_worker.pipeline.spec import WorkerContext
    from flusso_worker.sinks.probe import OpenSearchProbe

    project, file = choose(config, lock, locked=locked)
    addresses = option_values.addresses(
        project,
        (public_address, private_address),
        (admin_user, admin_password),
        (private_cert, private_key),
        option_values.WORKER_ADDRESSES,
    )
    core = core_of(stall_timeout, "worker")

    def make(surfaces: Surfaces) -> Parts:
        options = worker_options(project, index_prefix, startup_timeout)
        tracer = core.telemetry.tracer
        log = KafkaLog(queue_connection(project.config.queue, environment()), traced=tracer.enabled)
        context = WorkerContext(log, core.metrics, core.status, tracer=tracer)
        daemon = Worker(options, project.plan, context, core.clock, core.stop)
        administration = WorkerAdministration(
            options, project.plan, log, core.clock, daemon.local_store
        )

        clusters = [OpenSearchProbe(each) for each in options.opensearch]
        probes: list[Probe] = [PostgresProbe(options.conninfo), KafkaProbe(log), *clusters]
        myself = Myself("worker", project, options.index_prefix, surfaces)

        announce = started(myself, file, core.status)

        def work() -> None:
            with (
                closing(log),
                core.administration_slot.holding(administration),
                present(myself, core, log, daemon.local_store),
                watching(core.status, core.metrics, core.stop, probes, announce),
            ):
                daemon.run()

        return {"worker": work}

    serve(core, addresses, make)


def main() -> None:
    """The command's entry point."""
    command_line.execute(app)
