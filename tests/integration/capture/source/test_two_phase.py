"""A slot that was made with `two_phase` is made again without it, at the same position, from wherever that was interrupted."""

from __future__ import annotations

import psycopg
import pytest

from flusso_capture.source import two_phase
from support.kits.capture_kit import Kit, create_tables

pytestmark = pytest.mark.services


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    return Kit(database, slot_name)


def slots(kit: Kit) -> list[tuple[str, bool]]:
    with psycopg.connect(kit.url) as connection:
        return connection.execute(
            "SELECT slot_name::text, two_phase FROM pg_replication_slots WHERE database = current_database()"
        ).fetchall()


@pytest.mark.parametrize("interrupted_after", range(5))
def test_a_start_completes_what_was_interrupted(kit: Kit, interrupted_after: int) -> None:
    kit.sql(
        f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders",
        f"SELECT pg_create_logical_replication_slot('{kit.slot}', 'pgoutput', false, true)",
        "INSERT INTO users VALUES (1)",
    )
    made = two_phase.Found(two_phase=True, active_pid=None, usable=True)
    done = two_phase.steps(kit.slot, made, taken=True, spare=None)[:interrupted_after]
    for step in done:
        if step[0] == "copy":
            kit.sql(f"SELECT pg_copy_logical_replication_slot('{step[1]}', '{step[2]}', false)")
        else:
            kit.sql(f"SELECT pg_drop_replication_slot('{step[1]}')")
    with kit.running():
        (change,) = kit.expect(1)
        assert change.key == ("1",)
        assert slots(kit) == [(kit.slot, False)]


def test_a_slot_in_use_is_left_alone(kit: Kit) -> None:
    kit.sql(f"CREATE PUBLICATION {kit.slot} FOR TABLE users, orders")
    active = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{kit.slot}'"
    with kit.running(), psycopg.connect(kit.url, autocommit=True) as connection:
        kit.sql("INSERT INTO users VALUES (1)")
        kit.expect(1)
        pid = kit.one(active)
        two_phase.turn_off(connection, kit.slot)
        kit.sql("INSERT INTO users VALUES (2)")
        assert kit.expect(1)[0].key == ("2",)
        assert kit.one(active) == pid is not None


def test_the_copy_has_a_name_that_postgres_takes() -> None:
    names = {two_phase.spare_name("s" * 63), two_phase.spare_name("s" * 62 + "t")}
    assert {len(name) for name in names} == {63}
    assert len(names) == 2
