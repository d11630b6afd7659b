"""What becomes of the slot, the publication and the database behind capture's back is noticed (I6).

Capture runs in a thread against the real server; its change log is the test's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from flusso_shared.change import Op
from flusso_shared.changelog.control_records import (
    Checkpoint,
    Lineage,
    checkpoint_of,
    lineage_of,
    snapshots_of,
)
from flusso_shared.errors import FatalError
from flusso_shared.metrics import Metrics
from flusso_shared.plan.model import IndexPlan, JoinField, Plan
from flusso_shared.status import Status
from services import Services
from support.kits.capture_kit import ORDERS, USERS, Kit, create_tables
from support.servers.own_postgres import with_own_postgres
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("test_slot_life")]

PARTITIONED = (
    "DROP TABLE orders",
    "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text) PARTITION BY RANGE (id)",
    "CREATE TABLE orders_0 PARTITION OF orders FOR VALUES FROM (0) TO (100)",
)


@pytest.fixture(scope="module")
def services(services: Services) -> Iterator[Services]:
    """Positions in the log are compared: no other test may write to it."""
    with with_own_postgres(services) as found:
        yield found


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    """Capture over a user; every root is snapshotted."""
    create_tables(database)
    kit = Kit(database, slot_name, wanted=None)
    kit.sql("INSERT INTO users VALUES (1)")
    return kit


def lineage(kit: Kit) -> Lineage:
    found = lineage_of(kit.log.records)
    assert found is not None
    return found


def seed(kit: Kit) -> Lineage:
    """Run once, up to the snapshot's end; gives the lineage."""
    with kit.running():
        until("the snapshot", lambda: complete(kit))
    kit.log.take()
    return lineage(kit)


def complete(kit: Kit) -> bool:
    found = snapshots_of(kit.log.records).get(USERS)
    return found is not None and found.state == "complete" and found.lineage == lineage(kit)


def assert_read_again(kit: Kit, first: Lineage) -> None:
    """Start capture; it begins a new history and reads the users again."""
    with kit.running():
        until("a new snapshot", lambda: lineage(kit) != first and complete(kit))


def recreate_slot(kit: Kit) -> None:
    kit.sql(
        f"SELECT pg_drop_replication_slot('{kit.slot}')",
        "INSERT INTO users VALUES (2)",
        f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput')",
    )


def test_a_slot_that_another_program_recreated_is_noticed(kit: Kit) -> None:
    """Case 23, I6: the user written in between is in no log.  (Fails when `lost` ignores the position.)"""
    first = seed(kit)
    recreate_slot(kit)
    assert_read_again(kit, first)
    assert ("2",) in {change.key for change in kit.log.take()}


def test_that_everything_is_read_again_shows_while_it_lasts_and_why_stays(kit: Kit) -> None:
    """As long as the change log acknowledges nothing, the snapshot is not complete."""
    seed(kit)
    recreate_slot(kit)
    why = "everything is read again: replication slot .* another program recreated it or moved it"
    kit.log.hold.set()
    with kit.running():
        assert re.fullmatch(f"degraded: {why}", str(kit.status.health()))
        kit.log.hold.clear()
        until("all is read", lambda: kit.status.health().state == "ok")
        assert complete(kit)
    assert re.fullmatch(why, kit.status.to_json()["last_error"])


def test_a_slot_that_another_program_moved_is_noticed(kit: Kit) -> None:
    """Case 23, I6: `pg_replication_slot_advance` skips changes that were not published."""
    first = seed(kit)
    kit.sql(
        "SET synchronous_commit = on",  # the advance goes no further than the flushed log
        "INSERT INTO users VALUES (2)",
        f"SELECT pg_replication_slot_advance('{kit.slot}', pg_current_wal_lsn())",
    )
    assert_read_again(kit, first)
    assert ("2",) in {change.key for change in kit.log.take()}


def test_the_policy_stop_stops_with_the_remedy_and_leaves_the_slot(kit: Kit) -> None:
    """Cases 21, 23, I6."""
    seed(kit)
    recreate_slot(kit)
    created = kit.confirmed()
    with pytest.raises(FatalError, match="--on-lost-position=rebuild"):
        kit.prepare(on_lost_position="stop")
    assert kit.confirmed() == created
    kit.sql(f"SELECT pg_drop_replication_slot('{kit.slot}')")
    with pytest.raises(FatalError, match=r"was dropped.*--on-lost-position=rebuild"):
        kit.prepare(on_lost_position="stop")
    assert kit.one(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{kit.slot}'") == 0


def test_a_restart_or_a_lost_connection_is_no_new_history(kit: Kit) -> None:
    """Cases 1, 7, I6: neither looks like a lost position, acknowledged or not."""
    first = seed(kit)
    with kit.running():
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (2)")
        kit.expect(1)
        kit.log.broken.set()
        assert kit.expect(1)[0].key == ("2",)
        kit.log.hold.clear()
    kit.sql("INSERT INTO users VALUES (3)")
    with kit.running():
        assert kit.expect(1)[0].key == ("3",)
    assert lineage(kit) == first


def test_nothing_is_confirmed_that_is_not_acknowledged(kit: Kit) -> None:
    """Cases 2, 8, I1: all of a transaction's rows share one position.  (Shown to fail when `Watermark` does not
    wait for the outstanding changes of a closed transaction.)"""
    seed(kit)
    with kit.running():
        kit.sql("INSERT INTO users VALUES (2)")
        kit.expect(1)
        kit.log.hold.set()
        before = kit.position()
        kit.sql("INSERT INTO users SELECT n FROM generate_series(10, 20) n")
        kit.expect(11)
        position = kit.position()
        until("it is read", lambda: recorded(kit) >= position)
        kit.sql("INSERT INTO unrelated VALUES (1)")
        threading.Event().wait(1.0)
        assert kit.confirmed() <= before
        kit.log.hold.clear()
        until("the position", lambda: kit.confirmed() >= position)


def recorded(kit: Kit) -> int:
    """How far the log was read, as recorded."""
    checkpoint = checkpoint_of(kit.log.records, lineage(kit))
    return 0 if checkpoint is None else checkpoint.lsn


def test_nothing_is_confirmed_that_is_not_on_record(kit: Kit) -> None:
    """I6: a record tells our slot from one that was dropped and created again.  (Fails without the record.)"""
    seed(kit)
    with kit.running():
        for number in range(10, 20):
            kit.sql(f"INSERT INTO users VALUES ({number})")
            kit.expect(1)
            confirmed = kit.confirmed()
            checkpoint = checkpoint_of(kit.log.records, lineage(kit))
            assert checkpoint is not None
            assert confirmed <= checkpoint.lsn


def test_a_database_restored_to_an_earlier_state_is_noticed(kit: Kit) -> None:
    """Case 24, I6: its log ends before what was read.  The record stands in for the lost part of the log."""
    first = seed(kit)
    checkpoint = checkpoint_of(kit.log.records, first)
    assert checkpoint is not None
    later = Checkpoint(first, checkpoint.timeline, kit.position() + 100_000_000)
    kit.log.records[later.key] = later.to_json()
    assert_read_again(kit, first)


def test_another_system_is_noticed(kit: Kit) -> None:
    """Case 24, I6."""
    seed(kit)
    other = Lineage("4711", kit.slot, lineage(kit).created_lsn)
    kit.log.records["lineage"] = other.to_json()
    with pytest.raises(FatalError, match="another system"):
        kit.prepare(on_lost_position="stop")
    assert_read_again(kit, other)


def test_recreated_topics_are_noticed(kit: Kit) -> None:
    """Cases 19, 23, I6: what was published and acknowledged is gone with them."""
    first = seed(kit)
    kit.log.topics = "others"
    assert_read_again(kit, first)


# --- the publication ------------------------------------------------------------------------------


def test_a_table_taken_out_of_the_publication_while_stopped_is_noticed(kit: Kit) -> None:
    """Case 27, I6: it is there again when capture starts, and an order was written in between."""
    first = seed(kit)
    kit.sql(
        f"ALTER PUBLICATION {kit.slot} DROP TABLE users",
        "INSERT INTO users VALUES (2)",
        f"ALTER PUBLICATION {kit.slot} ADD TABLE users",
    )
    assert_read_again(kit, first)
    assert ("2",) in {change.key for change in kit.log.take()}


def test_a_table_taken_out_of_the_publication_while_running_is_noticed(kit: Kit) -> None:
    """Case 27, I6."""
    first = seed(kit)
    with kit.running(watch_seconds=0.2):
        kit.sql(f"ALTER PUBLICATION {kit.slot} DROP TABLE users", "INSERT INTO users VALUES (2)")
        until("a new snapshot", lambda: lineage(kit) != first and complete(kit))
    assert ("2",) in {change.key for change in kit.log.take()}


def test_a_dropped_publication_is_made_again_and_everything_read_again(kit: Kit) -> None:
    """Case 27, I6: that part of the log cannot be read at all."""
    first = seed(kit)
    with kit.running():
        kit.sql(f"DROP PUBLICATION {kit.slot}", "INSERT INTO users VALUES (2)")
        until("a new snapshot", lambda: lineage(kit) != first and complete(kit))
        kit.sql("INSERT INTO users VALUES (3)")
        until("the stream", lambda: ("3",) in {change.key for change in kit.log.changes})


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE users; CREATE TABLE users (id bigint PRIMARY KEY, name text, note text);"
        "INSERT INTO users VALUES (2)",
        "CREATE TABLE loaded (LIKE users INCLUDING ALL); INSERT INTO loaded VALUES (2);"
        "ALTER TABLE users RENAME TO users_old; ALTER TABLE loaded RENAME TO users",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_another_table_of_the_same_name_is_published_and_read(
    kit: Kit, statement: str, running: bool
) -> None:
    """Cases 27, 40, I6: its documents alone are built again, whatever `on_lost_position` says."""
    first = seed(kit)
    if not running:
        kit.sql(statement)
    with kit.running(watch_seconds=0.2, on_lost_position="stop"):
        if running:
            kit.sql(statement)
        until("the resync", lambda: Op.TRUNCATE in {change.op for change in kit.log.changes})
        read, truncated = kit.log.take()[-2:]
        kit.sql("INSERT INTO users VALUES (3)")
        (change,) = kit.expect(1)
    assert (read.op, read.key, truncated.table) == (Op.READ, ("2",), USERS)
    assert (change.op, change.key) == (Op.CREATE, ("3",))
    assert lineage(kit) == first


@pytest.mark.parametrize("watch", [0.2, 60.0])
@pytest.mark.parametrize(
    ("away", "elsewhere", "back"),
    [
        ("ALTER TABLE users RENAME TO people", "people", "ALTER TABLE people RENAME TO users"),
        (
            "CREATE SCHEMA other; ALTER TABLE users SET SCHEMA other",
            "other.users",
            "ALTER TABLE other.users SET SCHEMA public",
        ),
    ],
)
def test_changes_made_under_another_name_are_found_when_the_table_is_back(
    kit: Kit, watch: float, away: str, elsewhere: str, back: str
) -> None:
    """Case 40, I6: moved away and back; others are followed meanwhile.  The stream tells by itself, too."""
    first = seed(kit)
    with kit.running(watch_seconds=watch):
        kit.sql(
            away,
            f"INSERT INTO {elsewhere} VALUES (2)",
            f"DELETE FROM {elsewhere} WHERE id = 1",
            "INSERT INTO orders VALUES (7, 2)",
        )
        assert kit.expect(1)[0].table == ORDERS
        kit.sql(back, "INSERT INTO users VALUES (3)")
        until("the doubt", lambda: kit.log.changes and kit.log.changes[-1].op is Op.TRUNCATE)
        changes = kit.log.take()
        kit.sql("INSERT INTO users VALUES (4)")
        assert kit.expect(1)[0].op is Op.CREATE
    assert {("2",), ("3",)} <= {change.key for change in changes}
    assert changes[-1].table == USERS
    assert lineage(kit) == first


def test_a_second_capture_waits_for_the_slot_and_takes_over(kit: Kit) -> None:
    """Case 16, I1: there is one stream at a time, and a wait is no lost position."""
    first = seed(kit)
    second = replace(kit, metrics=Metrics(), status=Status())
    with second.running():
        with kit.running():
            until(
                "one to wait",
                lambda: (
                    second.status.to_json()["waiting_for"] or kit.status.to_json()["waiting_for"]
                ),
            )
            kit.sql("INSERT INTO users VALUES (2)")
            kit.expect(1)
        kit.sql("INSERT INTO users VALUES (3)")
        assert kit.expect(1)[0].key == ("3",)
    assert lineage(kit) == first


def test_a_table_added_to_the_publication_changes_nothing(kit: Kit) -> None:
    """Case 27."""
    first = seed(kit)
    with kit.running(watch_seconds=0.2):
        kit.sql(f"ALTER PUBLICATION {kit.slot} ADD TABLE unrelated", "INSERT INTO users VALUES (2)")
        assert kit.expect(1)[0].key == ("2",)
    assert lineage(kit) == first


def test_a_table_that_the_schemas_left_out_for_a_while_is_built_again(kit: Kit) -> None:
    """I6: changes of the orders went by while no schema named them."""
    seed(kit)
    whole = kit.plan
    (index,) = whole.indexes
    kit.plan = Plan((without_orders(index),))
    with kit.running():
        kit.sql("INSERT INTO orders VALUES (7, 1)", "INSERT INTO users VALUES (2)")
        assert kit.expect(1)[0].table == USERS
    kit.plan = whole
    with kit.running():
        (change,) = kit.expect(1)
    assert (change.op, change.table) == (Op.TRUNCATE, ORDERS)
    with kit.running():
        kit.sql("INSERT INTO users VALUES (3)")
        assert kit.expect(1)[0].op is Op.CREATE


def without_orders(index: IndexPlan) -> IndexPlan:
    return replace(
        index,
        ways=tuple(way for way in index.ways if way.table != ORDERS),
        fields=tuple(item for item in index.fields if not isinstance(item, JoinField)),
    )


# --- replica identity -----------------------------------------------------------------------------


def test_a_partition_attached_while_running_is_cured_and_its_documents_built_again(
    kit: Kit,
) -> None:
    """Case 41, I4: its first changes have no old links.  (Fails when `CatalogWatch` does not look at identities.)"""
    kit.sql(*PARTITIONED)
    with kit.running(watch_seconds=60.0):
        until("the snapshot", lambda: complete(kit))
        kit.log.take()
        kit.sql(
            "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (100) TO (200)",
            "INSERT INTO orders VALUES (101, 1)",
            "UPDATE orders SET user_id = 2 WHERE id = 101",
        )
        until("the truncate", lambda: Op.TRUNCATE in {change.op for change in kit.log.changes})
        assert {change.table for change in kit.log.take()} == {ORDERS}
        kit.sql("UPDATE orders SET user_id = 3 WHERE id = 101")
        (change,) = kit.expect(1)
    assert change.before is not None
    assert change.before["user_id"] == "2"
    # It was settled once.
    with kit.running():
        kit.sql("INSERT INTO users VALUES (9)")
        assert kit.expect(1)[0].table == USERS


def test_an_identity_taken_away_while_stopped_has_documents_built_again(kit: Kit) -> None:
    """Case 45, I4: the order moved while its old parent was not in the log."""
    kit.sql("INSERT INTO orders VALUES (7, 1)")
    first = seed(kit)
    kit.sql(
        "ALTER TABLE orders REPLICA IDENTITY DEFAULT", "UPDATE orders SET user_id = 2 WHERE id = 7"
    )
    with kit.running():
        changes = kit.expect(2)
    assert {change.op for change in changes} == {Op.UPDATE, Op.TRUNCATE}
    assert {change.table for change in changes} == {ORDERS}
    assert lineage(kit) == first


def test_a_resync_request_survives_a_crash_before_its_resync(kit: Kit) -> None:
    """Case 41, I4."""
    seed(kit)
    kit.sql("ALTER TABLE orders REPLICA IDENTITY DEFAULT")
    kit.log.hold.set()
    with kit.running():
        assert kit.expect(1)[0].op is Op.TRUNCATE
    kit.log.hold.clear()
    with kit.running():
        assert kit.expect(1)[0].op is Op.TRUNCATE


# --- partitions ---------------------------------------------------------------------------------


@pytest.fixture
def partitioned(kit: Kit) -> Kit:
    """Two partitions of the orders, an order in each; capture has seen both."""
    kit.sql(
        *PARTITIONED,
        "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (100) TO (200)",
        "CREATE TABLE orders_2 (id bigint PRIMARY KEY, user_id bigint, note text)",
        "INSERT INTO orders VALUES (7, 1), (107, 1)",
        "INSERT INTO orders_2 VALUES (207, 4), (208, 5)",
    )
    seed(kit)
    return kit


def test_rows_of_a_partition_that_is_attached_are_published(partitioned: Kit) -> None:
    """Case 41: its rows were never inserted into the table.  (Fails when partitions are not compared.)"""
    kit = partitioned
    with kit.running(watch_seconds=0.2):
        kit.sql("ALTER TABLE orders ATTACH PARTITION orders_2 FOR VALUES FROM (200) TO (300)")
        until("the rows and the cure", lambda: len(kit.log.changes) >= 3)
    changes = [change for change in kit.log.take() if change.op is Op.READ]
    # Twice, when the cure extends the request while its rows are being published.
    assert {change.key for change in changes} == {("207",), ("208",)}
    assert {change.table for change in changes} == {ORDERS}
    assert {(change.after or {})["user_id"] for change in changes} == {"4", "5"}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE orders DETACH PARTITION orders_1",
        "DROP TABLE orders_1",
        "TRUNCATE orders_1",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_rows_that_go_with_their_partition_are_noticed(
    partitioned: Kit, statement: str, running: bool
) -> None:
    """Case 41: the stream speaks of the root only, and says nothing of its partitions."""
    kit = partitioned
    if not running:
        kit.sql(statement)
    with kit.running(watch_seconds=0.2):
        if running:
            kit.sql(statement)
        (change,) = kit.expect(1)
    assert (change.op, change.table) == (Op.TRUNCATE, ORDERS)
    with kit.running(watch_seconds=0.2):
        kit.sql("INSERT INTO users VALUES (9)")
        assert kit.expect(1)[0].table == USERS


def test_rows_of_a_partition_that_was_unlogged_are_published(partitioned: Kit) -> None:
    """Case 41: Postgres lets a partition be unlogged, whatever the publication has."""
    kit = partitioned
    with kit.running(watch_seconds=0.2):
        kit.sql(
            "ALTER TABLE orders_1 SET UNLOGGED; INSERT INTO orders VALUES (108, 2);"
            "ALTER TABLE orders_1 SET LOGGED"
        )
        until("the resync", lambda: Op.TRUNCATE in {change.op for change in kit.log.changes})
    changes = kit.log.take()
    assert {("107",), ("108",)} <= {change.key for change in changes if change.op is Op.READ}
    assert {change.table for change in changes} == {ORDERS}


def test_a_partition_that_was_away_between_two_looks_is_read_again(partitioned: Kit) -> None:
    """Case 41: what happened to it meanwhile was not published as its root's, and it looks as before.

    Found by schedule 30009.
    """
    kit = partitioned
    with kit.running(watch_seconds=0.2):
        kit.sql(
            "BEGIN; ALTER TABLE orders DETACH PARTITION orders_1; INSERT INTO orders_1 VALUES (109, 2);"
            "DELETE FROM orders_1 WHERE id = 107;"
            "ALTER TABLE orders ATTACH PARTITION orders_1 FOR VALUES FROM (100) TO (200); COMMIT"
        )
        until("the resync", lambda: Op.TRUNCATE in {change.op for change in kit.log.changes})
    assert ("109",) in {change.key for change in kit.log.take() if change.op is Op.READ}


# --- lost log -------------------------------------------------------------------------------------


def test_a_slot_dropped_while_running_is_made_again(kit: Kit) -> None:
    """Case 21, I6."""
    first = seed(kit)
    with kit.running():
        kit.drop_slot()
        until("a new snapshot", lambda: lineage(kit) != first and complete(kit))


def test_busy_unrelated_tables_do_not_hold_the_log(kit: Kit) -> None:
    """Case 26: the confirmed position follows the server's log while the published tables are idle."""
    seed(kit)
    with kit.running(), psycopg.connect(kit.url, autocommit=True) as connection:
        for _ in range(3):
            connection.execute(
                "INSERT INTO unrelated SELECT n, repeat('x', 1000) FROM generate_series(1, 2000) n"
            )
            connection.execute("TRUNCATE unrelated")
            written = kit.position()
            until("the position to follow", lambda written=written: kit.confirmed() >= written)  # type: ignore[misc]
