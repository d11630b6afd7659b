"""`flusso-capture`: publishes every row change of the database to Kafka."""

from __future__ import annotations

import typer

from flusso_shared.process import command_line as shared

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def capture(
    config: shared.ConfigOption = None,
    lock: shared.LockOption = shared.DEFAULT_LOCK,
    locked: shared.LockedOption = False,
    slot: shared.SlotOption = "flusso",
    publication: shared.PublicationOption = "flusso",
    manage_publication: shared.ManagePublicationOption = None,
    manage_replica_identity: shared.ManageIdentityOption = None,
    on_lost_position: shared.LostPositionOption = None,
    skip_backfill: shared.SkipBackfillOption = False,
    public_address: shared.PublicOption = None,
    private_address: shared.PrivateOption = None,
    admin_user: shared.UserOption = shared.DEFAULT_USER,
    admin_password: shared.PasswordOption = shared.DEFAULT_PASSWORD,
    startup_timeout: shared.TimeoutOption = shared.DEFAULT_TIMEOUT,
    lag_poll_secs: shared.LagPollOption = 15,
    _version: shared.VersionOption = False,
) -> None:
    """Follow the write-ahead log and publish every row change to Kafka."""
    # Here, so that `--help` and `--version` do not pay for them.
    from flusso_capture.daemon import Capture, CaptureOptions, Process
    from flusso_shared import metrics
    from flusso_shared.changelog.kafka.log import KafkaLog
    from flusso_shared.config.choose import choose
    from flusso_shared.config.connections import queue_connection, source_conninfo
    from flusso_shared.plan.bind import every_spelling
    from flusso_shared.process import option_values
    from flusso_shared.process.environment import environment
    from flusso_shared.process.http import Credentials
    from flusso_shared.process.service import Core, Parts, serve

    project = choose(config, lock, locked=locked)
    source, queue = project.config.source, project.config.queue
    credentials = Credentials(admin_user, admin_password)
    addresses = option_values.addresses(project, public_address, private_address, credentials)
    core = Core(metrics.of_process("capture"))

    def make() -> Parts:
        options = CaptureOptions(
            conninfo=source_conninfo(source, environment()),
            slot=slot,
            publication=publication,
            manage_publication=option_values.given(manage_publication, source.manage_publication),
            manage_replica_identity=option_values.given(
                manage_replica_identity, source.manage_replica_identity
            ),
            on_lost_position=on_lost_position or source.on_lost_position,
            skip_backfill=skip_backfill,
            max_value_bytes=queue.max_value_bytes,
            lag_poll_seconds=lag_poll_secs,
            startup_timeout=option_values.timeout(startup_timeout),
        )
        links = every_spelling(project.plan.link_columns())
        log = KafkaLog(queue_connection(queue, environment()), keep=links)
        process = Process(core.metrics, core.status, core.clock, core.stop)
        daemon = Capture(options, project.plan, log, process)

        def work() -> None:
            try:
                daemon.run()
            finally:
                log.close()

        return {"capture": work}

    serve(core, addresses, make)


def main() -> None:
    """The command's entry point."""
    shared.execute(app)
