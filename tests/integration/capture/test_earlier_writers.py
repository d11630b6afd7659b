"""I5: a table is read when all that was written to it before it was published can be seen.

What a transaction writes to a table before the publication has it is never sent, not even when it commits later: a snapshot of
the table has to have it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from flusso_capture.source import ddl
from flusso_shared.plan.model import Plan
from support import names
from support.kits.capture_kit import ORDERS, USERS, Kit, create_tables, plan
from support.servers.own_postgres import OwnPostgres, own_postgres
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("test_earlier_writers")]


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    """A server whose prepared transactions keep no other test waiting."""
    with own_postgres(max_prepared_transactions="10") as found:
        yield found


@pytest.fixture
def kit(server: OwnPostgres, slot_name: str) -> Iterator[Kit]:
    """Capture follows `users`; the plan has `orders` from now on."""
    server.execute(f"CREATE DATABASE {slot_name}")
    found = Kit(server.url(slot_name), slot_name)
    create_tables(found.url)
    found.sql("ALTER TABLE orders REPLICA IDENTITY FULL")
    [index] = plan().indexes
    replace(
        found, plan=Plan((replace(index, fields=index.fields[:2], ways=index.ways[:1]),))
    ).prepare()
    assert found.log.prepared == [USERS]
    yield found
    with psycopg.connect(found.url, autocommit=True) as connection:
        # One that is left would keep the database, after a failure.
        for (gid,) in connection.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
            connection.execute(f"ROLLBACK PREPARED '{gid}'".encode())
    server.execute(
        f"SELECT pg_drop_replication_slot('{slot_name}')", f"DROP DATABASE {slot_name} WITH (FORCE)"
    )


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What capture says it waits for, at once."""
    monkeypatch.setattr(ddl, "_LOG_WAIT_AFTER_SECONDS", 0.0)
    return lambda: "\n".join(
        record.getMessage()
        for record in caplog.records
        if getattr(record, "action", "") == "await_writers"
    )


def published_by_capture(kit: Kit) -> None:
    """When it starts."""


def published_by_hand(kit: Kit) -> None:
    kit.sql(f"ALTER PUBLICATION {kit.slot} ADD TABLE orders")


def published_by_a_capture_that_was_ended(kit: Kit) -> None:
    """While it waited."""
    stop = threading.Event()
    with kit.preparing(stop) as stopped:
        covered = f"SELECT count(*) FROM pg_publication_tables WHERE pubname = '{kit.slot}'"
        until("the publication", lambda: kit.one(covered) == 2)
        stop.set()
    assert len(stopped) == 1


@pytest.mark.parametrize(
    "publish", [published_by_capture, published_by_hand, published_by_a_capture_that_was_ended]
)
@pytest.mark.parametrize("prepared", [False, True])
def test_a_table_is_ready_when_its_writers_have_ended(
    prepared: bool, publish: Callable[[Kit], None], kit: Kit, told: Callable[[], str]
) -> None:
    gid = names.unique("flusso_test_")
    with psycopg.connect(kit.url) as writer, psycopg.connect(kit.url, autocommit=True) as other:
        writer.execute("INSERT INTO orders VALUES (1)")
        who = f"backend {writer.info.backend_pid}"
        if prepared:
            writer.execute(f"PREPARE TRANSACTION '{gid}'".encode())
            who = f"prepared transaction '{gid}'"
        publish(kit)
        with kit.preparing(threading.Event()) as stopped:
            until("what it waits for", lambda: who in told())
            assert kit.log.prepared == [USERS]
            if prepared:
                other.execute(f"COMMIT PREPARED '{gid}'".encode())
            else:
                writer.commit()
    assert stopped == []
    assert kit.log.prepared == [USERS, ORDERS, USERS]
    with kit.running():
        kit.sql("INSERT INTO orders VALUES (2)")
        [change] = kit.expect(1)
        assert change.key == ("2",)
