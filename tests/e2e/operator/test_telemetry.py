"""Traces and metrics of a real run arrive at a collector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.processes import Site
from support.scenario import Scenario
from support.servers.otlp_collector import Collector, attributes, collector
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

DEADLINE = 120.0
CHILDREN = ("resolve", "build", "flush", "commit")
PARTS = {"kafka, 1 worker": {"capture", "worker"}, "flusso run": {"run"}}
"""What runs in each process, by queue."""


@pytest.mark.parametrize("queue", PARTS)
def test_a_change_leads_from_its_transaction_to_the_batch_that_applies_it(
    queue: str, site: Site, tmp_path: Path
) -> None:
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, replace(site, indexes=("orders",)), tmp_path)
    with collector() as found:
        for daemon in scenario.pipeline.daemons:
            daemon.environment |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": found.endpoint,
                "OTEL_METRIC_EXPORT_INTERVAL": "500",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
        with scenario.running():
            scenario.wait_until_live(DEADLINE)
            with psycopg.connect(site.database_url, autocommit=True) as connection:
                connection.execute("UPDATE orders SET status = 'paid' WHERE id < 20")
            until_none("a batch is linked to what it applies", lambda: unlinked(found), DEADLINE)
        assert {resource["flusso.part"] for resource, _ in found.metrics()} == PARTS[queue]
        assert_spans(found)
        assert_metrics(found, set(PARTS[queue]))


def unlinked(found: Collector) -> str | None:
    """None once a complete batch links to the span that published a change of it."""
    published = {span.span_id: span for _, span in found.spans("publish")}
    for _, batch in found.spans("batch"):
        linked = [published[link.span_id] for link in batch.links if link.span_id in published]
        if linked and all(children(found, batch, name) for name in CHILDREN):
            assert all(link.trace_id in {span.trace_id for span in linked} for link in batch.links)
            return None
    return f"{len(published)} published, {len(found.spans('batch'))} batches"


def children(found: Collector, batch: Any, name: str) -> list[Any]:
    """The spans of this name within a batch."""
    return [
        span
        for _, span in found.spans(name)
        if (span.trace_id, span.parent_span_id) == (batch.trace_id, batch.span_id)
    ]


def assert_spans(found: Collector) -> None:
    """The processes have stopped, and have sent everything."""
    for resource, batch in found.spans("batch"):
        assert resource["service.name"] == "flusso"
        named = attributes(batch)
        assert named["flusso.index"] == "orders"
        assert int(named["flusso.changes"]) > 0
        assert batch.start_time_unix_nano <= batch.end_time_unix_nano
        # Others may have been given up at the end of the process.
        for name in ("resolve", "build"):
            assert children(found, batch, name), name
        for span in children(found, batch, "flush"):
            assert int(attributes(span)["flusso.documents"]) > 0
    [parents] = [{span.parent_span_id for _, span in found.spans("publish")}]
    assert parents == {b""}, "each transaction is a trace of its own"


def assert_metrics(found: Collector, parts: set[str]) -> None:
    """Counters, gauges and histograms have the values, labels and names that `/metrics` has."""
    last: dict[str, Any] = {metric.name: metric for _, metric in found.metrics()}
    committed = last["flusso_changes_committed_total"].sum
    assert committed.is_monotonic
    [point] = committed.data_points
    assert attributes(point) == {"index": "orders"}
    assert point.as_double > 0
    assert last["flusso_replication_slot_lag_bytes"].unit == "By"
    [flushes] = last["flusso_flush_duration_seconds"].histogram.data_points
    assert flushes.count == sum(flushes.bucket_counts) > 0
    assert len(flushes.bucket_counts) == len(flushes.explicit_bounds) + 1
    assert not flushes.HasField("max")
    builds: Mapping[str, str] = attributes(last["flusso_build_info"].gauge.data_points[0])
    assert builds["version"]
    instances = {resource["service.instance.id"] for resource, _ in found.metrics()}
    assert len(instances) == len(parts)
