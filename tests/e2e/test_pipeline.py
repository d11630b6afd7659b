"""Every document follows every change, whatever carries the changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import store
from support.idle import wait_until
from support.processes import Daemon, Site, cleaned_up
from support.scenario import QUEUES, Scenario

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

LOAD_SECONDS = int(os.environ.get("FLUSSO_E2E_LOAD_SECONDS", "60"))
DEADLINE = 90.0


def assert_nothing_in_flight(daemon: Daemon) -> None:
    """Every change that was taken in is finished, and counted once, snapshot rows too."""

    def missing() -> str | None:
        status = daemon.status()
        left = status["changes_captured"] - status["changes_committed"]
        return None if left == status["changes_in_flight"] == 0 else f"{daemon.name}: {status}"

    wait_until("nothing is in flight", missing, DEADLINE)


@pytest.mark.parametrize("queue", QUEUES)
def test_every_document_follows_every_change(queue: str, site: Site, tmp_path: Path) -> None:
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        generations = scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)

        store.run_changes(site.database_url)
        scenario.assert_equal(DEADLINE)

        store.simulate_production(site.database_url, LOAD_SECONDS)
        scenario.assert_equal(DEADLINE)

        with store.Editor(site.database_url, seed=1) as editor:
            editor.edit_everything()
            scenario.assert_equal(DEADLINE)
            for _ in range(150):
                editor.edit()
        scenario.assert_equal(DEADLINE)
        for daemon in pipeline.daemons:
            assert_nothing_in_flight(daemon)

        pipeline.stop()
        with store.Editor(site.database_url, seed=2) as editor:
            for _ in range(20):
                editor.edit()
        pipeline.start()
        scenario.assert_equal(DEADLINE)

        # It went on from where it was: nothing was seeded again.
        assert scenario.generations() == generations
        assert pipeline.daemons[0].metric("flusso_snapshot_rows_total") == 0

        # Truncated tables: a junction, a child, and a root with the child it cascades to.
        store.truncate(site.database_url, "product_tags", "reviews")
        scenario.assert_equal(DEADLINE)
        store.truncate(site.database_url, "orders", "order_items")
        scenario.assert_equal(DEADLINE)
        pipeline.stop()
