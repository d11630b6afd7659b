"""Row-level security that is switched on hides rows, and deletes no document (I8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from support import names
from support.kits.check_kit import role
from support.processes import Site
from support.scenario import Scenario
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 120.0


@pytest.mark.parametrize("queue", ["kafka, 1 worker", "flusso run"])
def test_an_index_over_rows_that_are_hidden_stops_alone_until_they_are_not(
    site: Site, tmp_path: Path, queue: str
) -> None:
    owner = site.database_url
    store.load_store(owner)
    with (
        psycopg.connect(owner, autocommit=True) as admin,
        role(owner, names.unique("flusso_test_"), "REPLICATION") as url,
    ):
        publish(admin, site.slot)
        scenario = Scenario.over(queue, replace(site, database_url=url), tmp_path)
        scenario.watch(owner)
        with scenario.running() as pipeline:
            scenario.wait_until_live(DEADLINE)
            scenario.assert_equal(DEADLINE)
            worker = pipeline.daemons[-1]
            users = scenario.read("users")

            def others_go_on() -> str | None:
                indexes = worker.status()["indexes"]
                wanted = {"users": "stopped", "orders": "seeded", "products": "seeded"}
                return None if indexes == wanted else str(indexes)

            def followed() -> str | None:
                found = {each["name"] for each in scenario.read("products").values()}
                return None if found == {new} else str(sorted(found)[:3])

            admin.execute("ALTER TABLE profiles ENABLE ROW LEVEL SECURITY")
            admin.execute("UPDATE profiles SET user_id = user_id")
            for new in ("before a restart", "after a restart"):
                admin.execute("UPDATE products SET name = %s", (new,))
                until_none("users alone stops", others_go_on, DEADLINE)
                until_none("products are followed", followed, DEADLINE)
                assert scenario.read("users") == users
                assert "row-level security" in worker.status()["last_error"]
                if new == "before a restart":
                    pipeline.stop()
                    pipeline.start()
            admin.execute("ALTER TABLE profiles DISABLE ROW LEVEL SECURITY")
            scenario.assert_equal(DEADLINE)


def publish(admin: psycopg.Connection, publication: str) -> None:
    """What capture may not do for tables that it does not own."""
    tables = [
        sql.Identifier(*row)
        for row in admin.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    ]
    admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
    for table in tables:
        admin.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(table))
    admin.execute(
        sql.SQL(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)"
        ).format(sql.Identifier(publication), sql.SQL(", ").join(tables))
    )
