"""The exporters of OpenTelemetry's SDK, as the `OTEL_*` variables set them up."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from flusso_shared import release
from flusso_shared.metrics import Metrics
from flusso_shared.process.telemetry.metric_data import metric_data
from flusso_shared.process.telemetry.settings import DEFAULT_SERVICE, Protocol, Settings
from flusso_shared.process.telemetry.spans import OpenTelemetryTracer
from flusso_shared.tracing import NO_TRACER, Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter

logger = logging.getLogger(__name__)

Finish = Callable[[], None]


def start(metrics: Metrics, part: str, wanted: Settings) -> tuple[Tracer, Finish]:
    """A tracer, and a thread that sends the metrics; the function that ends both."""
    resource = Resource.create(_attributes(part, wanted))
    tracer: Tracer = NO_TRACER
    ends: list[Finish] = []
    if "traces" in wanted.protocols:
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = _span_exporter(wanted.protocols["traces"])
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = OpenTelemetryTracer(provider.get_tracer(DEFAULT_SERVICE, release.version()))
        ends.append(provider.shutdown)
    if "metrics" in wanted.protocols:
        pushed = _Push(
            metrics, resource, _metric_exporter(wanted.protocols["metrics"]), wanted.interval
        )
        ends.append(pushed.finish)

    def finish() -> None:
        # At once, because each may wait for the collector.
        threads = [threading.Thread(target=end, name="otlp-end", daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return tracer, finish


def _attributes(part: str, wanted: Settings) -> dict[str, str]:
    """They win over what the variables say; so `service.name` is left out where these have one."""
    found = {
        "service.version": release.version(),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        "flusso.part": part,
    }
    return found if wanted.names_service else {**found, "service.name": DEFAULT_SERVICE}


def _span_exporter(protocol: Protocol) -> SpanExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _metric_exporter(protocol: Protocol) -> MetricExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
            OTLPMetricExporter as Grpc,
        )

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()


class _Push:
    """Sends all metrics every few seconds, in a thread, and once more at the end."""

    def __init__(
        self, metrics: Metrics, resource: Resource, exporter: MetricExporter, interval: float
    ) -> None:
        self._metrics = metrics
        self._resource = resource
        self._exporter = exporter
        self._interval = interval
        self._started_at = time.time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._export()
        self._export()
        self._exporter.shutdown()

    def _export(self) -> None:
        data = metric_data(self._metrics.registry, self._resource, self._started_at, time.time_ns())
        # It logs what fails; the next export contains everything.
        self._exporter.export(data)
