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
    "flusso_sink_retries_total",
    "flusso_snapshot_rows_total",
    "flusso_version_conflicts_total",
    "flusso_visibility_gate_waits_total",
]
GaugeName = Literal[
    "flusso_acknowledgement_age_seconds",
    "flusso_bytes_in_flight",
    "flusso_changes_in_flight",
    "flusso_index_lag_records",
    "flusso_index_lag_seconds",
    "flusso_index_up",
    "flusso_indexes",
    "flusso_quarantine_documents",
    "flusso_replication_slot_at_risk",
    "flusso_replication_slot_lag_bytes",
    "flusso_replication_slot_retained_bytes",
    "flusso_replication_slot_safe_bytes",
    "flusso_replication_slot_wal_status",
    "flusso_seeding_ratio",
    "flusso_server_up",
    "flusso_transactions_outstanding",
]
HistogramName = Literal[
    "flusso_build_duration_seconds",
    "flusso_commit_to_acknowledged_seconds",
    "flusso_flush_duration_seconds",
    "flusso_roots_per_change",
]


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric.  A process exports it only if it has a part that feeds it."""

    fed_by: tuple[Part, ...]
    meaning: str
    labels: tuple[str, ...] = ()
    """Low in cardinality: names of indexes and tables, and words of the code."""
    buckets: tuple[float, ...] = ()
    """Upper bounds; of a histogram."""


_BOTH: tuple[Part, ...] = ("capture", "worker")
_CAPTURE: tuple[Part, ...] = ("capture",)
_WORKER: tuple[Part, ...] = ("worker",)
_INDEX = ("index",)
_DURATIONS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LATENCIES = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_RATIOS = (0.1, 0.5, 1, 2, 5, 10, 50, 100, 1000, 10_000, 100_000)

COUNTERS: Mapping[CounterName, Spec] = {
    "flusso_errors_total": Spec(_BOTH, "Errors that stopped a pipeline or an index"),
    "flusso_retries_total": Spec(
        _BOTH,
        "Attempts that failed and are repeated: `stream` in capture; `poll`, `build` and `generations` in a worker",
        ("what",),
    ),
    "flusso_sink_retries_total": Spec(
        _WORKER,
        "Bulk requests, or parts of one, that are sent again: `unanswered`, `busy` (429), `blocked` (a read-only index, a full disk),"
        " `unavailable` (a shard that moves or starts), `error` (500 and the like), `refused` (by a proxy)",
        ("sink", "reason"),
    ),
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
    "flusso_documents_built_total": Spec(
        _WORKER,
        "Documents written to the sinks, by the cause of the build: `snapshot`, `change`, or `rebuild` (after a resync, or because"
        " a write came too late or found a newer version)",
        ("index", "cause"),
    ),
    "flusso_documents_quarantined_total": Spec(
        _WORKER,
        "Documents that could not be built or that the sink refused, and that were skipped",
        _INDEX,
    ),
    "flusso_version_conflicts_total": Spec(
        _WORKER,
        "Writes that were answered 409, because the index has a newer document: counted as success",
        _INDEX,
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
    "flusso_replication_slot_wal_status": Spec(
        _CAPTURE,
        "1 for the state of the slot in Postgres (`reserved`, `extended`, `unreserved`, `lost`), 0 for the others; all 0 while"
        " there is no slot",
        ("wal_status",),
    ),
    "flusso_replication_slot_retained_bytes": Spec(
        _CAPTURE, "Log that Postgres keeps for the slot"
    ),
    "flusso_replication_slot_safe_bytes": Spec(
        _CAPTURE,
        "Log that can still be written before the slot is invalidated; infinite without max_slot_wal_keep_size",
    ),
    "flusso_server_up": Spec(
        _BOTH,
        "1 while the server answers the request that each process makes every 1.5 s, 0 while it does not answer or refuses",
        ("server",),
    ),
    "flusso_transactions_outstanding": Spec(
        _CAPTURE, "Transactions with changes that are not acknowledged yet"
    ),
    "flusso_changes_in_flight": Spec(
        _WORKER, "Changes that this index has read and not committed yet", _INDEX
    ),
    "flusso_index_lag_records": Spec(
        _WORKER,
        "Changes in the partitions that this process reads and that the index has not applied",
        _INDEX,
    ),
    "flusso_index_lag_seconds": Spec(
        _WORKER,
        "Time since the commit of the oldest of these changes, by the clocks of Postgres and of this machine; 0 when there is"
        " none, NaN while it is not known",
        _INDEX,
    ),
    "flusso_acknowledgement_age_seconds": Spec(
        _WORKER,
        "Time since the sinks acknowledged documents of this index last; it also grows while nothing changes",
        _INDEX,
    ),
    "flusso_bytes_in_flight": Spec(
        _WORKER, "Bytes of documents that are built and not acknowledged by the sinks yet"
    ),
    "flusso_seeding_ratio": Spec(
        _WORKER, "Part of the seeding of the newest generation that is done, from 0 to 1", _INDEX
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
    "flusso_commit_to_acknowledged_seconds": Spec(
        _WORKER,
        "For each batch with live changes, the time from the commit of its oldest transaction (by the clock of Postgres) until every"
        " sink has acknowledged its documents.  Searches show them after the next refresh of the index, up to `refresh_interval`"
        " later",
        _INDEX,
        _LATENCIES,
    ),
    "flusso_roots_per_change": Spec(
        _WORKER,
        "For each batch with live changes, the number of documents that it touches for each of its changes",
        _INDEX,
        _RATIOS,
    ),
    "flusso_flush_duration_seconds": Spec(_WORKER, "Time per flush", buckets=_DURATIONS),
    "flusso_build_duration_seconds": Spec(
        _WORKER, "Time per chunk of documents built", buckets=_DURATIONS
    ),
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
                name, spec.meaning, spec.labels, registry=self.registry, buckets=spec.buckets
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

    def histogram(self, name: HistogramName, *labels: str) -> Histogram:
        """The histogram, with the values of its labels."""
        found = self._histograms[name]
        return found.labels(*labels) if labels else found


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
