"""Every metric: name, who feeds it, labels, meaning.  One instance per process, passed by constructor.

A metric is asked for by its full name, as `/metrics` exports it; the type checker knows the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from flusso_shared import release

Part = Literal["capture", "worker"]
"""What runs in a process; `flusso run` has both."""

CounterName = Literal[
    "flusso_batches_total",
    "flusso_changes_acknowledged_total",
    "flusso_changes_captured_total",
    "flusso_changes_committed_total",
    "flusso_documents_built_total",
    "flusso_documents_quarantined_total",
    "flusso_errors_total",
    "flusso_indexes_seeded_total",
    "flusso_retries_total",
    "flusso_snapshot_rows_total",
    "flusso_version_conflicts_total",
    "flusso_visibility_gate_waits_total",
]
GaugeName = Literal[
    "flusso_changes_in_flight",
    "flusso_index_up",
    "flusso_indexes",
    "flusso_quarantine_documents",
    "flusso_replication_slot_at_risk",
    "flusso_replication_slot_lag_bytes",
    "flusso_transactions_outstanding",
]
HistogramName = Literal["flusso_build_duration_seconds", "flusso_flush_duration_seconds"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric.  A process exports it only if it has a part that feeds it."""

    fed_by: tuple[Part, ...]
    meaning: str
    labels: tuple[str, ...] = ()
    """Low in cardinality: names of indexes and tables, and words of the code."""


_BOTH: tuple[Part, ...] = ("capture", "worker")
_CAPTURE: tuple[Part, ...] = ("capture",)
_WORKER: tuple[Part, ...] = ("worker",)
_INDEX = ("index",)
_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""

COUNTERS: Mapping[CounterName, Spec] = {
    "flusso_errors_total": Spec(_BOTH, "Errors that stopped a pipeline or an index"),
    "flusso_retries_total": Spec(_BOTH, "Attempts that failed and are repeated", ("what",)),
    "flusso_changes_captured_total": Spec(
        _CAPTURE,
        "Changes handed to the change log: from the replication stream, snapshots and resyncs",
    ),
    "flusso_changes_acknowledged_total": Spec(
        _CAPTURE,
        "Captured changes that the change log acknowledged; of the stream by whole transactions",
    ),
    "flusso_snapshot_rows_total": Spec(_CAPTURE, "Rows read by snapshots", ("table",)),
    "flusso_changes_committed_total": Spec(
        _WORKER, "Changes whose documents this index has and whose offsets are committed", _INDEX
    ),
    "flusso_documents_built_total": Spec(_WORKER, "Documents written to the sinks", _INDEX),
    "flusso_documents_quarantined_total": Spec(
        _WORKER,
        "Documents that could not be built or that the sink refused, and that were skipped",
        _INDEX,
    ),
    "flusso_version_conflicts_total": Spec(
        _WORKER, "Writes that found a document at least as new: counted as success", _INDEX
    ),
    "flusso_visibility_gate_waits_total": Spec(
        _WORKER,
        "Snapshots that did not see a change of their batch yet and were taken again",
        _INDEX,
    ),
    "flusso_batches_total": Spec(_WORKER, "Batches flushed"),
    "flusso_indexes_seeded_total": Spec(_WORKER, "Seedings completed by this process", _INDEX),
}
GAUGES: Mapping[GaugeName, Spec] = {
    "flusso_replication_slot_lag_bytes": Spec(
        _CAPTURE, "Distance of the slot's confirmed position behind the server's log"
    ),
    "flusso_replication_slot_at_risk": Spec(
        _CAPTURE, "1 when the server is about to remove log that the slot needs, or has"
    ),
    "flusso_transactions_outstanding": Spec(
        _CAPTURE, "Transactions with changes that are not acknowledged yet"
    ),
    "flusso_changes_in_flight": Spec(
        _WORKER, "Changes that this index has read and not committed yet", _INDEX
    ),
    "flusso_quarantine_documents": Spec(
        _WORKER, "Documents in quarantine now, as this process knows", _INDEX
    ),
    "flusso_indexes": Spec(_WORKER, "Indexes kept at the sinks"),
    "flusso_index_up": Spec(
        _WORKER, "1 while the index is kept, 0 while it has stopped at an error", _INDEX
    ),
}
HISTOGRAMS: Mapping[HistogramName, Spec] = {
    "flusso_flush_duration_seconds": Spec(_WORKER, "Time per flush"),
    "flusso_build_duration_seconds": Spec(_WORKER, "Time per chunk of documents built"),
}


class Metrics:
    """The metrics of the given parts, of all by default.  A metric of another part is a `KeyError`."""

    def __init__(self, *parts: Part) -> None:
        self.registry = CollectorRegistry()
        fed = set(parts or get_args(Part))

        def of_these(spec: Spec) -> bool:
            return not fed.isdisjoint(spec.fed_by)

        self._counters = {
            name: Counter(name, spec.meaning, spec.labels, registry=self.registry)
            for name, spec in COUNTERS.items()
            if of_these(spec)
        }
        self._gauges = {
            name: Gauge(name, spec.meaning, spec.labels, registry=self.registry)
            for name, spec in GAUGES.items()
            if of_these(spec)
        }
        self._histograms = {
            name: Histogram(
                name, spec.meaning, spec.labels, registry=self.registry, buckets=_BUCKETS
            )
            for name, spec in HISTOGRAMS.items()
            if of_these(spec)
        }

    def counter(self, name: CounterName, *labels: str) -> Counter:
        """The counter, with the values of its labels."""
        found = self._counters[name]
        return found.labels(*labels) if labels else found

    def gauge(self, name: GaugeName, *labels: str) -> Gauge:
        """The gauge, with the values of its labels."""
        found = self._gauges[name]
        return found.labels(*labels) if labels else found

    def histogram(self, name: HistogramName) -> Histogram:
        """The histogram; none has labels."""
        return self._histograms[name]


def of_process(*parts: Part) -> Metrics:
    """What a process exports: the metrics of its parts, of the process, of Python, and of the build."""
    metrics = Metrics(*parts)
    registry = metrics.registry
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info(
        "flusso_build", "The version and the revision that run; the value is 1", registry=registry
    )
    build.info({"version": release.version(), "revision": release.revision()})
    return metrics
