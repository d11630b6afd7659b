"""The standard variables of OpenTelemetry -> which signals are sent, and how.  Pure.

Everything else (headers, time-outs, sampling, queues) the SDK reads itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Signal = Literal["traces", "metrics"]
Protocol = Literal["http/protobuf", "grpc"]

DEFAULT_SERVICE = "flusso"
_SIGNALS: tuple[Signal, ...] = get_args(Signal)
_DEFAULT_INTERVAL_MILLISECONDS = 10_000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the variables ask for."""

    protocols: Mapping[Signal, Protocol]
    """The signals that are sent, each with its protocol; empty without an endpoint."""
    interval: float = _DEFAULT_INTERVAL_MILLISECONDS / 1000
    """Seconds between two exports of metrics."""
    names_service: bool = False
    """Whether the variables have a `service.name`."""
    problems: tuple[str, ...] = ()
    """Values that are not understood, and what is done instead."""


def settings(env: Mapping[str, str]) -> Settings:
    """An endpoint turns a signal on: `OTEL_EXPORTER_OTLP_ENDPOINT` both, `..._TRACES_ENDPOINT` and `..._METRICS_ENDPOINT` one.

    `OTEL_TRACES_EXPORTER=none`, `OTEL_METRICS_EXPORTER=none` and `OTEL_SDK_DISABLED=true` turn them off.
    """
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Settings({})
    problems: list[str] = []
    protocols: dict[Signal, Protocol] = {
        signal: _protocol(env, signal, problems)
        for signal in _SIGNALS
        if _first(env, f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", _ENDPOINT)[1]
        and env.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() != "none"
    }
    resource = env.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = any(item.partition("=")[0].strip() == "service.name" for item in resource.split(","))
    return Settings(
        protocols,
        _interval(env, problems),
        named or bool(env.get("OTEL_SERVICE_NAME")),
        tuple(problems),
    )


_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"


def _first(env: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first of the variables that is set and not empty, with its value."""
    return next(((name, env[name].strip()) for name in names if env.get(name)), (names[-1], ""))


def _protocol(env: Mapping[str, str], signal: Signal, problems: list[str]) -> Protocol:
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
    name, given = _first(env, own, "OTEL_EXPORTER_OTLP_PROTOCOL")
    if given in ("", "http/protobuf"):
        return "http/protobuf"
    if given == "grpc":
        return "grpc"
    problems.append(f"{name}: unknown protocol {given!r}; http/protobuf is used (or set grpc)")
    return "http/protobuf"


def _interval(env: Mapping[str, str], problems: list[str]) -> float:
    given = env.get(_INTERVAL, "").strip()
    try:
        milliseconds = float(given or _DEFAULT_INTERVAL_MILLISECONDS)
    except ValueError:
        milliseconds = 0.0
    if not 0 < milliseconds < float("inf"):
        problems.append(f"{_INTERVAL}: {given!r} is no number of milliseconds; 10000 is used")
        milliseconds = _DEFAULT_INTERVAL_MILLISECONDS
    return milliseconds / 1000
