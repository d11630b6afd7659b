"""A reindex ends with exactly one live generation and no orphans, whichever process requests it or crashes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.mortal_cluster import DeathError
from flusso_shared import failpoints
from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.generations import reindex
from flusso_worker.generations.physical import GenerationIndexes
from services import Services
from support.alias_watch import AliasWatch
from support.failpoint import exit_at
from support.kits.keeper_kit import Process, Scene, run_until_death
from support.processes import Daemon, Site
from support.scenario import Scenario
from support.soak import also
from support.stores import dev as store
from support.stores.small import PLAN
from support.waiting import until, until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
PLACES = also([exit_at("generation_published")], [exit_at("generation_prepared")])
"""The rest is covered request by request."""


@pytest.fixture
def scene(services: Services, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    made = Scene(services, index_prefix, topic_prefix)
    yield made
    made.close()


def ask(process: Process) -> str:
    return reindex.ask(process.store, PLAN.name, 0.0)


def finish(scene: Scene, number: int) -> None:
    """Let one more worker come and bring everything to its end; the live generation has that number."""
    process = scene.process(PLAN)
    until(
        f"generation {number} alone",
        lambda: (
            [name.number for name, _ in process.step()] == [number]
            and scene.known()[0][1] == "live"
            and len(scene.known()) == 1
        ),
    )
    assert scene.assert_one(PLAN).number == number
    assert process.store.read_index(PLAN.name).asked is None


def die_while_reindexing(scene: Scene, dies_after: int, number: int) -> bool:
    """Ask and keep, until the process dies after so many requests; whether it died before the end."""
    process = scene.process(PLAN, dies_after)
    try:
        ask(process)
        until(
            "the next",
            lambda: (
                process.live(PLAN)
                and len(scene.known()) == 1
                and scene.assert_one(PLAN).number == number
            ),
        )
    except DeathError:
        return True
    return False


def test_a_death_after_any_request_of_a_reindex_leaves_one_generation(scene: Scene) -> None:
    """The request itself is among them.  The old generation answers until the swap."""
    scene.settle(PLAN)
    number = 1
    for dies_after in range(1, 100):
        died = die_while_reindexing(scene, dies_after, number + 1)
        known = [state for _, state in scene.known()]
        assert "live" in known, f"after {dies_after} requests: {known}"
        process = scene.process(PLAN)
        if process.store.read_index(PLAN.name).asked is None and len(known) == 1:
            ask(process)
            number = scene.assert_one(PLAN).number
        number += 1
        finish(scene, number)
        if not died:
            assert dies_after > 5, "it hardly did anything"
            return
    raise AssertionError("it never came to an end")


def test_two_requests_at_once_make_one_generation(scene: Scene) -> None:
    scene.settle(PLAN)
    askers = [scene.process(PLAN) for _ in range(4)]
    with ThreadPoolExecutor(len(askers)) as threads:
        answers = list(threads.map(ask, askers))
    assert sorted(answers) == ["reindex of users queued", *["reindex of users queued already"] * 3]
    finish(scene, 2)


def test_a_request_while_one_is_seeded_makes_no_third(scene: Scene) -> None:
    scene.settle(PLAN)
    process = scene.process(PLAN)
    ask(process)
    until("seeding", lambda: len(process.idle_step()) == 2)
    assert "queued already" in ask(process)
    finish(scene, 2)


def test_a_reindex_that_is_cancelled_leaves_the_old_generation(scene: Scene) -> None:
    scene.settle(PLAN)
    process = scene.process(PLAN)
    ask(process)
    until("seeding", lambda: len(process.idle_step()) == 2)
    assert "stays" in reindex.cancel(process.store, PLAN.name)
    finish(scene, 1)
    with pytest.raises(FatalError, match="no reindex of users is in progress"):
        reindex.cancel(process.store, PLAN.name)


def test_a_reindex_that_no_worker_has_begun_is_cancelled(scene: Scene) -> None:
    scene.settle(PLAN)
    process = scene.process(PLAN)
    ask(process)
    reindex.cancel(process.store, PLAN.name)
    finish(scene, 1)


def test_a_death_after_any_request_of_a_cancellation_leaves_one_generation(scene: Scene) -> None:
    """Cancelled or not: the next cancellation, or none, ends with one live generation."""
    scene.settle(PLAN)
    for dies_after in (1, 2):
        process = scene.process(PLAN)
        ask(process)
        until("seeding", lambda process=process: len(process.idle_step()) == 2)  # type: ignore[misc]
        mortal = scene.process(PLAN, dies_after)
        with pytest.raises(DeathError):
            reindex.cancel(mortal.store, PLAN.name)
        if dies_after == 1:
            reindex.cancel(process.store, PLAN.name)
        finish(scene, 1)


def test_a_cancellation_after_the_last_step_began_comes_too_late(scene: Scene) -> None:
    """Asked three times while the aliases move: they are never without an index, and nothing is seeded again."""
    scene.settle(PLAN)
    process = scene.process(PLAN)
    with AliasWatch(scene.url, f"{scene.index_prefix}{PLAN.name}") as watch:
        ask(process)
        until("seeding", lambda: [state for _, state in process.idle_step()] == ["live", "seeding"])
        for dies_after in range(1, 100):
            mortal = scene.process(PLAN, dies_after)
            assert run_until_death(mortal, PLAN)
            if any(item.generation.promoting for item in process.store.load(PLAN.name)):
                break
        for _ in range(3):
            with pytest.raises(FatalError, match="too late"):
                reindex.cancel(process.store, PLAN.name)
        finish(scene, 2)
    watch.assert_answered()


def test_an_index_with_the_alias_is_deleted_only_for_its_successor(scene: Scene) -> None:
    """A cancellation that came between the swap and its record, as an earlier version allowed."""
    scene.settle(PLAN)
    process = scene.process(PLAN)
    with AliasWatch(scene.url, f"{scene.index_prefix}{PLAN.name}") as watch:
        ask(process)
        until("seeding", lambda: len(process.idle_step()) == 2)
        _, seeding = process.store.load(PLAN.name)
        GenerationIndexes(process.cluster).publish(seeding.generation.name)
        reindex.cancel(process.store, PLAN.name)
        scene.settle(PLAN)
        assert len(scene.indexes()) == 1
    watch.assert_answered()


def test_an_older_generation_never_takes_the_alias_back(scene: Scene) -> None:
    """A process that stood still in the swap goes on when a newer one is live."""
    scene.settle(PLAN)
    process = scene.process(PLAN)
    ask(process)
    until("seeding", lambda: len(process.idle_step()) == 2)
    first, second = process.store.load(PLAN.name)
    indexes = GenerationIndexes(process.cluster)
    indexes.publish(second.generation.name)
    with pytest.raises(RetryableError, match="is older"):
        indexes.publish(first.generation.name)
    assert second.generation.name.plain_alias in scene.aliases(second.generation.name.physical)


def test_a_generation_of_a_changed_schema_is_not_cancelled(scene: Scene) -> None:
    """It would be made again at once."""
    scene.settle(PLAN)
    process = scene.process(replace(PLAN, hash="4e5f6071"))
    until("seeding", lambda: len(process.idle_step()) == 2)
    with pytest.raises(FatalError, match="Start the workers with the earlier schema"):
        reindex.cancel(process.store, PLAN.name)


def test_an_unknown_index_is_not_reindexed(scene: Scene) -> None:
    with pytest.raises(FatalError, match="nothing is recorded of an index nothing"):
        reindex.ask(scene.process(PLAN).store, "nothing", 0.0)


# --- whole processes ------------------------------------------------------------------------------


def generations(site: Site) -> dict[str, list[tuple[int, str]]]:
    """Per index what the bookkeeping says."""
    url = f"{site.opensearch_url}/{site.index_prefix}flusso_meta/_search"
    query = {"query": {"term": {"kind": "generation"}}, "size": 100}
    found: dict[str, list[tuple[int, str]]] = {}
    for hit in httpx.post(url, json=query, timeout=60).json()["hits"]["hits"]:
        item = hit["_source"]
        found.setdefault(item["index"], []).append((item["number"], item["state"]))
    return found


def physical(site: Site) -> set[str]:
    rows = httpx.get(
        f"{site.opensearch_url}/_cat/indices/{site.index_prefix}*",
        params={"format": "json"},
        timeout=60,
    ).json()
    return {row["index"].removeprefix(site.index_prefix) for row in rows} - {"flusso_meta"}


def await_one(site: Site, daemon: Daemon, index: str, number: int) -> None:
    def missing() -> str | None:
        daemon.check()
        found = generations(site)[index]
        return None if found == [(number, "live")] else str(found)

    until_none(f"generation {number} alone", missing, DEADLINE)


def test_a_reindex_is_completed_when_a_worker_dies_in_any_step(site: Site, tmp_path: Path) -> None:
    """Over Kafka, with edits between: requests through the bookkeeping, progress and lag from the groups."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        _, worker = pipeline.daemons
        await_one(site, worker, "users", 1)  # the alias is set before the record says so
        for number, place in enumerate(PLACES, 2):
            worker.kill()
            asked = site.run(tmp_path, "reindex", "users", deadline=DEADLINE)
            assert (asked.returncode, asked.stdout) == (0, "reindex of users queued\n"), asked
            worker.start(place)
            assert worker.wait_exit(DEADLINE) == failpoints.EXIT_CODE, place
            with store.Editor(site.database_url, seed=number) as editor:
                editor.edit()
            worker.start()
            await_one(site, worker, "users", number)
        waited = site.run(tmp_path, "reindex", "users", "--wait", deadline=DEADLINE)
        assert waited.returncode == 0, waited
        assert re.search(rf"users_[0-9a-f]{{8}}_{len(PLACES) + 2} is live\n$", waited.stdout), (
            waited
        )
        scenario.assert_equal(DEADLINE)
        assert len(physical(site)) == len(site.indexes)
        listed = site.run(tmp_path, "indexes", "--format", "json", deadline=DEADLINE)
        shown = json.loads(listed.stdout)
        assert shown["indexes"] == dict.fromkeys(site.indexes, "seeded")
        assert {view["state"] for view in shown["generations"]} == {"live"}
        assert {view["lag"] for view in shown["generations"]} == {0}
        assert "users" in site.run(tmp_path, "indexes", deadline=DEADLINE).stdout


def test_flusso_run_reindexes_on_request_over_http(site: Site, tmp_path: Path) -> None:
    """In one process, asked at its private surface; the reference's answers and refusals."""
    store.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        (process,) = pipeline.daemons
        await_one(site, process, "users", 1)
        address = process.private_address()
        url = f"http://{address}/reindex"
        admin = httpx.BasicAuth("admin", "flusso")
        assert httpx.post(url, params={"index": "users"}, timeout=60).status_code == 401

        def post(**params: str) -> tuple[int, str]:
            answer = httpx.post(url, params=params, auth=admin, timeout=60)
            return answer.status_code, answer.text

        assert post()[0] == 400
        assert post(index="a-b") == (400, 'invalid index name "a-b"\n')
        assert post(index="nothing") == (404, "unknown index nothing\n")
        refused = site.run(tmp_path, "reindex", "nothing", "--server", address, deadline=DEADLINE)
        assert refused.returncode == 1
        assert "server returned 404 Not Found: unknown index nothing" in refused.stderr
        done = site.run(
            tmp_path, "reindex", "USERS", "--server", address, "--wait", deadline=DEADLINE
        )
        assert done.returncode == 0, done
        assert "reindex of users queued\n" in done.stdout
        await_one(site, process, "users", 2)
        for arguments in (["--server", address], []):
            taken = site.run(
                tmp_path, "reindex", "users", "--take-over", *arguments, deadline=DEADLINE
            )
            assert taken.returncode == 0, taken
            assert taken.stdout.endswith("of users is the newest already\n"), taken
        shown: dict[str, Any] = json.loads(
            site.run(
                tmp_path, "indexes", "--server", address, "--format", "json", deadline=DEADLINE
            ).stdout
        )
        assert shown["indexes"] == dict.fromkeys(site.indexes, "seeded")
        scenario.assert_equal(DEADLINE)
