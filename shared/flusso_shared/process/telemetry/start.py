"""Starts what sends traces and metrics, if the environment names a collector; else imports nothing and does nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flusso_shared.metrics import Metrics
from flusso_shared.process.telemetry.settings import settings
from flusso_shared.tracing import NO_TRACER, Tracer

logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT_SECONDS = 5.0
_LOGGED = {"action": "telemetry"}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a process sends its traces with, and how that ends."""

    tracer: Tracer = NO_TRACER
    finish: Callable[[], None] = lambda: None
    """Send what is left.  May block for as long as the collector does."""

    def close(self) -> None:
        """`finish`, for a few seconds at most: a collector that is away does not delay the end of the process."""
        thread = threading.Thread(target=self.finish, name="otlp-finish", daemon=True)
        thread.start()
        thread.join(_CLOSE_TIMEOUT_SECONDS)


def start_telemetry(metrics: Metrics, part: str, env: Mapping[str, str]) -> Telemetry:
    """Begin to send what the `OTEL_*` variables of `env` ask for.  Problems are logged, and never end the process.

    `part` is `capture`, `worker` or `run`, for the attributes of the resource.
    """
    wanted = settings(env)
    if not wanted.protocols:
        return Telemetry()
    for problem in wanted.problems:
        logger.warning("%s", problem, extra=_LOGGED)
    try:
        from flusso_shared.process.telemetry.exporters import start
    except ImportError as error:
        logger.warning(
            "OTEL_* variables name a collector, but no traces and metrics are sent: %s; install"
            " 'flusso-kafka[otel]'",
            error,
            extra=_LOGGED,
        )
        return Telemetry()
    tracer, finish = start(metrics, part, wanted)
    logger.info(
        "OpenTelemetry: sending %s",
        " and ".join(f"{signal} by {protocol}" for signal, protocol in wanted.protocols.items()),
        extra=_LOGGED,
    )
    return Telemetry(tracer, finish)
