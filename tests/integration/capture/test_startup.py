"""What capture does to a database before it streams, and what it refuses."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo

from flusso_capture.source import ddl
from flusso_shared.change import Op
from flusso_shared.changelog.control_records import lineage_of
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError
from support.kits.capture_kit import ORDERS, USERS, Kit, create_tables
from support.waiting import patient, until

pytestmark = pytest.mark.services

IDENTITY = "SELECT relreplident::text FROM pg_class WHERE oid = 'public.orders'::regclass"


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    return Kit(database, slot_name)


@pytest.fixture
def role(kit: Kit) -> str:
    """A role without any privilege; it goes with the test."""
    name = f"role_{kit.slot}"
    kit.sql(f"CREATE ROLE {name} LOGIN")
    return name


@pytest.fixture(autouse=True)
def _without_role(kit: Kit) -> object:
    yield
    name = f"role_{kit.slot}"
    if kit.one(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"):
        kit.sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def as_role(kit: Kit, role: str) -> Kit:
    parts = conninfo.conninfo_to_dict(kit.url)
    url = f"postgresql://{role}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    return replace(kit, url=url)


def covered(kit: Kit) -> set[str]:
    with psycopg.connect(kit.url) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = %s", (kit.slot,)
        ).fetchall()
    return {name for (name,) in rows}


# --- what it makes ---------------------------------------------------------------------------------


def test_publication_identity_slot_and_lineage_are_made(kit: Kit) -> None:
    kit.prepare()
    assert covered(kit) == {"users", "orders"}
    assert kit.one(IDENTITY) == "f"
    lineage = lineage_of(kit.log.records)
    assert lineage is not None
    assert lineage.slot == kit.slot
    assert lineage.system_id == kit.one("SELECT system_identifier::text FROM pg_control_system()")
    assert kit.log.prepared == [ORDERS, USERS]


def test_preparing_again_changes_nothing(kit: Kit) -> None:
    kit.prepare()
    records = dict(kit.log.records)
    kit.prepare()
    assert kit.log.records == records


def test_an_existing_slot_gets_a_lineage(kit: Kit) -> None:
    kit.sql(f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput')")
    confirmed = kit.one(
        f"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{kit.slot}'"
    )
    kit.prepare()
    lineage = lineage_of(kit.log.records)
    assert lineage is not None
    assert lineage.created_lsn == confirmed


def test_a_publication_of_all_tables_is_enough(kit: Kit) -> None:
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR ALL TABLES")
    kit.prepare(manage_publication=False)


def test_a_publication_is_extended(kit: Kit) -> None:
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR TABLE unrelated, users WITH (publish = 'insert')")
    kit.prepare()
    assert covered(kit) == {"unrelated", "users", "orders"}
    assert kit.one(f"SELECT pubdelete FROM pg_publication WHERE pubname = '{kit.slot}'")


def test_a_partitioned_table_is_followed_by_its_root(kit: Kit) -> None:
    kit.sql(
        "DROP TABLE users",
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, note text) PARTITION BY HASH (id)",
        "CREATE TABLE users_0 PARTITION OF users FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE users_1 PARTITION OF users FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders",
    )
    with kit.running():
        kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 10) n")
        assert {change.table for change in kit.expect(10)} == {USERS}


def test_partitions_get_their_replica_identity(kit: Kit) -> None:
    kit.sql(
        "DROP TABLE orders",
        "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text) PARTITION BY HASH (id)",
        "CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    with kit.running():
        kit.sql("INSERT INTO orders VALUES (1, 2, 'x')", "DELETE FROM orders")
        deleted = kit.expect(2)[1]
    assert deleted.before == {"id": "1", "user_id": "2", "note": "x"}


def test_an_index_is_never_chosen_and_one_that_was_set_is_kept(kit: Kit) -> None:
    kit.sql(
        "ALTER TABLE orders ALTER user_id SET NOT NULL",
        "CREATE UNIQUE INDEX fitting ON orders (id, user_id) INCLUDE (note)",
    )
    kit.prepare()
    assert kit.one(IDENTITY) == "f"
    kit.sql("ALTER TABLE orders REPLICA IDENTITY USING INDEX fitting")
    with kit.running():
        assert kit.one(IDENTITY) == "i"
        kit.sql("INSERT INTO orders VALUES (1, 2, 'x')", "DELETE FROM orders")
        assert kit.expect(2)[1].before == {"id": "1", "user_id": "2"}


def test_an_identity_whose_index_is_dropped_is_set_at_once(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    kit.sql(
        "ALTER TABLE orders ALTER user_id SET NOT NULL",
        "CREATE UNIQUE INDEX fitting ON orders (id, user_id)",
        "ALTER TABLE orders REPLICA IDENTITY USING INDEX fitting",
        "INSERT INTO orders VALUES (1, 2, 'x')",
    )
    with kit.running(watch_seconds=0.2):
        kit.sql("DROP INDEX fitting")
        until("the identity", lambda: kit.one(IDENTITY) == "f")
        assert "table public.orders has no replica identity" in caplog.text
        # All documents with rows of the table are built again.
        (change,) = kit.expect(1)
        assert (change.op, change.table) == (Op.TRUNCATE, ORDERS)
        kit.sql("UPDATE orders SET user_id = 3")
        assert kit.expect(1)[0].before == {"id": "1", "user_id": "2", "note": "x"}
        kit.sql("ALTER TABLE users DROP CONSTRAINT users_pkey")
        identity = IDENTITY.replace("orders", "users")
        until("the identity of a table without a key", lambda: kit.one(identity) == "f")
    kit.sql("ALTER TABLE users ADD PRIMARY KEY (id)")
    # Where it may not be set, it is said once.
    kit.sql(
        "CREATE UNIQUE INDEX fitting ON orders (id, user_id)",
        "ALTER TABLE orders REPLICA IDENTITY USING INDEX fitting",
    )
    with kit.running(watch_seconds=0.1, manage_replica_identity=False):
        kit.sql("DROP INDEX fitting")
        advice = 'ALTER TABLE "public"."orders" REPLICA IDENTITY FULL;'
        until("the advice", lambda: advice in caplog.text)


def test_a_busy_table_does_not_queue_others_behind_capture(kit: Kit) -> None:
    with psycopg.connect(kit.url) as busy:
        busy.execute("INSERT INTO orders VALUES (1)")
        worker = threading.Thread(target=kit.prepare, name="prepare")
        worker.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'public.orders'::regclass AND NOT granted"
        until("capture waiting for the lock", lambda: kit.one(waiting))
        # It gives way to a later reader within its lock_timeout.
        until("capture giving way", lambda: not kit.one(waiting))
        busy.commit()
    worker.join(patient(30))
    assert kit.one(IDENTITY) == "f"


def test_tables_added_later_wait_for_transactions_that_wrote_before(kit: Kit) -> None:
    """I5: what they wrote is in no log, and a snapshot taken before they commit does not see it.

    (Shown to fail without the wait in `startup`.)
    """
    kit.sql(
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users",
        "ALTER TABLE orders REPLICA IDENTITY FULL",
    )
    with psycopg.connect(kit.url) as earlier:
        earlier.execute("INSERT INTO orders VALUES (1)")
        worker = threading.Thread(target=kit.prepare, name="prepare")
        worker.start()
        until("the publication", lambda: covered(kit) == {"users", "orders"})
        assert kit.log.prepared == []
        earlier.commit()
    worker.join(patient(30))
    assert kit.log.prepared == [ORDERS, USERS]


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO orders_low_0 VALUES (1)",
        "CREATE TABLE orders_low_1 (LIKE orders_low_0 INCLUDING ALL);"
        "ALTER TABLE orders_low ATTACH PARTITION orders_low_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    ],
)
def test_writers_to_a_partition_are_waited_for(kit: Kit, write: str) -> None:
    """They may hold no lock on the table itself.  (Shown to fail without the look at partitions.)"""
    kit.sql(
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users",
        "DROP TABLE orders",
        "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text) PARTITION BY RANGE (id)",
        "ALTER TABLE orders REPLICA IDENTITY FULL",
        "CREATE TABLE orders_low PARTITION OF orders FOR VALUES FROM (0) TO (100) PARTITION BY HASH (id)",
        "CREATE TABLE orders_low_0 PARTITION OF orders_low FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "ALTER TABLE orders_low_0 REPLICA IDENTITY FULL",
        "ALTER TABLE orders_low REPLICA IDENTITY FULL",
    )
    with psycopg.connect(kit.url) as earlier:
        earlier.execute(write.encode())
        worker = threading.Thread(target=kit.prepare, name="prepare")
        worker.start()
        until("the publication", lambda: covered(kit) == {"users", "orders"})
        assert kit.log.prepared == []
        assert worker.is_alive()
        earlier.commit()
    worker.join(patient(30))
    assert kit.log.prepared == [ORDERS, USERS]


def test_earlier_transactions_are_waited_for(
    kit: Kit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ddl, "_LOG_WAIT_AFTER_SECONDS", 0.0)
    clock = SystemClock(threading.Event())
    over = threading.Event()

    def work() -> None:
        with psycopg.connect(kit.url, autocommit=True) as own:
            ddl.await_running_transactions(own, clock)
        over.set()

    with psycopg.connect(kit.url) as earlier, psycopg.connect(kit.url) as later:
        earlier.execute("INSERT INTO unrelated VALUES (1)")
        waiter = threading.Thread(target=work, name="await-earlier")
        waiter.start()
        polling = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE 'SELECT pg_snapshot_xmin%'"
        )
        until("the wait", lambda: kit.one(polling))
        later.execute("INSERT INTO unrelated VALUES (2)")
        assert not over.is_set()
        until("its name", lambda: f"backend {earlier.info.backend_pid} of" in caplog.text)
        earlier.commit()
        waiter.join(patient(20))
        assert over.is_set()


def test_a_stop_ends_a_wait_for_a_slot(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stop = threading.Event()
    kit.sql("ALTER TABLE orders REPLICA IDENTITY FULL")
    with psycopg.connect(kit.url) as open_transaction:
        open_transaction.execute("INSERT INTO unrelated VALUES (1)")
        with kit.preparing(stop, within=10.0) as stopped:
            until(
                "the creation of the slot",
                lambda: kit.one(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND query LIKE '%pg_create_logical_replication_slot%' AND wait_event_type = 'Lock'"
                ),
            )
            assert f"backend {open_transaction.info.backend_pid} of" in caplog.text
            stop.set()
    assert len(stopped) == 1


# --- what it refuses -------------------------------------------------------------------------------


def refusal(kit: Kit, **options: object) -> str:
    with pytest.raises(FatalError) as caught:
        kit.prepare(**options)
    return str(caught.value)


def test_missing_tables_and_columns_are_named(kit: Kit) -> None:
    kit.sql("DROP TABLE orders", "ALTER TABLE users RENAME name TO nickname")
    message = refusal(kit)
    assert "public.orders" in message
    assert "`name`" in message
    assert kit.one("SELECT count(*) FROM pg_publication") == 0


def test_a_table_without_a_primary_key_is_refused(kit: Kit) -> None:
    kit.sql("ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    assert "primary key" in refusal(kit)


def test_tables_that_are_not_all_in_the_log_are_refused(kit: Kit) -> None:
    kit.sql(
        "CREATE TABLE late_orders (late bool) INHERITS (orders)", "ALTER TABLE users SET UNLOGGED"
    )
    message = refusal(kit)
    assert "table `public.users` is unlogged: its changes are not in the write-ahead log" in message
    assert 'ALTER TABLE "public"."users" SET LOGGED;' in message
    assert (
        "table `public.orders` has child tables that inherit from it, `public.late_orders`"
        in message
    )
    kit.sql("ALTER TABLE users SET LOGGED", "ALTER TABLE late_orders NO INHERIT orders")
    kit.prepare()


def test_a_role_that_may_not_replicate_is_refused(kit: Kit, role: str) -> None:
    message = refusal(as_role(kit, role))
    assert "REPLICATION" in message


def test_unreadable_tables_come_with_the_grant(kit: Kit, role: str) -> None:
    kit.sql(f"ALTER ROLE {role} REPLICATION", f"GRANT SELECT ON users TO {role}")
    message = refusal(as_role(kit, role))
    assert f'GRANT SELECT ON "public"."orders" TO "{role}";' in message
    assert '"users"' not in message


def test_a_publication_that_it_may_not_make_comes_with_the_sql(
    kit: Kit, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    kit.sql(
        f"ALTER ROLE {role} REPLICATION", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    )
    message = refusal(as_role(kit, role))
    assert (
        f'CREATE PUBLICATION "{kit.slot}" FOR TABLE "public"."orders", "public"."users"' in message
    )
    # The table is not its own, so the replica identity is advice.
    assert 'ALTER TABLE "public"."orders" REPLICA IDENTITY FULL;' in caplog.text


def test_an_unmanaged_publication_comes_with_the_sql(kit: Kit) -> None:
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR TABLE users")
    message = refusal(kit, manage_publication=False)
    assert f'ALTER PUBLICATION "{kit.slot}" ADD TABLE "public"."orders";' in message


def test_a_publication_with_a_row_filter_is_refused(kit: Kit) -> None:
    if int(kit.one("SHOW server_version_num")) < 150000:
        return
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR TABLE users WHERE (id > 5), orders")
    assert "has a row filter, or" in refusal(kit)


def test_an_unmanaged_identity_is_advice_only(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    kit.prepare(manage_replica_identity=False)
    assert kit.one(IDENTITY) == "d"
    assert "goes stale" in caplog.text


def test_a_slot_of_another_plugin_is_refused(kit: Kit) -> None:
    kit.sql(f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'test_decoding')")
    assert "test_decoding" in refusal(kit)


def test_a_slot_of_another_database_is_refused(kit: Kit) -> None:
    other = kit.slot + "_other"
    kit.sql(f"CREATE DATABASE {other}")
    parts = conninfo.conninfo_to_dict(kit.url)
    away = replace(kit, url=f"postgresql://{parts['user']}@{parts['host']}:{parts['port']}/{other}")
    away.sql(f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput')")
    try:
        assert other in refusal(kit)
    finally:
        away.sql(f"SELECT pg_drop_replication_slot('{kit.slot}')")
        kit.sql(f"DROP DATABASE {other} WITH (FORCE)")


def test_a_database_that_is_not_there_is_fatal(kit: Kit) -> None:
    assert "no_such_database" in refusal(replace(kit, url=kit.url + "_no_such_database"))


def test_a_server_that_never_answers_is_waited_for_until_the_timeout(kit: Kit) -> None:
    nowhere = replace(kit, url="postgresql://postgres@127.0.0.1:1/postgres")
    message = refusal(nowhere, startup_timeout=0.5)
    assert "127.0.0.1:1" in message
    assert kit.status.to_json()["waiting_for"] == "Postgres at 127.0.0.1:1, database postgres"


def test_a_slot_in_use_is_waited_for(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    second = replace(kit)
    with kit.running():
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
        with second.running():
            until("the second to wait", lambda: "is active for PID" in caplog.text)


LISTED = [
    "\nALTER TABLE orders ALTER user_id SET NOT NULL",
    "\nCREATE UNIQUE INDEX by_both ON orders (id, user_id)",
    "\nALTER TABLE orders REPLICA IDENTITY USING INDEX by_both\n",
]


def test_a_column_list_that_holds_what_is_needed_is_kept(kit: Kit) -> None:
    if int(kit.one("SHOW server_version_num")) < 150000:
        return
    kit.sql(*LISTED, f"CREATE PUBLICATION {kit.slot} FOR TABLE users (id), orders (id, user_id)")
    for _ in range(2):
        with kit.running():
            kit.sql(
                "INSERT INTO users VALUES (1)", "UPDATE users SET name = 'x'", "DELETE FROM users"
            )
            assert [change.key for change in kit.expect(3)] == [("1",)] * 3
    assert kit.one("SELECT count(*) FROM pg_publication_rel WHERE prattrs IS NOT NULL") == 2


def test_a_column_list_without_a_link_is_refused_before_anything_is_changed(kit: Kit) -> None:
    if int(kit.one("SHOW server_version_num")) < 150000:
        return
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders (id)")
    message = refusal(kit)
    assert "column list without a key or link column, for public.orders" in message
    kit.sql("INSERT INTO orders VALUES (1)", "UPDATE orders SET note = 'x'")
    kit.sql(*message.splitlines()[-1].split(";")[:2])
    kit.prepare()
    assert kit.one(IDENTITY) == "f"


@pytest.mark.parametrize("columns", ["id", "id, user_id"])
def test_no_identity_is_set_that_makes_updates_fail(
    kit: Kit, columns: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The list is of a publication that others use."""
    if int(kit.one("SHOW server_version_num")) < 150000:
        return
    kit.sql(
        "ALTER TABLE orders ALTER user_id SET NOT NULL",
        f"CREATE PUBLICATION {kit.slot}_other FOR TABLE orders ({columns})",
    )
    kit.prepare()
    kit.sql("INSERT INTO orders VALUES (1, 1)", "UPDATE orders SET note = 'x'")
    (advice,) = [r.message for r in caplog.records if "goes stale" in r.message]
    assert f"{kit.slot}_other has a column list" in advice
    kit.sql(*[part for part in advice.splitlines()[1].split(";") if part.strip()])
    kit.sql("UPDATE orders SET note = 'y'")
    caplog.clear()
    kit.prepare()
    assert "goes stale" not in caplog.text
