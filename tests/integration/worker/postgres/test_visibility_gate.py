"""The visibility gate on a real database: it opens once the transaction is visible."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from flusso_shared.change import Origin
from flusso_shared.clock import SystemClock
from flusso_shared.errors import RetryableError, StoppedError
from flusso_shared.metrics import Metrics
from flusso_shared.names import TableName
from flusso_shared.status import Status
from flusso_worker.postgres.visibility_gate import Gate
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services

DEADLINE = 20.0


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def gate(database: str, stop: threading.Event) -> Iterator[Gate]:
    clock = SystemClock(stop)
    connection = OwnDatabase(database, "test", clock)
    yield Gate(connection, clock, Metrics(), Status(), "users")
    connection.close()


def origin_of(gate: Gate) -> Origin:
    snapshot = gate.open({})
    gate.database.finish()
    return snapshot.origin


def waits(gate: Gate) -> float:
    labels = {"index": "users"}
    return (
        gate.metrics.registry.get_sample_value("flusso_visibility_gate_waits_total", labels) or 0.0
    )


def test_it_opens_once_the_transaction_is_visible(
    gate: Gate, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    origin = origin_of(gate)
    caplog.set_level(logging.WARNING)
    with psycopg.connect(database) as writer, ThreadPoolExecutor(1) as executor:
        row = writer.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        xid = int(row[0])
        opening = executor.submit(gate.open, {origin: {xid}})
        said = threading.Event()
        while not any("has not been visible" in message for message in caplog.messages):
            assert not opening.done()
            assert not said.wait(0.02)
        assert gate.status.health().state == "degraded"
        assert "see pg_stat_replication" in str(gate.status.health())
        writer.commit()
        snapshot = opening.result(DEADLINE)
    assert gate.status.health().state == "ok"
    assert snapshot.sees(xid)
    assert waits(gate) > 3
    gate.database.finish()


def test_it_is_open_for_transactions_that_are_visible(gate: Gate, database: str) -> None:
    origin = origin_of(gate)
    with psycopg.connect(database, autocommit=True) as writer:
        row = writer.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    assert gate.open({origin: {int(row[0])}}).sees(int(row[0]))
    assert waits(gate) == 0
    gate.database.finish()


def test_transactions_of_a_lost_timeline_are_not_waited_for(gate: Gate) -> None:
    origin = origin_of(gate)
    later = 10**15
    gate.open({origin._replace(timeline=origin.timeline + 1): {later}, Origin("1", 1): {later}})
    gate.database.finish()
    assert waits(gate) == 0


def test_a_stop_ends_the_wait(gate: Gate, stop: threading.Event) -> None:
    origin = origin_of(gate)
    with ThreadPoolExecutor(1) as executor:
        opening = executor.submit(gate.open, {origin: {10**15}})
        stop.set()
        with pytest.raises(StoppedError):
            opening.result(DEADLINE)


def test_the_build_transaction_has_no_transaction_id(gate: Gate) -> None:
    gate.open({})
    rows = gate.database.rows(b"SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none')")
    assert rows == [("none",)]
    gate.database.finish()


def test_a_broken_connection_is_replaced(gate: Gate, database: str) -> None:
    rows = gate.database.rows(b"SELECT pg_backend_pid()::text")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (int(rows[0][0]),))
    with pytest.raises(RetryableError):
        gate.open({})
    assert gate.open({}).version > 0
    gate.database.finish()


def test_no_table_is_rewritten_under_a_snapshot(gate: Gate, database: str) -> None:
    """I2: it would be empty to the snapshot, and its documents taken for deleted.

    (Shown to fail when `Database.hold` takes no lock.)
    """
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("CREATE TABLE users (id int PRIMARY KEY, size int)")
        other.execute("INSERT INTO users VALUES (1, 1)")
        other.execute("SET lock_timeout = '300ms'")
        rewrite = "ALTER TABLE users ALTER size TYPE bigint"
        gate.database.hold([TableName("public", "users")])
        gate.open({})
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(rewrite)
        assert gate.database.rows(b"SELECT id FROM users") == [("1",)]
        gate.database.finish()
        other.execute(rewrite)
        gate.open({})
        assert gate.database.rows(b"SELECT id FROM users") == [("1",)]
        gate.database.finish()
