"""A changed schema is deployed worker by worker over Kafka, with a crash in it, and rolled back (issue 12, J)."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from support.alias_watch import AliasWatch
from support.processes import (
    Daemon,
    Pipeline,
    Site,
    cleaned_up,
    kafka_pipeline,
)
from support.scenario import Scenario
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
INDEXES = ("orders", "users")


def changed(site: Site, folder: Path) -> Site:
    """The same with another schema of users: its documents are the same, its mapping is not."""
    schemas = folder / "schemas"
    shutil.copytree(site.schemas, schemas)
    schema = schemas / "users.schema.yml"
    text = schema.read_text()
    field = "  - keyword: email\n"
    assert field in text
    schema.write_text(text.replace(field, f"{field}    options: {{ ignore_above: 500 }}\n"))
    return replace(site, schemas=schemas)


def generations(site: Site, index: str) -> list[tuple[int, str]]:
    url = f"{site.opensearch_url}/{site.index_prefix}flusso_meta/_search"
    found = httpx.post(
        url, json={"query": {"term": {"kind": "generation"}}, "size": 100}, timeout=60
    )
    if not found.is_success:
        return []  # it is not there yet, or its shard has not started
    items = [hit["_source"] for hit in found.json()["hits"]["hits"]]
    return [(item["number"], item["state"]) for item in items if item["index"] == index]


class Rollout:
    """Two workers, each with the old schema or the new one."""

    def __init__(self, site: Site, folder: Path) -> None:
        (folder / "old").mkdir()
        (folder / "new").mkdir()
        site = replace(site, indexes=INDEXES)
        self.site = site
        old = kafka_pipeline(site, folder / "old", 2).daemons
        new = kafka_pipeline(changed(site, folder), folder / "new", 2).daemons
        self.capture, self.old, self.new = old[0], old[1:], new[1:]
        self.pipeline = Pipeline([self.capture, *self.old, *self.new])
        self._scenario = Scenario(site, self.pipeline, embedded=False)
        self._edits = 0

    def await_users(self, number: int, running: list[Daemon]) -> None:
        self.await_live("users", number, running)

    def await_live(self, index: str, number: int, running: list[Daemon]) -> None:
        def missing() -> str | None:
            for daemon in running:
                daemon.check()
            found = generations(self.site, index)
            return None if found == [(number, "live")] else str(found)

        until_none(f"generation {number} alone", missing, DEADLINE)

    def assert_equal(self, running: list[Daemon]) -> None:
        """Edit, wait until every group has committed everything, and compare both indexes at once."""
        self._edits += 1
        with store.Editor(self.site.database_url, seed=self._edits) as editor:
            for _ in range(10):
                editor.edit()
        self._scenario.assert_equal(DEADLINE, [self.capture, *running])


def test_a_rolling_deploy_with_a_crash_builds_an_index_once(site: Site, tmp_path: Path) -> None:
    """And a rollback of all workers once more; the other index is never touched, both always answer."""
    store.load_store(site.database_url)
    rollout = Rollout(site, tmp_path)
    (first_old, second_old), (first_new, second_new) = rollout.old, rollout.new
    with cleaned_up(rollout.pipeline), ExitStack() as stack:
        for daemon in (rollout.capture, first_old, second_old):
            daemon.start()
        for name in INDEXES:
            rollout.await_live(name, 1, rollout.old)
        watches = [
            stack.enter_context(AliasWatch(site.opensearch_url, f"{site.index_prefix}{name}"))
            for name in INDEXES
        ]
        first_old.stop()
        first_new.start()
        rollout.await_users(2, [first_new, second_old])
        second_old.kill()
        second_old.start()
        second_old.await_log("stands by", DEADLINE)
        until_none(
            "standby for users alone",
            lambda: (
                None
                if second_old.status()["indexes"] == {"orders": "seeded", "users": "standby"}
                else str(second_old.status()["indexes"])
            ),
            DEADLINE,
        )
        rollout.assert_equal([first_new, second_old])
        second_old.stop()
        second_new.start()
        second_new.await_log("listening", DEADLINE)
        assert generations(site, "users") == [(2, "live")]
        first_new.stop()
        second_new.stop()
        first_old.start()
        second_old.start()
        rollout.await_users(3, [first_old, second_old])
        rollout.assert_equal([first_old, second_old])
        assert generations(site, "orders") == [(1, "live")]
        for watch in watches:
            watch.assert_answered()
