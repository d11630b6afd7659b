"""Cases 24 and 25, I3 and I6: a standby takes over, and lacks what the old primary had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.processes import Site
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.servers.own_postgres import OwnPostgres, own_postgres, standby_of
from support.soak import also
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
_FOLLOWERS = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'heir'"


def _await_standby(primary: OwnPostgres) -> None:
    def missing() -> str | None:
        found = primary.one(f"{_FOLLOWERS} AND replay_lsn = pg_current_wal_lsn()")
        return None if found == 1 else "it lags"

    until_none("the standby has it", missing, DEADLINE)


@pytest.mark.parametrize("queue", also(["flusso run"], ["kafka, 1 worker"]))
def test_a_promoted_standby_without_the_last_transactions_is_read_again(
    queue: str, site: Site, tmp_path: Path
) -> None:
    """The slot did not come along, and neither did a transaction whose documents are built already."""
    with (
        own_postgres() as primary,
        standby_of(primary, "heir") as heir,
        TcpProxy(primary.address) as proxy,
    ):
        store.load_store(primary.url())
        site = replace(site, database_url=primary.url(port=proxy.port))
        scenario = Scenario.over(queue, site, tmp_path)
        with scenario.running() as pipeline:
            before = scenario.wait_until_live(DEADLINE)
            scenario.assert_equal(DEADLINE)
            _await_standby(primary)
            # From here on the standby is deaf.
            heir.execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
            until_none(
                "the standby is deaf",
                lambda: None if primary.one(_FOLLOWERS) == 0 else "it listens",
                DEADLINE,
            )
            primary.execute(
                "UPDATE users SET full_name = 'lost' WHERE id < 4",
                "INSERT INTO users (id, email) VALUES (4711, 'lost@example.org')",
                "DELETE FROM order_items WHERE order_id = 1",
            )
            scenario.assert_equal(DEADLINE)
            assert "4711" in scenario.read("users")

            primary.crash()
            proxy.target = heir.address
            heir.execute("SELECT pg_promote()")
            heir.execute("UPDATE users SET full_name = 'new' WHERE id = 2")

            def missing() -> str | None:
                pipeline.check()
                now = scenario.generations()
                renewed = now is not None and all(now[name] != before[name] for name in before)
                return None if renewed else f"{now}"

            until_none("new generations", missing, DEADLINE)
            scenario.assert_equal(DEADLINE)
            assert "4711" not in scenario.read("users")
