"""What the processes export at `/metrics`, and that a change counts the same on its whole way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from flusso_shared.metrics import Part
from support.exposition import SPECS, names
from support.processes import Daemon, Site
from support.scenario import Scenario
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

DEADLINE = 120.0
_PARTS: dict[str, tuple[tuple[Part, ...], ...]] = {
    "kafka, 1 worker": (("capture",), ("worker",)),
    "flusso run": (("capture", "worker"),),
}
"""What runs in each process, by queue."""
_INDEXES = ("orders", "users")


def counted(capture: Daemon, worker: Daemon) -> dict[str, float]:
    """Changes captured, acknowledged, and committed by each index."""
    found = {
        kind: capture.metric(f"flusso_changes_{kind}_total")
        for kind in ("captured", "acknowledged")
    }
    samples = worker.samples()
    for index in _INDEXES:
        found[index] = samples.get(f'flusso_changes_committed_total{{index="{index}"}}', 0.0)
    return found


def settled(capture: Daemon, worker: Daemon) -> dict[str, float]:
    """The same once everything captured is acknowledged, and everything read is committed."""
    found: dict[str, float] = {}

    def missing() -> str | None:
        open_before = worker.metric("flusso_changes_in_flight")
        found.update(counted(capture, worker))
        unsettled = open_before or found["captured"] != found["acknowledged"]
        return f"{open_before} in flight, {found}" if unsettled else None

    until_none("all that was read is finished", missing, DEADLINE)
    return found


def assert_measured(capture: Daemon, worker: Daemon) -> None:
    """The metrics of the slot, of lag and of latency have what they are to have once nothing is left to do."""
    slot = {
        key: value
        for key, value in capture.samples().items()
        if key.startswith("flusso_replication_slot_wal_status")
    }
    assert len(slot) == 4
    assert slot['flusso_replication_slot_wal_status{wal_status="reserved"}'] == 1
    assert sum(slot.values()) == 1
    found: dict[str, float] = {}

    def lag() -> str | None:
        found.update(worker.samples())
        open_ = [found[f'flusso_index_lag_records{{index="{index}"}}'] for index in _INDEXES]
        return f"lag {open_}" if any(open_) else None

    until_none("no lag", lag, DEADLINE)
    for index in _INDEXES:
        of = f'{{index="{index}"}}'
        assert found[f"flusso_index_lag_seconds{of}"] == 0
        assert found[f"flusso_seeding_ratio{of}"] == 1
        assert found[f"flusso_acknowledgement_age_seconds{of}"] >= 0
        assert found[f"flusso_commit_to_acknowledged_seconds_count{of}"] > 0
        assert found[f"flusso_roots_per_change_count{of}"] > 0
        rows = found[f'flusso_documents_built_total{{cause="snapshot",index="{index}"}}']
        table = f'flusso_snapshot_rows_total{{table="public.{index}"}}'
        assert rows == capture.samples()[table]
        assert found[f'flusso_documents_built_total{{cause="change",index="{index}"}}'] > 0
    assert found["flusso_bytes_in_flight"] == 0
    assert found['flusso_server_up{server="opensearch primary"}'] == 1


@pytest.mark.parametrize("queue", _PARTS)
def test_a_change_counts_once_as_captured_acknowledged_and_committed(
    queue: str, site: Site, tmp_path: Path
) -> None:
    """Rows of a snapshot, and rows of a table that both indexes read: 7 inserts, 7 updates, 3 deletes."""
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, replace(site, indexes=_INDEXES), tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        capture, worker = pipeline.daemons[0], pipeline.daemons[-1]
        seeded = settled(capture, worker)
        assert seeded["captured"] == capture.metric("flusso_snapshot_rows_total") > 0

        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO orders (id, user_id, status)"
                " SELECT 2000000 + n, (SELECT min(id) FROM users), 'pending'"
                " FROM generate_series(1, 7) n"
            )
            connection.execute("UPDATE orders SET status = 'paid' WHERE id > 2000000")
            connection.execute("DELETE FROM orders WHERE id > 2000004")
        scenario.assert_equal(DEADLINE)  # which makes one more change, of a row of users
        now = settled(capture, worker)
        assert {kind: now[kind] - before for kind, before in seeded.items()} == {
            "captured": 18,
            "acknowledged": 18,
            "users": 18,
            "orders": 17,
        }
        assert_measured(capture, worker)
        for daemon, parts in zip(pipeline.daemons, _PARTS[queue], strict=True):
            exported = {name for name in names(daemon.exposition()) if name in SPECS}
            assert exported == {
                name for name, spec in SPECS.items() if set(spec.fed_by) & set(parts)
            }
            described = daemon.samples()
            assert any(key.startswith("flusso_build_info{revision=") for key in described)
            assert described["process_cpu_seconds_total"] > 0
