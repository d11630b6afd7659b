"""Capture on a real database: what it publishes, and what it confirms."""

from __future__ import annotations

import psycopg
import pytest

from flusso_shared.change import Op
from flusso_shared.changelog.control_records import lineage_of
from support.kits.capture_kit import ORDERS, USERS, Kit, create_tables
from support.waiting import until

pytestmark = pytest.mark.services


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    return Kit(database, slot_name)


def test_every_kind_of_change_is_published(kit: Kit) -> None:
    with kit.running():
        kit.sql(
            "INSERT INTO users VALUES (1, 'ada', NULL)",
            "UPDATE users SET name = 'eve' WHERE id = 1",
            "INSERT INTO orders VALUES (7, 1, 'x')",
            "UPDATE orders SET user_id = 2 WHERE id = 7",
            "DELETE FROM orders",
            "DELETE FROM users",
            "TRUNCATE users, orders, unrelated",
        )
        changes = kit.expect(8)
    created, updated, ordered, moved, removed, deleted, *truncated = changes
    assert (created.op, created.table, created.key) == (Op.CREATE, USERS, ("1",))
    assert created.before is None
    assert created.after == {"id": "1", "name": "ada", "note": None}
    assert (updated.op, updated.after) == (Op.UPDATE, {"id": "1", "name": "eve", "note": None})
    assert (ordered.op, ordered.table, ordered.key) == (Op.CREATE, ORDERS, ("7",))
    # Capture gave the table a replica identity that holds the link.
    assert moved.before == {"id": "7", "user_id": "1", "note": "x"}
    assert moved.after == {"id": "7", "user_id": "2", "note": "x"}
    assert (removed.op, removed.key) == (Op.DELETE, ("7",))
    assert removed.before == {"id": "7", "user_id": "2", "note": "x"}
    assert (deleted.op, deleted.key, deleted.before) == (Op.DELETE, ("1",), {"id": "1"})
    assert [change.op for change in truncated] == [Op.TRUNCATE, Op.TRUNCATE]
    assert {change.table for change in truncated} == {USERS, ORDERS}
    assert [change.sequence for change in truncated] == [0, 1]


def test_a_change_says_where_it_comes_from(kit: Kit) -> None:
    with kit.running():
        with psycopg.connect(kit.url) as connection:
            connection.execute("INSERT INTO users VALUES (1), (2)")
            row = connection.execute(
                "SELECT pg_current_xact_id()::text, system_identifier::text FROM pg_control_system()"
            ).fetchone()
        first, second = kit.expect(2)
    assert row is not None
    assert (first.xid, first.origin.system_id) == (int(row[0]), row[1])
    assert first.origin.timeline >= 1
    assert (first.sequence, second.sequence) == (0, 1)
    assert first.commit_lsn == second.commit_lsn > second.lsn > first.lsn > 0
    now = float(kit.one("SELECT extract(epoch FROM now())"))
    assert abs(first.commit_time / 1_000_000 - now) < 60


def test_a_new_primary_key_is_a_delete_and_a_create(kit: Kit) -> None:
    with kit.running():
        kit.sql("INSERT INTO users VALUES (1, 'ada')", "UPDATE users SET id = 2")
        _, deleted, created = kit.expect(3)
    assert (deleted.op, deleted.key, deleted.before) == (Op.DELETE, ("1",), {"id": "1"})
    assert (created.op, created.key) == (Op.CREATE, ("2",))
    assert created.after == {"id": "2", "name": "ada", "note": None}
    assert (deleted.sequence, created.sequence) == (0, 1)
    assert deleted.xid == created.xid


def test_what_was_rolled_back_is_not_published(kit: Kit) -> None:
    with kit.running():
        with psycopg.connect(kit.url) as connection:
            connection.execute("INSERT INTO users VALUES (1)")
            connection.execute("SAVEPOINT s")
            connection.execute("INSERT INTO users VALUES (2)")
            connection.execute("ROLLBACK TO s")
            connection.execute("INSERT INTO users VALUES (3)")
            connection.commit()
            connection.execute("INSERT INTO users VALUES (4)")
            connection.rollback()
        kit.sql("INSERT INTO users VALUES (5)")
        assert [change.key for change in kit.expect(3)] == [("1",), ("3",), ("5",)]


def test_large_values_are_left_out_and_named(kit: Kit) -> None:
    kit.sql("ALTER TABLE users ALTER COLUMN note SET STORAGE EXTERNAL")
    with kit.running(max_value_bytes=5000):
        kit.sql(
            "INSERT INTO users VALUES (1, 'ada', repeat('x', 4000))",
            "UPDATE users SET name = 'eve'",
            "UPDATE users SET note = repeat('y', 6000)",
            "DELETE FROM users",
        )
        created, toasted, large, deleted = kit.expect(4)
    assert created.after is not None
    assert created.after["note"] == "x" * 4000
    assert created.omitted == ()
    assert (toasted.after, toasted.omitted) == ({"id": "1", "name": "eve"}, ("note",))
    assert (large.after, large.omitted) == ({"id": "1", "name": "eve"}, ("note",))
    assert deleted.before == {"id": "1"}


def test_a_transaction_is_confirmed_after_its_last_acknowledgement(kit: Kit) -> None:
    with kit.running():
        before = kit.confirmed()
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1), (2)")
        last = kit.expect(2)[-1]
        kit.sql("INSERT INTO unrelated VALUES (1)")
        for number in range(3):
            # Each of these is only received: nothing may move the confirmed position.
            kit.sql(f"INSERT INTO users VALUES (1{number})")
            kit.expect(1)
        assert before <= kit.confirmed() <= last.commit_lsn
        kit.log.hold.clear()
        until("the confirmation", lambda: kit.confirmed() > last.commit_lsn)
    assert kit.metrics.registry.get_sample_value("flusso_changes_acknowledged_total") == 5


def test_an_idle_publication_does_not_hold_the_log_back(kit: Kit) -> None:
    with kit.running():
        kit.sql("INSERT INTO unrelated SELECT n, 'x' FROM generate_series(1, 1000) n")
        end = kit.position()
        until("the confirmed position", lambda: kit.confirmed() >= end)


def test_the_stream_goes_on_after_a_lost_connection(kit: Kit) -> None:
    with kit.running():
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1)")
        assert kit.expect(1)[0].key == ("1",)
        kit.sql(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
            f" WHERE slot_name = '{kit.slot}'"
        )
        # It was not confirmed, so it comes again.
        assert kit.expect(1)[0].key == ("1",)
        kit.log.hold.clear()
        kit.sql("INSERT INTO users VALUES (2)")
        assert kit.expect(1)[0].key == ("2",)
        end = kit.position()
        until("the confirmed position", lambda: kit.confirmed() >= end)


def test_the_stream_goes_on_after_a_broken_writer(kit: Kit) -> None:
    with kit.running():
        kit.log.hold.set()
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
        kit.log.broken.set()
        kit.sql("INSERT INTO users VALUES (2)")
        until("a new writer", lambda: kit.log.writers >= 2)
        kit.log.hold.clear()
        end = kit.position()
        until("the confirmed position", lambda: kit.confirmed() >= end)
    keys = [change.key for change in kit.changes + kit.log.take()]
    assert keys[-2:] == [("1",), ("2",)]


def test_a_full_buffer_stops_only_receiving(kit: Kit) -> None:
    name = kit.one("SELECT current_database()")
    kit.sql(f"ALTER DATABASE {name} SET wal_sender_timeout = '600ms'")
    walsender = (
        "SELECT row(pid, backend_start)::text FROM pg_stat_replication JOIN pg_replication_slots"
        f" ON pid = active_pid WHERE slot_name = '{kit.slot}'"
    )
    with kit.running():
        kit.log.full.set()
        kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 5000) n")
        until("the stream", lambda: kit.one(walsender))
        first = kit.one(walsender)
        later = kit.one("SELECT clock_timestamp() + interval '2 seconds'").isoformat()
        until("three timeouts", lambda: kit.one(f"SELECT clock_timestamp() > '{later}'"))
        assert kit.one(walsender) == first
        kit.log.full.clear()
        assert len(kit.expect(5000)) == 5000
        assert kit.log.writers == 1


def test_stopping_while_the_buffer_is_full_loses_nothing(kit: Kit) -> None:
    with kit.running():
        kit.log.full.set()
        kit.sql("INSERT INTO users VALUES (1), (2)")
    assert kit.log.count == 0
    kit.log.full.clear()
    with kit.running():
        assert [change.key for change in kit.expect(2)] == [("1",), ("2",)]


def test_what_was_acknowledged_does_not_come_again(kit: Kit) -> None:
    with kit.running():
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
    with kit.running():
        kit.sql("INSERT INTO users VALUES (2)")
        assert kit.expect(1)[0].key == ("2",)


def test_a_table_may_change_its_columns_on_the_way(kit: Kit) -> None:
    with kit.running():
        kit.sql(
            "INSERT INTO users VALUES (1, 'ada')",
            "ALTER TABLE users ADD COLUMN extra int DEFAULT 3",
            "INSERT INTO users VALUES (2, 'eve', NULL, 4)",
            "ALTER TABLE users DROP COLUMN note",
            "INSERT INTO users VALUES (3, 'joe', 5)",
        )
        first, second, third = kit.expect(3)
    assert first.after == {"id": "1", "name": "ada", "note": None}
    assert second.after == {"id": "2", "name": "eve", "note": None, "extra": "4"}
    assert third.after == {"id": "3", "name": "joe", "extra": "5"}


def test_a_dropped_publication_stops_capture_with_the_remedy(kit: Kit) -> None:
    """The policy "stop" of a position that is lost."""
    error = kit.failure(
        "INSERT INTO users VALUES (1)",
        f"DROP PUBLICATION {kit.slot}",
        "INSERT INTO users VALUES (2)",
        on_lost_position="stop",
    )
    assert "--on-lost-position=rebuild" in str(error)
    assert kit.status.to_json()["last_error"] == str(error)


def test_a_dropped_link_column_does_not_stop_the_stream_and_leads_to_a_resync(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 39, I4, I8: which documents the row left, the log does not have."""
    kit.sql("INSERT INTO orders VALUES (1, 7)")
    with kit.running(watch_seconds=0.2):
        kit.sql("ALTER TABLE orders DROP COLUMN user_id", "UPDATE orders SET note = 'x'")
        assert kit.expect(1)[0].after == {"id": "1", "note": "x"}
        until("the reason", lambda: "table public.orders lacks column user_id" in caplog.text)
        kit.sql("INSERT INTO users VALUES (5)")
        assert kit.expect(1)[0].table == USERS
    # Not at the next start either; and the column is back before the first look at the catalog.
    with kit.running(watch_seconds=3.0):
        kit.sql("INSERT INTO users VALUES (6)")
        assert kit.expect(1)[0].table == USERS
        kit.sql("ALTER TABLE orders ADD COLUMN user_id bigint")
        (change,) = kit.expect(1)
        assert (change.op, change.table) == (Op.TRUNCATE, ORDERS)


def test_a_change_that_the_server_cannot_send_begins_a_new_lineage_after_it(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """As a row of more than 1 GB would; here a row filter fails over it."""
    kit.sql(
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders, unrelated WHERE (1 / id > 0)",
        "INSERT INTO users VALUES (1)",
    )
    kit.wanted = None
    with kit.running():
        kit.expect(1)
        before = lineage_of(kit.log.control.load())
        kit.sql("INSERT INTO unrelated VALUES (0)", "INSERT INTO users VALUES (2)")
        until("a new history", lambda: lineage_of(kit.log.control.load()) != before)
        read = kit.expect(2)
        assert {(change.op, change.key) for change in read} == {
            (Op.SNAPSHOT, ("1",)),
            (Op.SNAPSHOT, ("2",)),
        }
        assert "SQLSTATE 22012" in caplog.text
        assert "in the change callback, associated LSN" in caplog.text
        kit.sql("INSERT INTO users VALUES (3)")
        assert kit.expect(1)[0].key == ("3",)


def generated_columns(kit: Kit) -> None:
    """A key that is generated from two columns, and a link from one, by functions and collations of any schema."""
    kit.sql(
        "CREATE SCHEMA other",
        "CREATE FUNCTION other.tag(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(value) $$",
        "DROP TABLE users, orders",
        'CREATE TABLE users (name text, "Country" char(3) NOT NULL, day date NOT NULL, note text,'
        " id text COLLATE \"C\" GENERATED ALWAYS AS (other.tag(\"Country\") || '-' || (day - date '2024-01-01')) STORED"
        " PRIMARY KEY)",
        'CREATE TABLE orders (id bigint PRIMARY KEY, owner text COLLATE "C",'
        " user_id text GENERATED ALWAYS AS (lower(owner)) STORED, note text)",
        "ALTER TABLE users ALTER COLUMN note SET STORAGE EXTERNAL",
        "ALTER TABLE orders ALTER COLUMN owner SET STORAGE EXTERNAL",
    )


def test_generated_keys_and_links_are_computed(kit: Kit) -> None:
    """Before Postgres 18 the log has none of them, neither in new rows nor in old ones."""
    generated_columns(kit)
    with kit.running(max_value_bytes=1000):
        kit.sql(
            "INSERT INTO users VALUES ('ada', 'FR', '2024-01-03', repeat('x', 5000))",
            "UPDATE users SET name = 'eve'",
            "UPDATE users SET day = '2024-02-01'",
            "DELETE FROM users",
            "INSERT INTO orders VALUES (7, repeat('A\u00c9', 3000)), (8, NULL)",
            "UPDATE orders SET note = 'x' WHERE id = 7",
            "UPDATE orders SET owner = 'B' WHERE id = 7",
            "DELETE FROM orders WHERE id = 7",
        )
        created, updated, left, entered, deleted, *ordered = kit.expect(10)
    assert [(item.op, item.key) for item in (created, updated, left, entered, deleted)] == [
        (Op.CREATE, ("fr-2",)),
        (Op.UPDATE, ("fr-2",)),
        (Op.DELETE, ("fr-2",)),
        (Op.CREATE, ("fr-31",)),
        (Op.DELETE, ("fr-31",)),
    ]
    assert created.after is not None
    assert created.after["id"] == "fr-2"
    assert created.omitted == ("note",)
    # Under "C" other letters than those of ASCII have no lower case.
    long = "a\u00c9" * 3000
    links = [
        tuple(None if image is None else image["user_id"] for image in (item.before, item.after))
        for item in ordered
    ]
    assert links == [(None, long), (None, None), (long, long), (long, "b"), ("b", None)]


def test_a_row_whose_key_cannot_be_computed_leads_to_a_resync(kit: Kit) -> None:
    """Its old values are not in the log: the table is read again, and the process goes on."""
    generated_columns(kit)
    kit.sql("INSERT INTO users VALUES ('ada', 'FR', '2024-01-03'), ('eve', 'FR', '2024-01-04')")
    with kit.running(watch_seconds=60.0):
        kit.sql(
            "ALTER TABLE users REPLICA IDENTITY DEFAULT",
            "DELETE FROM users WHERE name = 'ada'",
            "INSERT INTO orders VALUES (1, 'fr-3')",
        )
        found = kit.expect(3)
    assert {(item.op, item.table, item.key) for item in found} == {
        (Op.CREATE, ORDERS, ("1",)),
        (Op.READ, USERS, ("fr-3",)),
        (Op.TRUNCATE, USERS, ()),
    }
