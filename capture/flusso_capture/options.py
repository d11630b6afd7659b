"""The options of capture, and what the parts of a capture process share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from flusso_shared.clock import Clock
from flusso_shared.config.choices import OnLostPosition
from flusso_shared.config.connections import source_conninfo
from flusso_shared.config.project import Project
from flusso_shared.metrics import Metrics
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.process import option_values
from flusso_shared.process.environment import environment
from flusso_shared.status import Status
from flusso_shared.tracing import NO_TRACER, Tracer


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """From the command line and the configuration."""

    conninfo: Conninfo
    slot: str = "flusso"
    publication: str = "flusso"
    manage_publication: bool = True
    manage_replica_identity: bool = True
    on_lost_position: OnLostPosition = "rebuild"
    skip_backfill: bool = False
    max_value_bytes: int = 65536
    lag_poll_seconds: float = 15.0
    watch_seconds: float = 5.0
    """Seconds between two checks of the catalog while changes are streamed."""
    startup_timeout: float | None = None
    """Seconds to wait for the first answer of a server; None waits without limit."""
    snapshot_chunk: int = 10_000
    """Rows per query of a snapshot."""


def capture_options(
    project: Project,
    *,
    slot: str,
    publication: str,
    manage_publication: bool | None,
    manage_replica_identity: bool | None,
    on_lost_position: OnLostPosition | None,
    skip_backfill: bool,
    lag_poll_seconds: float,
    startup_timeout: float,
) -> CaptureOptions:
    """What the command line, the configuration and the environment come to.  None takes the configuration's value.

    Raises `ConfigError` for a connection that cannot be used.
    """
    source, given = project.config.source, option_values.given
    return CaptureOptions(
        conninfo=source_conninfo(source, environment()),
        slot=slot,
        publication=publication,
        manage_publication=given(manage_publication, source.manage_publication),
        manage_replica_identity=given(manage_replica_identity, source.manage_replica_identity),
        on_lost_position=on_lost_position or source.on_lost_position,
        skip_backfill=skip_backfill,
        max_value_bytes=project.config.queue.max_value_bytes,
        lag_poll_seconds=lag_poll_seconds,
        startup_timeout=option_values.timeout(startup_timeout),
    )


@dataclass(frozen=True, slots=True)
class CaptureContext:
    """What the parts of a capture process share."""

    metrics: Metrics
    status: Status
    clock: Clock
    """Its waits end when `stop` is set."""
    stop: threading.Event
    owns_status: bool = True
    """Whether capture sets the phase in `Status`.  In `flusso run` the worker sets it."""
    tracer: Tracer = NO_TRACER
