"""A collector of OpenTelemetry on a free port: OTLP over HTTP in protobuf, kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What has arrived: spans and metrics, each with the attributes of its resource."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._lock = threading.Lock()
        self._spans: list[tuple[dict[str, str], Any]] = []
        self._metrics: list[tuple[dict[str, str], Any]] = []

    def receive(self, path: str, body: bytes) -> None:
        """One request of an exporter."""
        with self._lock:
            if path == "/v1/traces":
                for of_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                    resource = attributes(of_spans.resource)
                    for of_scope in of_spans.scope_spans:
                        self._spans += [(resource, span) for span in of_scope.spans]
            elif path == "/v1/metrics":
                for of_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    resource = attributes(of_metrics.resource)
                    for scope in of_metrics.scope_metrics:
                        self._metrics += [(resource, metric) for metric in scope.metrics]
            else:
                raise AssertionError(path)

    def spans(self, name: str) -> list[tuple[dict[str, str], Any]]:
        """The spans of this name, each with its resource."""
        with self._lock:
            return [item for item in self._spans if item[1].name == name]

    def metrics(self) -> list[tuple[dict[str, str], Any]]:
        """All that has arrived, oldest first."""
        with self._lock:
            return list(self._metrics)


def attributes(item: Any) -> dict[str, str]:
    """The attributes of a resource, a span or a data point, as text."""
    return {
        pair.key: str(getattr(pair.value, pair.value.WhichOneof("value")))
        for pair in item.attributes
    }


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.receive(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, name="collector")
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
