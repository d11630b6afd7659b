"""What the `OTEL_*` variables turn on, and that without them nothing of OpenTelemetry is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flusso_shared import tracing
from flusso_shared.process.telemetry.settings import settings
from support.commands import inherited_environment, run_command

HTTP = "http/protobuf"
BOTH = {"traces": HTTP, "metrics": HTTP}
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
CONFIG = """\
[source]
type = "postgres"
connection_url = "postgresql://me@127.0.0.1:1/library"

[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:1"
"""


@pytest.mark.parametrize(
    ("variables", "protocols"),
    [
        ({}, {}),
        ({"OTEL_SERVICE_NAME": "search"}, {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, {}),
        (ENDPOINT, BOTH),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, {"traces": HTTP}),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"}, {"metrics": HTTP}),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, {"metrics": HTTP}),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none"}, {"traces": HTTP}),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, {}),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            {"traces": "grpc", "metrics": "grpc"},
        ),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
            {"traces": HTTP, "metrics": "grpc"},
        ),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, BOTH),
    ],
)
def test_an_endpoint_turns_a_signal_on(
    variables: dict[str, str], protocols: dict[str, str]
) -> None:
    assert settings(variables).protocols == protocols


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
    ],
)
def test_what_is_not_understood_is_named(variable: str, value: str) -> None:
    found = settings(ENDPOINT | {variable: value})
    assert all(variable in problem and value in problem for problem in found.problems)
    assert found.problems
    assert found.interval == 10.0


def test_metrics_are_sent_at_the_interval_of_the_variable() -> None:
    assert settings(ENDPOINT).interval == 10.0
    assert settings(ENDPOINT | {"OTEL_METRIC_EXPORT_INTERVAL": "2500"}).interval == 2.5


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "search"}, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=a, service.name=search"}, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=search"}, False),
    ],
)
def test_the_variables_name_the_service(variables: dict[str, str], named: bool) -> None:
    assert settings(ENDPOINT | variables).names_service is named


def test_without_traces_every_item_passes_and_no_span_is_made() -> None:
    span = tracing.NO_TRACER.start("batch")
    assert span is tracing.NO_SPAN
    assert list(tracing.each(span, "build", iter("abc"))) == ["a", "b", "c"]


def run(folder: Path, variables: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """A process that finds no server, and so ends."""
    (folder / "flusso.toml").write_text(CONFIG)
    addresses = ["--public-address", "127.0.0.1:0", "--private-address", "127.0.0.1:0"]
    environment = inherited_environment() | {"FLUSSO_STARTUP_TIMEOUT": "0.1"} | variables
    return run_command(folder, environment, *command, *addresses)


@pytest.mark.parametrize("command", [("flusso", "run"), ("flusso-capture",), ("flusso-worker",)])
def test_without_the_variables_nothing_of_it_is_imported(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = run(tmp_path, {"PYTHONPROFILEIMPORTTIME": "1"}, *command)
    assert "flusso_shared.tracing" in done.stderr
    assert "opentelemetry" not in done.stderr


def test_a_missing_extra_is_named_and_the_process_goes_on(tmp_path: Path) -> None:
    package = tmp_path / "hidden" / "opentelemetry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('No module named opentelemetry')")
    done = run(tmp_path, ENDPOINT | {"PYTHONPATH": str(package.parent)}, "flusso", "run")
    assert "'flusso-kafka[otel]'" in done.stderr
    assert "did not answer" in done.stderr


def test_a_collector_that_is_away_does_not_keep_a_process(tmp_path: Path) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = run(tmp_path, away, "flusso", "run")
    assert "OpenTelemetry: sending traces by http/protobuf and metrics" in done.stderr
    assert "did not answer" in done.stderr


def test_only_headers_of_the_standard_become_links() -> None:
    """In a process of its own: the packages of the SDK stay imported."""
    program = """
import json
from opentelemetry.sdk.trace import TracerProvider
from flusso_shared.process.telemetry.spans import OpenTelemetryTracer
tracer = OpenTelemetryTracer(TracerProvider(shutdown_on_exit=False).get_tracer("x"))
first = tracer.start("publish")
ids = ["0" * 31 + "1", "f" * 16]
wrong = ["", "nonsense", "00-xyz-1-01", "01-" + "-".join(ids) + "-01", "00-" + "-".join(ids) + "-1"]
batch = tracer.start("batch", [first.traceparent, *wrong])
with batch.child("resolve"):
    pass
batch.end()
batch.end()
links = [(link.context.trace_id, link.context.span_id) for link in batch._span.links]
mine = first._span.get_span_context()
print(json.dumps([links == [(mine.trace_id, mine.span_id)], first.traceparent]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    only_the_first, header = json.loads(done.stdout)
    assert only_the_first
    assert [len(part) for part in header.split("-")] == [2, 32, 16, 2]
