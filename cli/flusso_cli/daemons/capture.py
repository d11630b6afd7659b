"""`flusso-capture`: publishes every row change of the database to Kafka."""

from __future__ import annotations

from contextlib import closing

from flusso_shared.process import command_line
from flusso_shared.process.commands import App

app = App()


@app.command()
def capture(
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    slot: command_line.SlotOption = "flusso",
    publication: command_line.PublicationOption = "flusso",
    manage_publication: command_line.ManagePublicationOption = None,
    manage_replica_identity: command_line.ManageIdentityOption = None,
    on_lost_position: command_line.LostPositionOption = None,
    skip_backfill: command_line.SkipBackfillOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    public_address: command_line.PublicOption = None,
    private_address: command_line.PrivateOption = None,
    private_cert: command_line.CertOption = None,
    private_key: command_line.KeyOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
    startup_timeout: command_line.TimeoutOption = command_line.DEFAULT_TIMEOUT,
    stall_timeout: command_line.StallOption = command_line.DEFAULT_STALL_TIMEOUT,
    lag_poll_secs: command_line.LagPollOption = 15,
    _version: command_line.VersionOption = False,
) -> None:
    """Follow the write-ahead log and publish every row change to Kafka."""
    # Here, so that `--help` and `--version` do not pay for them.
    from flusso_capture.daemon import Capture
    from flusso_capture.options import CaptureContext, capture_options
    from flusso_cli.daemons.administration import administered
    from flusso_cli.daemons.presence import Myself, present
    from flusso_cli.daemons.start_line import started
    from flusso_shared.changelog.kafka.log import KafkaLog
    from flusso_shared.changelog.kafka.probe import KafkaProbe
    from flusso_shared.config.choose import choose
    from flusso_shared.config.connections import queue_connection
    from flusso_shared.plan.bind import every_spelling
    from flusso_shared.postgres.probe import PostgresProbe
    from flusso_shared.process import option_values
    from flusso_shared.process.environment import environment
    from flusso_shared.process.server_watch import Probe, watching
    from flusso_shared.process.service import Parts, Surfaces, core_of, serve

    project, file = choose(config, lock, locked=locked)
    queue = project.config.queue
    addresses = option_values.addresses(
        project,
        (public_address, private_address),
        (admin_user, admin_password),
        (private_cert, private_key),
    )
    prefix = option_values.index_prefix(project, index_prefix)
    core = core_of(stall_timeout, "capture")

    def make(surfaces: Surfaces) -> Parts:
        options = capture_options(
            project,
            slot=slot,
            publication=publication,
            manage_publication=manage_publication,
            manage_replica_identity=manage_replica_identity,
            on_lost_position=on_lost_position,
            skip_backfill=skip_backfill,
            lag_poll_seconds=lag_poll_secs,
            startup_timeout=startup_timeout,
        )
        links = every_spelling(project.plan.link_columns())
        log = KafkaLog(queue_connection(queue, environment()), keep=links)
        context = CaptureContext(
            core.metrics, core.status, core.clock, core.stop, tracer=core.telemetry.tracer
        )
        daemon = Capture(options, project.plan, log, context)

        probes: list[Probe] = [PostgresProbe(options.conninfo), KafkaProbe(log)]
        myself = Myself(
            "capture",
            project,
            prefix,
            surfaces,
            slot=slot,
            publication=publication,
        )

        announce = started(myself, file, core.status, skips_snapshots=skip_backfill)

        def work() -> None:
            with (
                closing(log),
                administered(project, index_prefix, log, core),
                present(myself, core, log),
                watching(core.status, core.metrics, core.stop, probes, announce),
            ):
                daemon.run()

        return {"capture": work}

    serve(core, addresses, make)


def main() -> None:
    """The command's entry point."""
    command_line.execute(app)
