"""The health of capture."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flusso_capture.options import CaptureContext
from flusso_capture.tasks.slot_lag import SlotLagMonitor
from flusso_shared.clock import SystemClock
from flusso_shared.errors import StoppedError
from flusso_shared.status import Status
from support.kits.capture_kit import Kit, create_tables
from support.servers.own_postgres import own_postgres
from support.waiting import until

pytestmark = pytest.mark.services


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    return Kit(database, slot_name, status=Status(stall_timeout=1.0))


def test_changes_that_nothing_acknowledges_are_a_stall(kit: Kit) -> None:
    with kit.running():
        assert kit.status.health().state == "ok"
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1)", "INSERT INTO users VALUES (2)")
        until("failing", lambda: "capture: 2 changes wait, and none" in str(kit.status.health()))
        assert kit.status.health().state == "failing"
        kit.log.hold.clear()
        until("ok", lambda: kit.status.health().state == "ok")


def test_in_one_process_with_the_worker_the_indexes_have_the_backlog(kit: Kit) -> None:
    """A log in memory acknowledges what every index has applied, also one that has stopped."""
    kit.owns_status = False
    with kit.running():
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
        assert kit.status.backlogs.waiting(set()) == []
        kit.log.hold.clear()


class Records(dict[str, dict[str, Any]]):
    """Control records that break once the test wants it."""

    broken = False

    def __setitem__(self, key: str, value: dict[str, Any]) -> None:
        if self.broken:
            raise ValueError("no such thing")
        super().__setitem__(key, value)


def test_a_thread_that_ends_is_a_failure(kit: Kit) -> None:
    records = Records()
    kit.log.records = records

    def run() -> None:
        with kit.running():
            records.broken = True
            kit.sql("INSERT INTO users VALUES (1)")
            until("failing", lambda: kit.status.health().state == "failing")

    with pytest.raises(ValueError, match="no such thing"):
        run()
    assert "thread checkpoint has ended: no such thing" in str(kit.status.health())


@pytest.mark.timeout(180)
def test_a_slot_that_is_lost_is_a_failure(slot_name: str) -> None:
    with own_postgres(max_slot_wal_keep_size="16MB") as server:
        kit = Kit(server.url(), slot_name)
        create_tables(kit.url)
        kit.prepare()
        status = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot_name}'"
        while server.one(status) != "lost":
            kit.sql("CREATE TABLE fill ()", "DROP TABLE fill", "SELECT pg_switch_wal()")
            kit.sql("CHECKPOINT")

        stop = threading.Event()
        context = CaptureContext(kit.metrics, kit.status, SystemClock(stop), stop)
        monitor = SlotLagMonitor(kit.options(lag_poll_seconds=0.1), context)
        thread = threading.Thread(target=_until_stopped, args=(monitor,))
        thread.start()
        try:
            until("failing", lambda: kit.status.health().state == "failing")
            assert f"replication slot {slot_name} is lost" in str(kit.status.health())
            assert kit.status.to_json()["slot"]["wal_status"] == "lost"
        finally:
            stop.set()
            thread.join()


def _until_stopped(monitor: SlotLagMonitor) -> None:
    with pytest.raises(StoppedError):
        monitor.work()
