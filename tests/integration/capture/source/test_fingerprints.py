"""DDL without row events: capture requests a resync when it reaches documents, and only then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fakes.held_log import HeldControl
from flusso_shared.change import Change, Op
from flusso_shared.names import TableName
from support.kits.capture_kit import ORDERS, USERS, Kit, create_tables
from support.waiting import until

pytestmark = pytest.mark.services

QUIET = (
    "ALTER TABLE users ADD COLUMN more int DEFAULT 7",
    "ALTER TABLE users ALTER COLUMN note TYPE varchar(90) USING upper(note)",
    "VACUUM FULL users",
    "CLUSTER users USING users_pkey",
    "ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad'",
    "REINDEX TABLE users",
)


@pytest.fixture
def kit(database: str, slot_name: str) -> Kit:
    create_tables(database)
    found = Kit(database, slot_name)
    found.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "ALTER TABLE orders ALTER COLUMN note TYPE mood USING 'sad'::mood",
        "INSERT INTO users VALUES (1, 'ada', 'x'), (2, 'eve', 'y')",
    )
    found.prepare()
    return found


def resync(kit: Kit, table: TableName) -> list[Change]:
    """What is published up to the truncate of `table`."""
    found: list[Change] = []

    def arrived() -> bool:
        found.extend(kit.log.take())
        return any(change.op is Op.TRUNCATE and change.table == table for change in found)

    until(f"a resync of {table}", arrived)
    return found


def test_what_documents_do_not_show_costs_nothing(kit: Kit) -> None:
    with kit.running(watch_seconds=0.1):
        kit.sql(*QUIET)
        kit.sql("INSERT INTO users VALUES (3, 'bob')")
        assert kit.expect(1)[0].key == ("3",)
    with kit.running(watch_seconds=0.1):
        kit.sql(
            "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
            "INSERT INTO users VALUES (4, 'kim')",
        )
        assert kit.expect(1)[0].key == ("4",)


def test_a_root_is_read_again_and_a_related_table_is_truncated(kit: Kit) -> None:
    """Running, with no event of a row; and while stopped."""
    with kit.running(watch_seconds=0.1):
        kit.sql("ALTER TABLE users ALTER COLUMN name TYPE text USING upper(name)")
        *read, truncated = resync(kit, USERS)
        assert [change.key for change in read] == [("1",), ("2",)]
        assert truncated.op is Op.TRUNCATE
    kit.sql("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
    with kit.running(watch_seconds=60):
        assert [change.op for change in resync(kit, ORDERS)] == [Op.TRUNCATE]
        kit.sql("ALTER TABLE users ALTER COLUMN id TYPE int", "INSERT INTO users VALUES (9, 'zoe')")
        # The stream describes the table once more.
        assert ("2",) in {change.key for change in resync(kit, USERS)}


def test_a_request_is_repeated_after_a_crash_before_it_is_noted(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.sql(
        "ALTER TABLE users DROP COLUMN name", "ALTER TABLE users ADD COLUMN name text DEFAULT 'n'"
    )
    put = HeldControl.put

    def crash(control: HeldControl, key: str, value: Mapping[str, Any]) -> None:
        if key.startswith("fingerprint/"):
            raise InterruptedError
        put(control, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(HeldControl, "put", crash)
        with pytest.raises(InterruptedError):
            kit.prepare()
    with kit.running():
        assert len(resync(kit, USERS)) == 3
