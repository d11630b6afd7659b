"""`flusso plan` at the edges of a deployment: before the first start, without rights, after losses; with `flusso run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.documents import run
from support.edits import steady_edits
from support.processes import Site
from support.scenario import Scenario
from support.stores import dev as store

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

DEADLINE = 90.0


def plan(site: Site, folder: Path, *options: str, code: int = 2) -> dict[str, Any]:
    arguments = ("--slot", site.slot, "--publication", site.slot, *options)
    done = site.run(folder, "plan", "--json", *arguments, deadline=DEADLINE)
    assert done.returncode == code, done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def actions(announced: dict[str, Any]) -> set[str]:
    return {item["action"] for item in announced["indexes"]}


def test_before_the_first_start_it_changes_nothing(site: Site, tmp_path: Path) -> None:
    store.load_store(site.database_url)
    site.write_config(tmp_path)
    announced = plan(site, tmp_path)
    assert actions(announced) == {"create"}
    assert announced["statements"][-1]["sql"] == (
        f"SELECT pg_create_logical_replication_slot('{site.slot}', 'pgoutput')"
    )
    assert {item["by_capture"] for item in announced["statements"]} == {True}
    assert announced["topics"][0] == f"{site.topic_prefix}._control"
    assert {item["table"] for item in announced["readings"]} == {
        "public.orders",
        "public.products",
        "public.users",
    }
    meta = f"{site.opensearch_url}/{site.index_prefix}flusso_meta"
    assert httpx.head(meta, timeout=60).status_code == httpx.codes.NOT_FOUND
    by_hand = plan(site, tmp_path, "--no-manage-publication", "--no-manage-replica-identity")
    assert [item["by_capture"] for item in by_hand["statements"]] == [
        *[False] * (len(announced["statements"]) - 1),
        True,
    ]
    shown = site.run(tmp_path, "plan", "--slot", site.slot, deadline=DEADLINE)
    assert "Plan: 3 new, 0 unchanged; " in shown.stdout
    run(site.database_url, "DROP TABLE reviews")
    broken = plan(site, tmp_path, code=1)
    assert "reviews" in broken["problems"][0]


def test_a_deployment_of_flusso_run(site: Site, tmp_path: Path) -> None:
    store.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    with scenario.running():
        scenario.wait_until_live(DEADLINE)
        with steady_edits(site.database_url, seed=1):
            for _ in range(3):
                # The slot and its record advance meanwhile.
                plan(site, tmp_path, code=0)
        scenario.assert_equal(DEADLINE)
        announced = plan(site, tmp_path, code=0)
        assert actions(announced) == {"keep"}
        assert announced["topics"] == announced["readings"] == []
    (users,) = [item for item in announced["indexes"] if item["index"] == "users"]
    index = f"{site.opensearch_url}/{users['generation']}"
    httpx.delete(index, timeout=60).raise_for_status()
    announced = plan(site, tmp_path)
    (rebuilt,) = [item for item in announced["indexes"] if item["action"] == "rebuild"]
    assert rebuilt["reason"] == "its index is gone from sink primary"
    assert rebuilt["duration"]["measured_at"] == "users"
    assert [item["table"] for item in announced["readings"]] == ["public.users"]
    run(site.database_url, f"SELECT pg_drop_replication_slot('{site.slot}')")
    announced = plan(site, tmp_path)
    assert {item["reason"] for item in announced["indexes"]} == {
        f"replication slot {site.slot} was dropped"
    }
    assert [item["sql"].split("(")[0] for item in announced["statements"]] == [
        "SELECT pg_create_logical_replication_slot"
    ]
    stopped = plan(site, tmp_path, "--on-lost-position", "stop", code=1)
    assert "capture does not start" in stopped["problems"][0]
