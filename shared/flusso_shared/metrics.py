"""Every metric: name, labels, meaning.  One instance per process, passed by constructor."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FLUSH_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All metrics of one process.  Labels are low in cardinality: index and table names only."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry

        # --- both ------------------------------------------------------------------------------
        self.errors = Counter(
            "flusso_errors_total", "Errors that stopped a pipeline or an index", registry=r
        )
        self.retries = Counter(
            "flusso_retries_total",
            "Attempts that failed and pass by themselves",
            ["what"],
            registry=r,
        )

        # --- capture ---------------------------------------------------------------------------
        self.changes_captured = Counter(
            "flusso_changes_captured_total",
            "Row changes read from the log or a snapshot and handed to the change log",
            registry=r,
        )
        self.changes_acknowledged = Counter(
            "flusso_changes_acknowledged_total",
            "Row changes that the change log acknowledged",
            registry=r,
        )
        self.snapshot_rows = Counter(
            "flusso_snapshot_rows_total", "Rows read by snapshots", ["table"], registry=r
        )
        self.slot_lag_bytes = Gauge(
            "flusso_replication_slot_lag_bytes",
            "Distance of the slot's confirmed position behind the server's log",
            registry=r,
        )
        self.slot_at_risk = Gauge(
            "flusso_replication_slot_at_risk",
            "1 when the server is about to remove log that the slot needs, or has",
            registry=r,
        )
        self.transactions_open = Gauge(
            "flusso_transactions_outstanding",
            "Transactions with changes that are not acknowledged yet",
            registry=r,
        )

        # --- worker ----------------------------------------------------------------------------
        self.changes_committed = Counter(
            "flusso_changes_committed_total",
            "Changes whose documents are flushed and acknowledged",
            registry=r,
        )
        self.changes_in_flight = Gauge(
            "flusso_changes_in_flight", "Changes taken in and not committed yet", registry=r
        )
        self.documents_built = Counter(
            "flusso_documents_built_total", "Documents written to the sinks", ["index"], registry=r
        )
        self.documents_quarantined = Counter(
            "flusso_documents_quarantined_total",
            "Documents that could not be built or that the destination refused, and that were skipped",
            ["index"],
            registry=r,
        )
        self.quarantine_documents = Gauge(
            "flusso_quarantine_documents",
            "Documents in quarantine now, as this process knows",
            ["index"],
            registry=r,
        )
        self.version_conflicts = Counter(
            "flusso_version_conflicts_total",
            "Writes that found a document at least as new: counted as success",
            ["index"],
            registry=r,
        )
        self.gate_waits = Counter(
            "flusso_visibility_gate_waits_total",
            "Snapshots that did not see a change of their batch yet and were taken again",
            ["index"],
            registry=r,
        )
        self.batches = Counter("flusso_batches_total", "Batches flushed", registry=r)
        self.flush_duration = Histogram(
            "flusso_flush_duration_seconds", "Time per flush", buckets=_FLUSH_BUCKETS, registry=r
        )
        self.build_duration = Histogram(
            "flusso_build_duration_seconds",
            "Time per chunk of documents built",
            buckets=_FLUSH_BUCKETS,
            registry=r,
        )
        self.indexes = Gauge("flusso_indexes", "Indexes kept at the sinks", registry=r)
        self.index_up = Gauge(
            "flusso_index_up",
            "1 while the index is kept, 0 while it has stopped at an error",
            ["index"],
            registry=r,
        )
        self.indexes_seeded = Counter(
            "flusso_indexes_seeded_total",
            "Seedings completed by this process",
            ["index"],
            registry=r,
        )
