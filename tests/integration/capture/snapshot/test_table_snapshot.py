"""Snapshots on a real database: whole, thin, resumed, and in step with the lineage."""

from __future__ import annotations

import psycopg
import pytest

from flusso_shared.change import Op
from flusso_shared.changelog.control_records import TableSnapshot, lineage_of, snapshots_of
from support.kits.capture_kit import USERS, Kit, create_tables
from support.waiting import until

pytestmark = pytest.mark.services


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    return Kit(database, slot_name, wanted=None)


def snapshot(kit: Kit) -> TableSnapshot | None:
    return snapshots_of(kit.log.records).get(USERS)


def complete(kit: Kit) -> bool:
    found = snapshot(kit)
    return found is not None and found.state == "complete"


def test_every_row_is_read_once_with_key_and_links_only(kit: Kit) -> None:
    kit.sql("INSERT INTO users SELECT n, 'name' FROM generate_series(1, 2500) n", "ANALYZE users")
    with kit.running(snapshot_chunk=1000):
        until("the snapshot", lambda: complete(kit))
        until("the phase", lambda: kit.status.phase == "live")
    changes = kit.log.take()
    assert sorted(int(change.key[0]) for change in changes) == list(range(1, 2501))
    assert {change.op for change in changes} == {Op.SNAPSHOT}
    assert {change.xid for change in changes} == {0}
    assert changes[0].after == {"id": changes[0].key[0]}
    found = snapshot(kit)
    assert found is not None
    assert (found.rows, found.total) == (2500, 2500)
    assert sum(found.ends.values()) == 2500
    assert found.lineage == lineage_of(kit.log.records)
    value = kit.metrics.registry.get_sample_value
    assert value("flusso_snapshot_rows_total", {"table": "public.users"}) == 2500


def test_an_empty_table_is_complete_at_once(kit: Kit) -> None:
    with kit.running():
        until("the snapshot", lambda: complete(kit))
    assert kit.log.take() == []


def test_a_complete_snapshot_is_not_taken_again(kit: Kit) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    with kit.running():
        until("the snapshot", lambda: complete(kit))
    assert len(kit.log.take()) == 1
    with kit.running():
        until("the phase", lambda: kit.status.phase == "live")
    assert kit.log.take() == []


def test_an_interrupted_snapshot_resumes(kit: Kit) -> None:
    kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 3000) n")
    with kit.running(snapshot_chunk=1000):
        until("the snapshot", lambda: complete(kit))
    kit.log.take()
    found = snapshot(kit)
    assert found is not None
    interrupted = TableSnapshot(USERS, found.lineage, "running", last_key=("2000",), rows=2000)
    kit.log.records[interrupted.key] = interrupted.to_json()
    with kit.running(snapshot_chunk=300):
        until("the snapshot", lambda: complete(kit))
    keys = [int(change.key[0]) for change in kit.log.take()]
    assert keys == list(range(2001, 3001))
    found = snapshot(kit)
    assert found is not None
    assert found.rows == 3000


def test_progress_never_passes_what_is_acknowledged(kit: Kit) -> None:
    kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 3000) n")
    kit.log.hold.set()
    with kit.running(snapshot_chunk=1000):
        until("the rows", lambda: kit.log.count == 3000)
    # Stopped with everything published and nothing acknowledged.
    assert snapshot(kit) is None
    kit.log.hold.clear()
    kit.log.take()
    with kit.running(snapshot_chunk=1000):
        until("the snapshot", lambda: complete(kit))
    assert len({change.key for change in kit.log.take()}) == 3000


def test_the_snapshot_waits_for_a_full_buffer(kit: Kit) -> None:
    kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 300) n")
    kit.log.full.set()
    with kit.running():
        until("the phase", lambda: kit.status.phase == "backfilling")
        assert not complete(kit)
        kit.log.full.clear()
        until("the snapshot", lambda: complete(kit))


def test_changes_and_snapshot_together_hold_every_row(kit: Kit) -> None:
    kit.sql("INSERT INTO users SELECT n FROM generate_series(1, 2000) n")
    with (
        psycopg.connect(kit.url) as writer,
        psycopg.connect(kit.url, autocommit=True) as other,
    ):
        kit.prepare()
        # Begun after the slot, ended after the snapshot.
        writer.execute("INSERT INTO users SELECT n FROM generate_series(5001, 5010) n")
        with kit.running(snapshot_chunk=100):
            for number in range(2001, 2051):
                other.execute("INSERT INTO users VALUES (%s)", (number,))
            until("the snapshot", lambda: complete(kit))
            writer.commit()
            end = kit.position()
            until("the confirmed position", lambda: kit.confirmed() >= end)
    keys = {int(change.key[0]) for change in kit.log.take()}
    assert keys == {*range(1, 2051), *range(5001, 5011)}


def test_a_composite_key_with_special_characters(kit: Kit) -> None:
    kit.sql(
        "DROP TABLE users",
        "CREATE TABLE users (id text, name text, note text, PRIMARY KEY (name, id))",
        r"""INSERT INTO users SELECT 'a''"\ {,}' || n, E'b\n\\' || (n % 7), NULL
            FROM generate_series(1, 100) n""",
    )
    with kit.running(snapshot_chunk=9):
        until("the snapshot", lambda: complete(kit))
    changes = kit.log.take()
    assert len({change.key for change in changes}) == len(changes) == 100
    assert all(change.after == {"name": change.key[0], "id": change.key[1]} for change in changes)


def test_a_new_slot_begins_a_new_lineage(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    with kit.running():
        until("the snapshot", lambda: complete(kit))
    first = lineage_of(kit.log.records)
    kit.log.take()
    kit.sql(f"SELECT pg_drop_replication_slot('{kit.slot}')", "INSERT INTO users VALUES (2)")
    with kit.running():
        until("the snapshot", lambda: lineage_of(kit.log.records) != first and complete(kit))
    assert sorted(change.key[0] for change in kit.log.take()) == ["1", "2"]
    assert "a new history begins" in caplog.text


def test_a_slot_lost_while_streaming_begins_a_new_lineage(kit: Kit) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    with kit.running():
        until("the snapshot", lambda: complete(kit))
        first = lineage_of(kit.log.records)
        kit.log.take()
        kit.drop_slot()
        until("the snapshot", lambda: lineage_of(kit.log.records) != first and complete(kit))
    assert [change.key for change in kit.log.take()] == [("1",)]


def test_a_crash_before_the_lineage_was_recorded_is_noticed(kit: Kit) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    with kit.running():
        until("the snapshot", lambda: complete(kit))
    first = lineage_of(kit.log.records)
    kit.sql(f"SELECT pg_drop_replication_slot('{kit.slot}')")
    # As if the process had died right after making the slot.
    kit.log.records["slot_pending"] = {"slot": kit.slot}
    kit.sql(f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput')")
    kit.prepare()
    assert lineage_of(kit.log.records) != first


def test_a_skipped_snapshot_is_taken_later(kit: Kit) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    with kit.running(skip_backfill=True):
        until("the record", lambda: complete(kit))
    assert kit.log.take() == []
    with kit.running():
        until("the row", lambda: kit.log.count == 1)


def test_a_table_gets_another_snapshot_only_after_it_was_not_wanted(kit: Kit) -> None:
    kit.sql("INSERT INTO users VALUES (1)")
    wanted = {USERS}
    kit.wanted = lambda: set(wanted)
    with kit.running():
        until("the snapshot", lambda: complete(kit))
        until("the phase", lambda: kit.status.phase == "live")
        assert kit.log.count == 1
        wanted.clear()
        kit.sql("INSERT INTO users VALUES (2)")
        kit.expect(2)
        del kit.log.records[f"snapshot/{USERS}"]
        # Served once more than the wish was withdrawn; the snapshotter looks twice a second.
        withdrawn = kit.one("SELECT clock_timestamp() + interval '1.2 seconds'").isoformat()
        until("a look", lambda: kit.one(f"SELECT clock_timestamp() > '{withdrawn}'"))
        wanted.add(USERS)
        until("the second snapshot", lambda: complete(kit))
        assert kit.log.count == 4
