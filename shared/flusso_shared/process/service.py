"""Runs a process: surfaces first, then its parts in supervised threads, until a signal or a failure."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError, StoppedError
from flusso_shared.metrics import Metrics, Part, of_process
from flusso_shared.process.administration import AdministrationSlot
from flusso_shared.process.command_line import DEFAULT_PASSWORD
from flusso_shared.process.environment import environment
from flusso_shared.process.http import (
    Certificate,
    Credentials,
    HttpServer,
    bind,
    is_loopback,
    private_app,
    public_app,
)
from flusso_shared.process.overview_route import OverviewSlot
from flusso_shared.process.page.recorder import Recorder
from flusso_shared.process.progress_bar import ProgressDisplay
from flusso_shared.process.shutdown import stop_on_signals
from flusso_shared.process.telemetry.start import Telemetry, start_telemetry
from flusso_shared.status import Progress, Status

logger = logging.getLogger(__name__)

_JOIN_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the surfaces listen, and who may use the private one."""

    public: str
    private: str
    credentials: Credentials
    certificate: Certificate | None = None
    """Of the private surface, which then speaks TLS."""
    by_default: frozenset[str] = frozenset()
    """The surfaces, `public` and `private`, whose address is a default: they take a free port where that is taken."""


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Where the surfaces listen: host and port of each."""

    public: tuple[str, int]
    private: tuple[str, int]
    tls: bool
    """Whether the private one speaks TLS."""


@dataclass(frozen=True, slots=True)
class Core:
    """What every part of a process shares."""

    metrics: Metrics
    telemetry: Telemetry = field(default_factory=Telemetry)
    stop: threading.Event = field(default_factory=threading.Event)
    status: Status = field(default_factory=Status)
    administration_slot: AdministrationSlot = field(default_factory=AdministrationSlot)
    """`make` puts the administration here; the private surface passes requests to it."""
    overview_slot: OverviewSlot = field(default_factory=OverviewSlot)
    """Likewise for what looks at the deployment."""

    @property
    def clock(self) -> SystemClock:
        """Its waits end when a stop is requested."""
        return SystemClock(self.stop)


def core_of(stall_timeout: float, *parts: Part) -> Core:
    """What a process with these parts shares, with the metrics that they feed; `stall_timeout`: see `health.decide`."""
    metrics = of_process(*parts)
    name = parts[0] if len(parts) == 1 else "run"
    telemetry = start_telemetry(metrics, name, environment())
    return Core(metrics, telemetry, status=Status(stall_timeout))


Parts = Mapping[str, Callable[[], None]]
"""Thread name -> what it runs until `Core.stop`."""


def serve(core: Core, addresses: Addresses, make: Callable[[Surfaces], Parts]) -> None:
    """Bind both surfaces, then run the parts that `make` returns; returns after a clean stop.

    Raises the first error that a part ends with; the others are stopped then.
    """
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals(core.stop))
        stack.callback(core.telemetry.close)
        _check_private(addresses)
        free = addresses.by_default
        public = bind(addresses.public, "public", or_free="public" in free)
        stack.callback(public.close)
        private = bind(addresses.private, "private", or_free="private" in free)
        stack.callback(private.close)
        recorder = Recorder(core.overview_slot)
        guarded = private_app(
            core.status, addresses.credentials, core.administration_slot, recorder
        )
        for server in (
            HttpServer(public_app(core.status, core.metrics), public, "public"),
            HttpServer(guarded, private, "private", certificate=addresses.certificate),
        ):
            server.start()
            stack.callback(server.stop)
        stack.enter_context(recorder.recording())
        stack.enter_context(_seeding(core.status))
        surfaces = Surfaces(
            public.getsockname()[:2], private.getsockname()[:2], addresses.certificate is not None
        )
        _supervise(core, make(surfaces))
    logger.info("stopped", extra={"action": "stopped"})


def _check_private(addresses: Addresses) -> None:
    """Raises `FatalError` before anything listens for what everyone could use."""
    if addresses.certificate is not None:
        addresses.certificate.check()
    if addresses.credentials.password not in ("", DEFAULT_PASSWORD):
        return
    if not is_loopback(addresses.private):
        raise FatalError(
            f"the private surface would listen on {addresses.private} with the default password, which everyone knows;"
            " set another with --admin-password or FLUSSO_ADMIN_PASSWORD, or listen on this machine only"
            " (--private-address 127.0.0.1:9465)"
        )
    logger.warning(
        "the private surface has the default password; set --admin-password or FLUSSO_ADMIN_PASSWORD",
        extra={"action": "default_password"},
    )


def _supervise(core: Core, parts: Parts) -> None:
    """Run all parts until one ends; then stop the others."""
    failures: list[BaseException] = []
    # Objects made by imports stay for ever: exclude them from collection.
    gc.collect()
    gc.freeze()

    def run(name: str, part: Callable[[], None]) -> None:
        try:
            part()
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001  (a supervisor: raised again in the main thread)
            failures.append(error)
            # The others may take a while to stop, or hang.
            core.status.thread_ended(name, error)
        finally:
            core.stop.set()

    threads = [
        threading.Thread(target=run, args=(name, part), name=name) for name, part in parts.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        # With a timeout, so that the main thread gets to run signal handlers.
        while thread.is_alive():
            thread.join(_JOIN_POLL_SECONDS)
    if failures:
        raise failures[0]


def _seeding(status: Status) -> ProgressDisplay:
    """How far each seeding and each snapshot is: bars on a terminal, lines of the log elsewhere."""

    def steps() -> dict[str, Progress]:
        return {f"seeding {name}": progress for name, progress in status.progress().items()}

    return ProgressDisplay(
        steps, lambda line: logger.info("%s", line, extra={"action": "progress"})
    )
