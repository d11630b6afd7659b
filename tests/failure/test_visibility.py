"""Case 50, I2: the log has a commit before other sessions see it, and no document is built too early.

A synchronous standby that applies late holds back what the log's readers have long been sent.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from support.processes import Site
from support.scenario import Scenario
from support.servers.own_postgres import own_postgres, standby_of
from support.soak import also
from support.stores import dev as store

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0


@pytest.mark.parametrize("queue", also(["kafka, 1 worker"], ["flusso run"]))
def test_no_document_is_built_before_its_change_is_visible(
    queue: str, site: Site, tmp_path: Path
) -> None:
    """Every document is stale without the gate: shown by making `Snapshot.hidden` give nothing."""
    with (
        own_postgres() as primary,
        standby_of(primary, "late", recovery_min_apply_delay="400ms"),
    ):
        site = replace(site, database_url=primary.url())
        store.load_store(site.database_url)
        scenario = Scenario.over(queue, site, tmp_path)
        with scenario.running() as pipeline:
            scenario.wait_until_live(DEADLINE)
            primary.execute(
                "ALTER SYSTEM SET synchronous_standby_names = 'late'",
                "ALTER SYSTEM SET synchronous_commit = 'remote_apply'",
                "SELECT pg_reload_conf()",
            )
            with psycopg.connect(site.database_url, autocommit=True) as connection:
                for number in range(1, 9):
                    connection.execute(
                        "UPDATE users SET full_name = 'late ' || id WHERE id = %s", (number,)
                    )
                    connection.execute("DELETE FROM reviews WHERE product_id = %s", (number,))
            scenario.assert_equal(DEADLINE)
            waits = sum(
                daemon.metric("flusso_visibility_gate_waits_total") for daemon in pipeline.daemons
            )
            assert waits > 0, "the gate was never shut: this proves nothing"
            primary.execute(
                "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"
            )
