"""`flusso run`: capture and worker in one process over a change log in memory."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from flusso_capture.daemon import Capture
from flusso_capture.options import CaptureContext, capture_options
from flusso_cli.daemons.presence import Myself, present
from flusso_cli.daemons.start_line import started
from flusso_shared.changelog.memory.log import CAPACITY, MemoryLog
from flusso_shared.config.choose import choose
from flusso_shared.postgres.probe import PostgresProbe
from flusso_shared.process import command_line, option_values
from flusso_shared.process.server_watch import Probe, watching
from flusso_shared.process.service import Core, Parts, Surfaces, core_of, serve
from flusso_worker.administration import WorkerAdministration
from flusso_worker.daemon import Worker
from flusso_worker.generations.control import OpenSearchControl
from flusso_worker.options import WorkerOptions, worker_options
from flusso_worker.pipeline.spec import WorkerContext
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.probe import OpenSearchProbe

_READY_POLL_SECONDS = 0.5
_EVENT_POLL_SECONDS = 0.1


def run(
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
    queue_capacity: Annotated[
        int,
        typer.Option(
            "--queue-capacity",
            min=0,
            envvar="FLUSSO_QUEUE_CAPACITY",
            help="Maximum number of changes held in memory.",
        ),
    ] = CAPACITY,
    pretty: Annotated[
        bool,
        typer.Option(
            "--pretty",
            envvar="FLUSSO_PRETTY",
            help="Indent the documents that are printed when no sink is configured.",
        ),
    ] = False,
    public_address: command_line.PublicOption = None,
    private_address: command_line.PrivateOption = None,
    private_cert: command_line.CertOption = None,
    private_key: command_line.KeyOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
    startup_timeout: command_line.TimeoutOption = command_line.DEFAULT_TIMEOUT,
    stall_timeout: command_line.StallOption = command_line.DEFAULT_STALL_TIMEOUT,
    lag_poll_secs: command_line.LagPollOption = 15,
) -> None:
    """Seed the indexes and follow changes in one process, without Kafka."""
    project, file = choose(config, lock, locked=locked)
    addresses = option_values.addresses(
        project,
        (public_address, private_address),
        (admin_user, admin_password),
        (private_cert, private_key),
    )
    core = core_of(stall_timeout, "capture", "worker")

    def make(surfaces: Surfaces) -> Parts:
        options = worker_options(project, index_prefix, startup_timeout, pretty=pretty)
        log = MemoryLog(max(1, queue_capacity), lasting=_lasting_control(options, slot))
        worker = Worker(
            options,
            project.plan,
            WorkerContext(
                log,
                core.metrics,
                core.status,
                counts_changes=False,
                tracer=core.telemetry.tracer,
            ),
            core.clock,
            core.stop,
        )
        administration = WorkerAdministration(
            options, project.plan, log, core.clock, worker.local_store
        )
        answers = threading.Event()

        clusters = [OpenSearchProbe(each) for each in options.opensearch]
        probes: list[Probe] = [PostgresProbe(options.conninfo), *clusters]
        myself = Myself(
            "run",
            project,
            options.index_prefix,
            surfaces,
            slot=slot,
            publication=publication,
        )

        announce = started(myself, file, core.status, skips_snapshots=skip_backfill)

        def work() -> None:
            with (
                core.administration_slot.holding(administration),
                present(myself, core, log, worker.local_store),
                watching(core.status, core.metrics, core.stop, probes, announce),
            ):
                if _await(answers, core):
                    worker.run()

        to_capture = capture_options(
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
        context = CaptureContext(
            core.metrics,
            core.status,
            core.clock,
            core.stop,
            owns_status=False,
            tracer=core.telemetry.tracer,
        )
        capture = Capture(to_capture, project.plan, log, context, wanted=worker.wanted_snapshots)
        return {"capture": lambda: _follow(capture, worker, core, answers), "worker": work}

    serve(core, addresses, make)


def _follow(capture: Capture, worker: Worker, core: Core, answers: threading.Event) -> None:
    """Stream changes once every index is ready to read them.

    Capture and worker wait for different servers, so that one that does not answer is reported once.
    """
    capture.await_servers()
    answers.set()
    if not _await(worker.reached, core):
        return
    capture.prepare()
    while not worker.ready_to_stream(_READY_POLL_SECONDS):
        if core.stop.is_set():
            return
    capture.run()


def _await(event: threading.Event, core: Core) -> bool:
    """Wait for the event; False when a stop comes first."""
    while not event.wait(_EVENT_POLL_SECONDS):
        if core.stop.is_set():
            return False
    return True


def _lasting_control(options: WorkerOptions, slot: str) -> OpenSearchControl | None:
    """Keeps the records about the slot in OpenSearch, beside the generations that depend on them."""
    if not options.opensearch:
        return None
    return OpenSearchControl(Cluster(options.opensearch[0]), options.index_prefix, slot)
