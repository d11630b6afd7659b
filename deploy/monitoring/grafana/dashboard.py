#!/usr/bin/env python3
"""Writes `dashboards/flusso.json`, the dashboard of Grafana.  Change it here, then run this file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

TARGET = Path(__file__).parent / "dashboards" / "flusso.json"

_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_PROCESS = 'job=~"$job", instance=~"$instance"'
_INDEX = f'{_PROCESS}, index=~"$index"'
_HEIGHTS = {"stat": 4, "timeseries": 8}


@dataclass(frozen=True)
class Query:
    """One expression of PromQL, and the name of its lines."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel; `bad_from` is the value from which a number is shown in red."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    kind: Literal["stat", "timeseries"] = "timeseries"
    bad_from: float | None = None
    text: bool = False
    """Show the name of the line instead of its value."""
    bad_below: bool = False
    """Red is below `bad_from`."""


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...] = field(default=())


def rate(metric: str, labels: str, by: str = "") -> str:
    """The rate of a counter, summed over the processes, or by a label."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{labels}}}[$__rate_interval]))"


def or_zero(expression: str) -> str:
    """0 where there is no sample: a counter with labels begins to exist with its first event."""
    return f"{expression} or vector(0)"


def quantiles(metric: str, labels: str = _PROCESS) -> tuple[Query, ...]:
    """Median, 95th and 99th percentile of a histogram, over all processes."""
    rates = f"sum by (le) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({quantile}, {rates})", name)
        for quantile, name in ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
    )


def number(title: str, meaning: str, expression: str, **options: Any) -> Panel:
    """A single number of the overview."""
    return Panel(title, meaning, (Query(expression, ""),), width=3, kind="stat", **options)


ROWS = (
    Row(
        "Overview",
        (
            number(
                "Processes",
                "Processes that can be scraped.",
                'sum(up{job=~"$job", instance=~"$instance"})',
                bad_from=1,
                bad_below=True,
            ),
            number(
                "Indexes",
                "Indexes kept at the sinks, as the workers count them.",
                f"max(flusso_indexes{{{_PROCESS}}})",
            ),
            number(
                "Stopped indexes",
                "Indexes that a worker has stopped at an error; last_error in /status says why.",
                or_zero(f"count(min by (index) (flusso_index_up{{{_INDEX}}}) == 0)"),
                bad_from=1,
            ),
            number(
                "Quarantine",
                "Documents that are missing in search, or out of date.",
                or_zero(f"sum(max by (index) (flusso_quarantine_documents{{{_INDEX}}}))"),
                bad_from=1,
            ),
            number(
                "Slot lag",
                "Log that Postgres keeps for the replication slot.",
                f"max(flusso_replication_slot_lag_bytes{{{_PROCESS}}})",
                unit="bytes",
                bad_from=1024**3,
            ),
            number(
                "Slot at risk",
                "1 when Postgres is about to remove log that the slot needs, or has removed it.",
                f"max(flusso_replication_slot_at_risk{{{_PROCESS}}})",
                bad_from=1,
            ),
            number(
                "In flight",
                "Changes that are read and not committed yet.",
                f"sum(flusso_changes_in_flight{{{_INDEX}}})",
            ),
            number(
                "Version",
                "The version that runs; several during an upgrade.",
                f"count by (version) (flusso_build_info{{{_PROCESS}}})",
                text=True,
            ),
        ),
    ),
    Row(
        "Lag and latency",
        (
            Panel(
                "Lag in changes",
                "Changes that the index has not applied, over all workers.",
                (Query(f"sum by (index) (flusso_index_lag_records{{{_INDEX}}})", "{{index}}"),),
            ),
            Panel(
                "Lag in time",
                "Time since the commit of the oldest change that the index has not applied.",
                (Query(f"max by (index) (flusso_index_lag_seconds{{{_INDEX}}})", "{{index}}"),),
                unit="s",
            ),
            Panel(
                "From commit to acknowledgement",
                "For the oldest change of each batch; searches show it after the next refresh.",
                quantiles("flusso_commit_to_acknowledged_seconds", _INDEX),
                unit="s",
            ),
            Panel(
                "Since the last acknowledgement",
                "Also grows while nothing changes: look at it together with the lag.",
                (
                    Query(
                        f"min by (index) (flusso_acknowledgement_age_seconds{{{_INDEX}}})",
                        "{{index}}",
                    ),
                ),
                unit="s",
            ),
            Panel(
                "Seeding",
                "Part of the seeding of the newest generation that is done.",
                (Query(f"max by (index) (flusso_seeding_ratio{{{_INDEX}}})", "{{index}}"),),
                unit="percentunit",
            ),
            Panel(
                "Servers that answer",
                "1 while every process has answers from the server, 0 otherwise.",
                (Query(f"min by (server) (flusso_server_up{{{_PROCESS}}})", "{{server}}"),),
            ),
        ),
    ),
    Row(
        "Changes",
        (
            Panel(
                "Captured and acknowledged",
                "Changes handed to the change log, and those that it has acknowledged.",
                (
                    Query(rate("flusso_changes_captured_total", _PROCESS), "captured"),
                    Query(rate("flusso_changes_acknowledged_total", _PROCESS), "acknowledged"),
                ),
                unit="cps",
            ),
            Panel(
                "Committed",
                "Changes whose documents the index has, over all workers.",
                (Query(rate("flusso_changes_committed_total", _INDEX, "index"), "{{index}}"),),
                unit="cps",
            ),
            Panel(
                "In flight",
                "Changes that are read and not committed yet. Thousands all the time are a backlog.",
                (Query(f"sum by (index) (flusso_changes_in_flight{{{_INDEX}}})", "{{index}}"),),
            ),
        ),
    ),
    Row(
        "Source",
        (
            Panel(
                "Replication slot lag",
                "Distance of the slot's confirmed position behind the server's log.",
                (
                    Query(
                        f"max by (instance) (flusso_replication_slot_lag_bytes{{{_PROCESS}}})",
                        "{{instance}}",
                    ),
                ),
                unit="bytes",
            ),
            Panel(
                "Log kept for the slot",
                "Log that Postgres keeps for the slot, and what can still be written before it is invalidated.",
                (
                    Query(
                        f"max by (instance) (flusso_replication_slot_retained_bytes{{{_PROCESS}}})",
                        "kept: {{instance}}",
                    ),
                    Query(
                        f"min by (instance) (flusso_replication_slot_safe_bytes{{{_PROCESS}}})",
                        "safe: {{instance}}",
                    ),
                ),
                unit="bytes",
            ),
            Panel(
                "State of the slot",
                "The state in pg_replication_slots that is 1. unreserved is about to be lost.",
                (
                    Query(
                        f"max by (wal_status) (flusso_replication_slot_wal_status{{{_PROCESS}}})",
                        "{{wal_status}}",
                    ),
                ),
            ),
            Panel(
                "Transactions outstanding",
                "Transactions with changes that are not acknowledged yet.",
                (
                    Query(
                        f"max by (instance) (flusso_transactions_outstanding{{{_PROCESS}}})",
                        "{{instance}}",
                    ),
                ),
            ),
            Panel(
                "Rows read by table snapshots",
                "Rows per second, while tables are read whole.",
                (Query(rate("flusso_snapshot_rows_total", _PROCESS, "table"), "{{table}}"),),
                unit="rps",
            ),
        ),
    ),
    Row(
        "Documents",
        (
            Panel(
                "Written",
                "Documents written to the sinks, by the cause of their build.",
                (
                    Query(
                        rate("flusso_documents_built_total", _INDEX, "index, cause"),
                        "{{index}} {{cause}}",
                    ),
                ),
                unit="cps",
            ),
            Panel(
                "Documents per change",
                "Documents that each change of a batch touches.",
                quantiles("flusso_roots_per_change", _INDEX),
            ),
            Panel(
                "Bytes in flight",
                "Documents that are built and not acknowledged yet.",
                (
                    Query(
                        f"sum by (instance) (flusso_bytes_in_flight{{{_PROCESS}}})", "{{instance}}"
                    ),
                ),
                unit="bytes",
            ),
            Panel(
                "Batches and version conflicts",
                "Batches flushed, and writes that found a document at least as new, which is success.",
                (
                    Query(rate("flusso_batches_total", _PROCESS), "batches"),
                    Query(
                        or_zero(rate("flusso_version_conflicts_total", _INDEX)),
                        "version conflicts",
                    ),
                ),
                unit="cps",
            ),
            Panel(
                "Quarantine",
                "Documents in quarantine now, and documents put there per second.",
                (
                    Query(
                        or_zero(f"max by (index) (flusso_quarantine_documents{{{_INDEX}}})"),
                        "now: {{index}}",
                    ),
                    Query(
                        or_zero(rate("flusso_documents_quarantined_total", _INDEX)),
                        "per second",
                    ),
                ),
            ),
            Panel(
                "Time to build a chunk",
                "Time of one SQL statement that builds documents.",
                quantiles("flusso_build_duration_seconds"),
                unit="s",
            ),
            Panel(
                "Time per flush",
                "Time of the bulk requests of one chunk, to every sink.",
                quantiles("flusso_flush_duration_seconds"),
                unit="s",
            ),
            Panel(
                "Waits for visibility",
                "Snapshots that did not see a change of their batch yet. Many mean a lagging synchronous standby.",
                (
                    Query(
                        or_zero(rate("flusso_visibility_gate_waits_total", _INDEX)),
                        "waits",
                    ),
                ),
                unit="cps",
            ),
        ),
    ),
    Row(
        "Indexes and errors",
        (
            Panel(
                "Index is kept",
                "1 while the index is kept, 0 while it has stopped at an error.",
                (Query(f"min by (index) (flusso_index_up{{{_INDEX}}})", "{{index}}"),),
            ),
            Panel(
                "Errors and seedings",
                "Errors that stopped an index or a pipeline, and seedings completed, in the last hour.",
                (
                    Query(f"sum(increase(flusso_errors_total{{{_PROCESS}}}[1h]))", "errors"),
                    Query(
                        or_zero(f"sum(increase(flusso_indexes_seeded_total{{{_INDEX}}}[1h]))"),
                        "seedings",
                    ),
                ),
            ),
            Panel(
                "Retries",
                "Attempts that failed and are repeated. The log names the server.",
                (
                    Query(
                        or_zero(rate("flusso_retries_total", _PROCESS, "what")),
                        "{{what}}",
                    ),
                    Query(
                        or_zero(rate("flusso_sink_retries_total", _PROCESS, "sink, reason")),
                        "{{sink}} {{reason}}",
                    ),
                ),
                unit="cps",
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Panel(
                "Processor time",
                "Cores in use.",
                (
                    Query(
                        rate("process_cpu_seconds_total", _PROCESS, "job, instance"),
                        "{{job}} {{instance}}",
                    ),
                ),
            ),
            Panel(
                "Memory",
                "Resident memory.",
                (
                    Query(
                        f"process_resident_memory_bytes{{{_PROCESS}}}",
                        "{{job}} {{instance}}",
                    ),
                ),
                unit="bytes",
            ),
            Panel(
                "Uptime",
                "Time since the start of each process.",
                (
                    Query(
                        f"time() - process_start_time_seconds{{{_PROCESS}}}",
                        "{{job}} {{instance}}",
                    ),
                ),
                unit="s",
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "flusso",
        "title": "flusso",
        "description": "Changes from Postgres to OpenSearch: how many, how far behind, what fails.",
        "tags": ["flusso"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables()},
        "panels": _panels(),
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
        },
        _labels("job", "Job", "label_values(flusso_build_info, job)"),
        _labels("instance", "Process", 'label_values(flusso_build_info{job=~"$job"}, instance)'),
        _labels("index", "Index", f"label_values(flusso_index_up{{{_PROCESS}}}, index)"),
    ]


def _labels(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": "All", "value": "$__all"},
    }


def _panels() -> list[dict[str, Any]]:
    """All panels with their places: each row from the left, in a new line where there is no room."""
    made: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        made.append(
            {"type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        )
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y = 0, y + height
            height = _HEIGHTS[panel.kind]
            made.append(_panel(panel, {"x": x, "y": y, "w": panel.width, "h": height}))
            x += panel.width
        y += height
    for number_, panel_ in enumerate(made, 1):
        panel_["id"] = number_
    return made


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    stat = panel.kind == "stat"
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + number_),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": "{{version}}" if panel.text else query.legend or "__auto",
                "instant": stat,
                "range": not stat,
            }
            for number_, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _stat_options(panel) if stat else _graph_options(),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        found["min"] = 0
        found["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    good, bad = "green", "red"
    steps: list[dict[str, Any]] = [{"color": good, "value": None}]
    if panel.bad_from is not None:
        first, then = (bad, good) if panel.bad_below else (good, bad)
        steps = [{"color": first, "value": None}, {"color": then, "value": panel.bad_from}]
    found["thresholds"] = {"mode": "absolute", "steps": steps}
    return found


def _stat_options(panel: Panel) -> dict[str, Any]:
    return {
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "name" if panel.text else "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }


def _graph_options() -> dict[str, Any]:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(dashboard(), indent=2) + "\n")
