"""Postgres restarts, crashes, is cut off, runs out of patience with the slot (cases 14, 15, 22, 30; I1, I3, I6)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from support.edits import steady_edits
from support.failpoint import delay_at
from support.kits.capture_kit import Kit, create_tables
from support.processes import Site, cleaned_up
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.servers.own_postgres import OwnPostgres, own_postgres
from support.soak import also
from support.stores import dev as store
from support.waiting import until, until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("test_database_outages"),
]

DEADLINE = 90.0


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    """A server for all tests of this module; each has a database of its own."""
    with own_postgres(max_prepared_transactions="10", max_slot_wal_keep_size="64MB") as found:
        yield found


@pytest.fixture
def site(server: OwnPostgres, site: Site) -> Iterator[Site]:
    """A site whose database is on the own server, with the dev store."""
    name = site.slot + "_db"
    server.execute(f"CREATE DATABASE {name}")
    found = replace(site, database_url=server.url(name))
    store.load_store(found.database_url)
    yield found
    server.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
        " WHERE active_pid IS NOT NULL",
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
        f"DROP DATABASE {name} WITH (FORCE)",
    )


@pytest.mark.parametrize("queue", also(["flusso run"], ["kafka, 1 worker"]))
def test_restarts_and_crashes_under_load_lose_nothing(
    queue: str, server: OwnPostgres, site: Site, tmp_path: Path
) -> None:
    """Case 14, I1, I3: no process is started again, and nothing is seeded again."""
    scenario = Scenario.over(queue, site, tmp_path)
    with scenario.running():
        generations = scenario.wait_until_live(DEADLINE)
        with steady_edits(site.database_url, 14, patient=True):
            for end in (server.stop, server.crash):
                time.sleep(2.0)
                end()
                time.sleep(1.0)
                server.start()
            time.sleep(2.0)
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations


def test_transaction_ids_that_a_crash_takes_back_do_not_freeze_documents(
    server: OwnPostgres, site: Site, tmp_path: Path
) -> None:
    """Case 14, I3: a document stands above every version that the database can give for a while.

    (Shown to fail by counting every conflict as success.)
    """
    site = replace(site, indexes=("users",))
    scenario = Scenario.over("flusso run", site, tmp_path)
    (process,) = scenario.pipeline.daemons
    with cleaned_up(scenario.pipeline):
        process.start(delay_at("after_poll", 1500))
        scenario.wait_until_live(DEADLINE)
        server.stop_writing_log()
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute("UPDATE users SET full_name = 'before' WHERE id = 2")
            connection.execute("SELECT pg_switch_wal()")  # that much is in the log for good
            for _ in range(300):
                connection.execute("SELECT pg_current_xact_id()")
        until_none("built in a snapshot above the log", lambda: _name(scenario, "before"), DEADLINE)
        server.crash()
        server.start()
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute("UPDATE users SET full_name = 'after' WHERE id = 2")
        scenario.assert_equal(DEADLINE)
        assert "as after a crash of Postgres" in process.text(), "no transaction id was taken back"
        process.stop()


def _name(scenario: Scenario, name: str) -> str | None:
    found = scenario.read("users")["2"]["fullName"]
    return None if found == name else f"it is {found}"


def test_capture_reconnects_after_the_wal_sender_timed_out(
    site: Site, server: OwnPostgres, tmp_path: Path
) -> None:
    """Case 15, I1: a partition of the network that lasts longer than `wal_sender_timeout`."""
    with TcpProxy(server.address) as proxy:
        name = site.database_url.rpartition("/")[2]
        patience = "?options=-c%20wal_sender_timeout%3D2s&tcp_user_timeout=2000"
        wired = replace(site, database_url=server.url(name, port=proxy.port) + patience)
        scenario = Scenario.over("kafka, 1 worker", wired, tmp_path)
        scenario.watch(site.database_url)
        with scenario.running():
            generations = scenario.wait_until_live(DEADLINE)
            with steady_edits(site.database_url, 15):
                time.sleep(1.0)
                proxy.deafen()
                until_none(
                    "the server hangs up",
                    lambda: (
                        None
                        if server.one("SELECT count(*) FROM pg_stat_replication") == 0
                        else "it holds on"
                    ),
                    DEADLINE,
                )
                proxy.cut()
                proxy.hear()
                proxy.resume()
                time.sleep(1.0)
            scenario.assert_equal(DEADLINE)
            assert scenario.generations() == generations


@pytest.mark.parametrize("queue", also(["kafka, 1 worker"], ["flusso run"]))
def test_an_invalidated_slot_leads_to_new_generations(
    queue: str, server: OwnPostgres, site: Site, tmp_path: Path
) -> None:
    """Case 22, I6: the server removed log that the slot needed; the old indexes answer up to the swap."""
    scenario = Scenario.over(queue, site, tmp_path)
    with scenario.running() as pipeline:
        before = scenario.wait_until_live(DEADLINE)
        capture = pipeline.daemons[0]
        capture.stop()
        with store.Editor(site.database_url, seed=22) as editor:
            editor.edit_everything()
        status = "SELECT wal_status FROM pg_replication_slots"
        while server.one(status) != "lost":
            server.execute("CREATE TABLE fill ()", "DROP TABLE fill", "SELECT pg_switch_wal()")
            server.execute("CHECKPOINT")
        assert scenario.generations() == before
        capture.start()

        scenario.await_renewed(before, DEADLINE)
        scenario.assert_equal(DEADLINE)


def test_a_slot_about_to_be_lost_is_reported_before_it_is_lost(
    server: OwnPostgres, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 22: the queue takes nothing, and the log grows past what the server promises to keep."""
    kit = Kit(site.database_url, site.slot)
    kit.sql("DROP TABLE IF EXISTS users, orders, unrelated CASCADE")
    create_tables(site.database_url)

    def at_risk() -> float | None:
        return kit.metrics.registry.get_sample_value("flusso_replication_slot_at_risk")

    with kit.running(lag_poll_seconds=0.1):
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
        status = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{site.slot}'"
        while server.one(status) in ("reserved", "extended"):
            kit.sql("CREATE TABLE fill ()", "DROP TABLE fill", "SELECT pg_switch_wal()")
        assert server.one(status) == "unreserved"
        until("the metric", lambda: at_risk() == 1)
        assert "about to be invalidated" in caplog.text
        kit.log.hold.clear()


def test_prepared_transactions_show_when_they_are_committed(
    server: OwnPostgres, site: Site, tmp_path: Path
) -> None:
    """Cases 7, 30, I1: open over a restart of capture, prepared, committed or rolled back later."""
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        capture = pipeline.daemons[0]
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            for name, key in (("kept", 2), ("dropped", 6)):
                connection.execute("BEGIN")
                connection.execute("UPDATE users SET full_name = 'prepared' WHERE id = %s", (key,))
                connection.execute("DELETE FROM order_items WHERE order_id = %s", (key,))
                connection.execute(f"PREPARE TRANSACTION '{name}'".encode())
            with psycopg.connect(site.database_url) as long:
                long.execute("UPDATE users SET full_name = 'open' WHERE id = 3")
                long.execute("UPDATE orders SET user_id = 3 WHERE id = 3")
                scenario.assert_equal(DEADLINE)
                capture.stop()
                capture.start()
                connection.execute("UPDATE users SET full_name = 'quick' WHERE id = 4")
                scenario.assert_equal(DEADLINE)
            connection.execute("COMMIT PREPARED 'kept'")
            connection.execute("ROLLBACK PREPARED 'dropped'")
        scenario.assert_equal(DEADLINE)
        assert scenario.read("users")["2"]["fullName"] == "prepared"


def test_a_two_phase_slot_sends_prepared_transactions_at_their_commit(
    server: OwnPostgres, site: Site
) -> None:
    """Prepared before the start, which waits for them, and while streaming; committed or rolled back later."""
    kit = Kit(site.database_url, site.slot)

    def prepared(name: str, key: int) -> None:
        with psycopg.connect(kit.url, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", (key, name))
            connection.execute(f"PREPARE TRANSACTION '{name}'".encode())

    kit.sql(
        "DROP TABLE IF EXISTS users, orders CASCADE",
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, email text)",
        "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text)",
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders",
        f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput', false, true)",
    )
    prepared("early", 1)
    prepared("lost", 2)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE '%pg_prepared_xacts%' AND pid <> pg_backend_pid()"
    )

    def end_both() -> None:
        until("the start waits for them", lambda: kit.one(waiting))
        kit.sql("COMMIT PREPARED 'early'", "ROLLBACK PREPARED 'lost'")

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_both)
        with kit.running():
            prepared("late", 3)
            kit.sql("INSERT INTO users VALUES (4)")
            assert [change.key for change in kit.expect(2)] == [("1",), ("4",)]
            kit.sql("COMMIT PREPARED 'late'")
            assert [change.key for change in kit.expect(1)] == [("3",)]
            kit.sql("INSERT INTO users VALUES (5)")
            assert [change.key for change in kit.expect(1)] == [("5",)]
        ended.result()
    assert server.one("SELECT array_agg(two_phase) FROM pg_replication_slots") == [False]
