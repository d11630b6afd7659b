"""Every document follows every change, whatever carries the changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from support import names
from support.processes import Daemon, Site, cleaned_up
from support.scenario import QUEUES, Scenario
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

OPERATIONS = int(os.environ.get("FLUSSO_E2E_OPERATIONS", "6000"))
DEADLINE = 120.0


@contextmanager
def side_by_side(site: Site, folder: Path) -> Iterator[list[Scenario]]:
    """A pipeline over each queue, all of them on one database, with slot, topics and indexes of their own."""
    with ExitStack() as stack:
        scenarios = []
        for number, queue in enumerate(QUEUES):
            own = replace(
                site,
                slot=names.slot_name(),
                topic_prefix=f"{site.topic_prefix}-{number}",
                index_prefix=f"{site.index_prefix}{number}_",
            )
            place = folder / str(number)
            place.mkdir()
            scenarios.append(Scenario.over(queue, own, place))
            stack.enter_context(cleaned_up(scenarios[-1].pipeline))
        yield scenarios


def assert_equal(scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        scenario.assert_equal(DEADLINE)


def assert_nothing_in_flight(daemon: Daemon) -> None:
    """Every change that was taken in is finished, and counted once, snapshot rows too."""

    def missing() -> str | None:
        status = daemon.status()
        left = status["changes_captured"] - status["changes_committed"]
        return None if left == status["changes_in_flight"] == 0 else f"{daemon.name}: {status}"

    until_none("nothing is in flight", missing, DEADLINE)


def test_every_document_follows_every_change(site: Site, tmp_path: Path) -> None:
    """Over Kafka with one worker and with three, and in `flusso run`, which read the same log at the same time."""
    store.load_store(site.database_url)
    with side_by_side(site, tmp_path) as scenarios:
        pipelines = [scenario.pipeline for scenario in scenarios]
        for pipeline in pipelines:
            pipeline.start()
        generations = [scenario.wait_until_live(DEADLINE) for scenario in scenarios]
        assert_equal(scenarios)

        store.run_changes(site.database_url)
        assert_equal(scenarios)

        store.simulate_production(site.database_url, OPERATIONS)
        assert_equal(scenarios)

        with store.Editor(site.database_url, seed=1) as editor:
            editor.edit_everything()
            assert_equal(scenarios)
            for _ in range(150):
                editor.edit()
        assert_equal(scenarios)
        for pipeline in pipelines:
            for daemon in pipeline.daemons:
                assert_nothing_in_flight(daemon)

        for pipeline in pipelines:
            pipeline.stop()
        with store.Editor(site.database_url, seed=2) as editor:
            for _ in range(20):
                editor.edit()
        for pipeline in pipelines:
            pipeline.start()
        assert_equal(scenarios)

        # They went on from where they were: nothing was seeded again.
        assert [scenario.generations() for scenario in scenarios] == generations
        for pipeline in pipelines:
            assert pipeline.daemons[0].metric("flusso_snapshot_rows_total") == 0

        # Truncated tables: a junction, a child, and a root with the child it cascades to.
        store.truncate(site.database_url, "product_tags", "reviews")
        assert_equal(scenarios)
        store.truncate(site.database_url, "orders", "order_items")
        assert_equal(scenarios)
        for pipeline in pipelines:
            pipeline.stop()
