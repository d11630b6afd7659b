"""A paused index stands still, alone, and goes on where it stopped; what it cannot go on from is rebuilt (I5 to I8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.errors import FatalError
from flusso_shared.seams import Offsets
from flusso_worker.generations import pause, reindex
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster
from services import Services
from support.documents import run
from support.edits import steady_edits
from support.kits import change_logs
from support.kits.index_kit import connection
from support.kits.keeper_kit import Process, Scene
from support.processes import Daemon, Site, cleaned_up
from support.scenario import Scenario
from support.stores import dev as store
from support.stores.small import PLAN, USERS, change
from support.waiting import until, until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
CAPACITY = 150
CHANGED = replace(PLAN, hash="4e5f6071")


# --- one keeper -----------------------------------------------------------------------------------


@pytest.fixture
def scene(services: Services, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    made = Scene(services, index_prefix, topic_prefix)
    yield made
    made.close()


def stands_still(process: Process) -> None:
    """Some rounds of its keeper, in which it wants to run nothing."""
    for _ in range(3):
        assert process.idle_step() == []


def finish(scene: Scene, number: int) -> None:
    """A worker that comes now brings everything to its end, which is the generation with this number."""
    scene.settle(PLAN)
    assert scene.assert_one(PLAN).number == number


def paused(scene: Scene) -> Process:
    """A worker that would keep the index, had it not been paused."""
    process = scene.process(PLAN)
    assert process.pause().startswith("users is paused: within seconds")
    stands_still(process)
    return process


def test_a_paused_index_is_resumed_as_it_was(scene: Scene) -> None:
    scene.settle(PLAN)
    process = paused(scene)
    assert process.pause() == ("users is paused already, since 1970-01-01 00:00:00Z")
    # A worker that starts only now, too.
    stands_still(scene.process(PLAN))
    assert scene.assert_one(PLAN).number == 1
    assert process.resume() == "users is resumed"
    assert process.resume() == "users is not paused"
    finish(scene, 1)


def test_a_seeding_stands_still_and_goes_on(scene: Scene) -> None:
    process = scene.process(PLAN)
    until("seeding", lambda: [state for _, state in process.idle_step()] == ["seeding"])
    assert "Its seeding stops too" in process.pause()
    # Also where all of it was applied meanwhile.
    (stored,) = process.store.load(PLAN.name)
    scene.apply_all(stored.generation)
    stands_still(process)
    assert [state for _, state in scene.known()] == ["seeding"]
    process.resume()
    finish(scene, 1)


def test_a_reindex_waits_until_the_index_is_resumed(scene: Scene) -> None:
    scene.settle(PLAN)
    process = paused(scene)
    later = "; users is paused, and it begins after `flusso resume users`"
    assert reindex.ask(process.store, PLAN.name, 0.0) == f"reindex of users queued{later}"
    assert reindex.ask(process.store, PLAN.name, 0.0) == f"reindex of users queued already{later}"
    stands_still(process)
    assert len(scene.known()) == 1
    process.resume()
    finish(scene, 2)


def test_a_changed_schema_waits_until_the_index_is_resumed(scene: Scene) -> None:
    scene.settle(PLAN)
    process = paused(scene)
    stands_still(scene.process(CHANGED))
    assert scene.assert_one(PLAN).number == 1
    process.resume()
    scene.settle(CHANGED)
    assert scene.assert_one(CHANGED).number == 2


def test_a_reindex_is_cancelled_while_the_index_is_paused(scene: Scene) -> None:
    """What is cancelled is deleted at once."""
    scene.settle(PLAN)
    process = scene.process(PLAN)
    reindex.ask(process.store, PLAN.name, 0.0)
    until("seeding", lambda: len(process.idle_step()) == 2)
    process.pause()
    reindex.cancel(process.store, PLAN.name)
    until("one is left", lambda: process.idle_step() == [] and len(scene.known()) == 1)
    assert scene.assert_one(PLAN).number == 1


def test_a_swap_that_has_begun_is_finished(scene: Scene) -> None:
    """The aliases do not stay half moved."""
    scene.settle(PLAN)
    process = scene.process(PLAN)
    reindex.ask(process.store, PLAN.name, 0.0)
    until("seeding", lambda: len(process.idle_step()) == 2)
    _, next_one = process.store.load(PLAN.name)
    assert process.store.update(next_one, next_one.generation.evolve(promoting=True))
    process.pause()
    until("swapped", lambda: process.idle_step() == [] and len(scene.known()) == 1)
    assert scene.assert_one(PLAN).number == 2


@pytest.mark.parametrize("state", ["live", "seeding"])
def test_an_index_is_rebuilt_after_more_changes_than_topics_retain(
    scene: Scene, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the timestamps in the topics: of what is published while it is paused, all but the newest record is too old."""
    monkeypatch.setattr(pause, "MAX_PAUSE_SECONDS", 0.0)
    if state == "live":
        scene.settle(PLAN)
        process = paused(scene)
        assert process.resume() == "users is resumed"
        process.pause()
    else:
        process = scene.process(PLAN)
        until("seeding", lambda: len(process.idle_step()) == 1)
        process.pause()
    ends = scene.log.groups.ends([USERS])

    def too_old() -> bool:
        scene.capture.publish(change(USERS, [1], None, {"id": "1"}))
        recent = scene.log.groups.starts((), [USERS], 0.0)
        return any(recent[at] > end for at, end in ends.items())

    until("an older change", too_old)
    answer = process.resume()
    assert answer.startswith("users is resumed, and rebuilt: more than")
    finish(scene, 2)


def test_an_index_is_rebuilt_whose_offsets_have_expired(scene: Scene) -> None:
    scene.settle(PLAN)
    process = paused(scene)
    (stored,) = process.store.load(PLAN.name)
    scene.log.groups.forget(stored.generation.name.group(scene.topic_prefix))
    assert process.resume() == "users is resumed, and rebuilt: its offsets in Kafka have expired"
    finish(scene, 2)


def test_what_was_deleted_meanwhile_is_rebuilt_after_it(scene: Scene) -> None:
    scene.settle(PLAN)
    process = paused(scene)
    for index in scene.indexes():
        httpx.delete(f"{scene.url}/{index}", timeout=60).raise_for_status()
    stands_still(scene.process(PLAN))
    assert not scene.indexes()
    process.resume()
    finish(scene, 2)


def test_an_index_that_is_not_known_is_not_paused(scene: Scene) -> None:
    process = scene.process(PLAN)
    with pytest.raises(FatalError, match="nothing is recorded of an index users"):
        process.pause()
    assert process.resume() == "users is not paused"


# --- whole processes ------------------------------------------------------------------------------


def flusso(site: Site, folder: Path, *arguments: str) -> str:
    """What the command prints."""
    done = site.run(folder, *arguments, deadline=DEADLINE)
    assert done.returncode == 0, done
    return done.stdout


def await_state(daemon: Daemon, index: str, state: str) -> None:
    def missing() -> str | None:
        found = daemon.status()["indexes"].get(index)
        return None if found == state else str(found)

    until_none(f"{index} is {state}", missing, DEADLINE)


def status_of_order(site: Site, number: int) -> str | None:
    url = f"{site.opensearch_url}/{site.index_prefix}orders/_doc/{number}"
    answer = httpx.get(url, timeout=60)
    return answer.json()["_source"]["status"] if answer.status_code == httpx.codes.OK else None


def await_order(site: Site, status: str) -> None:
    def missing() -> str | None:
        found = status_of_order(site, 1001)
        return None if found == status else str(found)

    until_none(f"order 1001 is {status}", missing, DEADLINE)


class Group:
    """The consumer group of the only generation of `users`, from outside."""

    def __init__(self, site: Site) -> None:
        self._log = KafkaLog(change_logs.connection(site.kafka, site.topic_prefix))
        self._admin = AdminClient({"bootstrap.servers": site.kafka})
        with closing(Cluster(connection(site.opensearch_url))) as cluster:
            (stored,) = GenerationStore(cluster, site.index_prefix).load("users")
        self.generation = stored.generation
        self.name = stored.generation.name.group(site.topic_prefix)

    def await_empty(self) -> None:
        def missing() -> str | None:
            found = self._admin.describe_consumer_groups([self.name])[self.name].result()
            return f"{len(found.members)} members" if found.members else None

        until_none("nothing reads for users", missing, DEADLINE)

    def offsets(self) -> Offsets:
        return self._log.groups.committed(self.name, self.generation.plan.tables)

    def close(self) -> None:
        self._log.close()


def test_a_paused_index_keeps_its_offsets_and_others_go_on(site: Site, tmp_path: Path) -> None:
    """Two workers over Kafka, under load; one is killed while the index is paused.  Then the record is deleted by hand."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 2 workers", site, tmp_path)
    with scenario.running() as pipeline:
        generations = scenario.wait_until_live(DEADLINE)
        _, first, second = pipeline.daemons
        with steady_edits(site.database_url, seed=1), closing(Group(site)) as group:
            assert "users is paused: within" in flusso(site, tmp_path, "pause", "users")
            for worker in (first, second):
                await_state(worker, "users", "paused")
            group.await_empty()
            offsets = group.offsets()
            before = scenario.read("users")
            first.kill()
            first.start()
            await_state(first, "users", "paused")
            run(site.database_url, "UPDATE orders SET status = 'shipped' WHERE id = 1001")
            await_order(site, "shipped")
            shown = flusso(site, tmp_path, "indexes", "--format", "json")
            assert '"users": "paused"' in shown
            assert '"orders": "seeded"' in shown
            assert "live, paused" in flusso(site, tmp_path, "indexes")
            assert group.offsets() == offsets
            assert scenario.read("users") == before
            assert first.metric("flusso_index_up") == len(site.indexes)
            assert flusso(site, tmp_path, "resume", "users") == "users is resumed\n"
            await_state(first, "users", "seeded")
            flusso(site, tmp_path, "pause", "users")
            await_state(second, "users", "paused")
        record = f"{site.opensearch_url}/{site.index_prefix}flusso_meta/_doc/pause:users"
        httpx.delete(record, timeout=60).raise_for_status()
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations


def test_flusso_run_goes_on_without_a_paused_index(site: Site, tmp_path: Path) -> None:
    """Asked over HTTP.  What fits into memory is applied after it; with the queue full, or with a seeding that waits for the
    index, its changes are dropped, and it is rebuilt."""
    store.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    (process,) = scenario.pipeline.daemons
    process.environment["FLUSSO_QUEUE_CAPACITY"] = str(CAPACITY)
    users = f"{site.index_prefix}users"
    with cleaned_up(scenario.pipeline):
        process.start()
        generations = scenario.wait_until_live(DEADLINE)
        server = ("--server", process.private_address())

        def pause_users() -> None:
            answer = flusso(site, tmp_path, "pause", "users", *server)
            assert "its changes wait in memory" in answer
            await_state(process, "users", "paused")

        pause_users()
        run(site.database_url, "UPDATE orders SET status = 'paid' WHERE id = 1001")
        await_order(site, "paid")
        assert flusso(site, tmp_path, "resume", "users", *server) == "users is resumed\n"
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations

        pause_users()
        # A restart: the slot repeats what was not applied.
        run(site.database_url, "UPDATE orders SET status = 'shipped' WHERE id = 1001")
        await_order(site, "shipped")
        process.kill()
        process.start()
        await_state(process, "users", "paused")
        server = ("--server", process.private_address())
        run(site.database_url, "UPDATE orders SET status = 'paid' WHERE id = 1001")
        await_order(site, "paid")
        flusso(site, tmp_path, "resume", "users", *server)
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations

        pause_users()
        for status in ("shipped", "paid"):
            # More changes than the queue holds, of a table that both read.
            run(site.database_url, f"UPDATE orders SET status = '{status}'")
            await_order(site, status)
        process.await_log("are discarded", DEADLINE)
        process.kill()
        process.start()
        await_state(process, "users", "paused")
        server = ("--server", process.private_address())
        answer = flusso(site, tmp_path, "resume", "users", *server)
        assert (
            answer
            == "users is resumed, and seeded again: its changes did not all fit into memory\n"
        )
        scenario.await_renewed({users: generations[users]}, DEADLINE)
        scenario.assert_equal(DEADLINE)

        generations = scenario.wait_until_live(DEADLINE)
        pause_users()
        run(site.database_url, "UPDATE orders SET status = 'shipped' WHERE id = 1001")
        flusso(site, tmp_path, "reindex", "orders", *server, "--wait")
        flusso(site, tmp_path, "resume", "users", *server)
        scenario.await_renewed({users: generations[users]}, DEADLINE)
        scenario.assert_equal(DEADLINE)
        process.stop()
