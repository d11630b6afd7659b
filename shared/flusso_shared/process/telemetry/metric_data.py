"""The metrics of `/metrics` as OTLP has them: same names, same labels, cumulative since the start of the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from flusso_shared import release
from flusso_shared.process.telemetry.settings import DEFAULT_SERVICE

_UNITS = {"_seconds": "s", "_bytes": "By"}
"""By the end of the name, before `_total`."""
_UNKNOWN: dict[str, Any] = {"min": None, "max": None}
"""What OTLP may leave out of a histogram, and Prometheus does not have."""


@dataclass(frozen=True, slots=True)
class _Period:
    """Nanoseconds since the epoch."""

    begin: int
    end: int


def metric_data(
    registry: CollectorRegistry, resource: Resource, begin: int, end: int
) -> export.MetricsData:
    """Everything that `registry` has now.  `begin` and `end` in nanoseconds since the epoch."""
    period = _Period(begin, end)
    metrics = [_metric(family, period) for family in registry.collect() if family.samples]
    scope = InstrumentationScope(DEFAULT_SERVICE, release.version())
    return export.MetricsData(
        [export.ResourceMetrics(resource, [export.ScopeMetrics(scope, metrics, "")], "")]
    )


def _metric(family: Metric, period: _Period) -> export.Metric:
    # Which samples are values: the others are the time at which each was made.
    samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    data: export.Sum | export.Gauge | export.Histogram
    name = family.name
    if family.type == "counter":
        name = samples[0].name if samples else name
        data = export.Sum(
            _points(samples, period), export.AggregationTemporality.CUMULATIVE, is_monotonic=True
        )
    elif family.type == "histogram":
        data = export.Histogram(
            _histogram_points(samples, period), export.AggregationTemporality.CUMULATIVE
        )
    else:
        # `info` is a gauge of 1 whose name ends in `_info`.
        name = samples[0].name if samples else name
        data = export.Gauge(_points(samples, period))
    return export.Metric(name, family.documentation, _unit(name), data)


def _points(samples: Iterable[Sample], period: _Period) -> list[export.NumberDataPoint]:
    return [
        export.NumberDataPoint(dict(sample.labels), period.begin, period.end, sample.value)
        for sample in samples
    ]


def _histogram_points(
    samples: Sequence[Sample], period: _Period
) -> list[export.HistogramDataPoint]:
    return [
        _histogram_point(dict(labels), list(group), period)
        for labels, group in groupby(samples, _labels_of_histogram)
    ]


def _labels_of_histogram(sample: Sample) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in sample.labels.items() if name != "le")


def _histogram_point(
    labels: dict[str, str], samples: Sequence[Sample], period: _Period
) -> export.HistogramDataPoint:
    """Prometheus' buckets count everything below their bound, those of OTLP only what is above the one before."""
    buckets = [item for item in samples if item.name.endswith("_bucket")]
    totals = [0, *(int(item.value) for item in buckets)]
    [total] = [item.value for item in samples if item.name.endswith("_sum")]
    return export.HistogramDataPoint(
        labels,
        period.begin,
        period.end,
        count=totals[-1],
        sum=total,
        bucket_counts=[after - before for before, after in pairwise(totals)],
        explicit_bounds=[float(item.labels["le"]) for item in buckets[:-1]],
        **_UNKNOWN,
    )


def _unit(name: str) -> str:
    stem = name.removesuffix("_total")
    return next((unit for end, unit in _UNITS.items() if stem.endswith(end)), "1")
