"""The quarantine through a running process: list, drop, and retry in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError
from flusso_worker.maintenance.quarantine_administration import QuarantineAdministration
from services import Services
from support.kits import ops_kit
from support.kits.ops_kit import HUGE, Scene
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


@pytest.fixture
def scene(
    services: Services, database: str, index_prefix: str, topic_prefix: str
) -> Iterator[Scene]:
    """Three documents in quarantine."""
    with ops_kit.scene(services, database, index_prefix, topic_prefix) as made:
        made.edit(
            f"UPDATE users SET name = {HUGE} WHERE id IN (3, 7); UPDATE users SET parts = 0 WHERE id = 9"
        )
        made.snapshot()
        made.start().await_state("seeded")
        made.await_applied()
        yield made


@pytest.fixture
def quarantine(scene: Scene) -> Iterator[QuarantineAdministration]:
    options = scene.options
    clock = SystemClock(threading.Event())
    with closing(
        QuarantineAdministration(options.opensearch, options.conninfo, options.index_prefix, clock)
    ) as made:
        yield made


def ended(quarantine: QuarantineAdministration) -> dict[str, Any]:
    """The state of the last retry, once it does not run any more."""
    until("the retry ends", lambda: not (quarantine.progress() or {"running": True})["running"])
    return dict(quarantine.progress() or {})


def test_documents_are_listed_retried_and_dropped(
    scene: Scene, quarantine: QuarantineAdministration
) -> None:
    assert quarantine.progress() is None
    listed = quarantine.entries(10)
    assert sorted(item["id"] for item in listed) == ["3", "7", "9"]
    assert not any("xxx" in item["reason"] for item in listed)
    assert len(quarantine.entries(2)) == 2
    # This change is not published: only the retry can see it.
    scene.edit("UPDATE users SET name = 'short' WHERE id = 7")
    assert quarantine.retry("users", []) == "retry of 3 of users begun"
    assert ended(quarantine) == {
        "index": "users",
        "total": 3,
        "done": 3,
        "written": 1,
        "kept": 2,
        "running": False,
        "error": None,
    }
    assert set(scene.entries()) == {"3", "9"}
    scene.assert_equal_but(3, 9)
    assert quarantine.drop("users", ["9"]) == "dropped 1 from the quarantine of users"
    assert set(scene.entries()) == {"3"}
    with pytest.raises(FatalError, match="no such entry"):
        quarantine.retry("users", ["7"])
    assert quarantine.drop("users", []) == "dropped 1 from the quarantine of users"
    assert scene.entries() == {}


def test_one_retry_at_a_time_and_a_closed_one_ends(
    scene: Scene, quarantine: QuarantineAdministration
) -> None:
    with psycopg.connect(scene.url) as connection:
        connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        quarantine.retry("users", [])
        with pytest.raises(FatalError, match="a retry of users is running"):
            quarantine.retry("users", ["3"])
        quarantine._closed.set()
    assert ended(quarantine)["done"] == 1
