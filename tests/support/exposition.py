"""Names of metrics, from what a process exports."""

from __future__ import annotations

import re

from prometheus_client import generate_latest

from flusso_shared.metrics import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    Metrics,
    Spec,
)

SPECS: dict[str, Spec] = dict([*COUNTERS.items(), *GAUGES.items(), *HISTOGRAMS.items()])
"""Every metric of the product."""


def exported(metrics: Metrics) -> set[str]:
    """The names that `/metrics` has of them, with or without samples."""
    return names(generate_latest(metrics.registry).decode())


def names(text: str) -> set[str]:
    """The names in the text of `/metrics`, without the companions `_created` of counters and histograms."""
    found = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    return {name for name in found if not name.endswith("_created")}


def samples(text: str) -> dict[str, float]:
    """The values in the text of `/metrics`: name with labels, as it is written there -> value."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}
