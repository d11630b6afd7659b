"""Whole workers over real servers: seed, follow, share, stop, start again; both change logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from flusso_shared.change import Op
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.errors import FatalError
from flusso_shared.plan.model import Plan, RawCondition
from flusso_worker.sinks.cluster import path
from services import Services
from support.documents import run
from support.kits import change_logs
from support.kits.index_kit import IndexKit, connection, expected
from support.kits.worker_kit import Publisher, RunningWorker, WorkerKit, options
from support.stores import small as small_store
from support.stores.small import (
    ITEMS,
    ORDERS,
    PLAN,
    USERS,
    change,
)
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

USERS_COUNT = 300


class Scene(WorkerKit):
    def assert_equal(self, number: int = 1) -> None:
        """Everything in the log is applied, and the alias shows what the tables say."""
        self.await_applied(number)
        assert self.index.documents(self.index.name.plain_alias) == expected(self.url)


@pytest.fixture
def scene(
    services: Services, database: str, index_prefix: str, topic_prefix: str
) -> Iterator[Scene]:
    made = Scene(services, database, index_prefix, topic_prefix, USERS_COUNT)
    yield made
    made.close()


def test_two_workers_that_start_first_seed_and_follow(scene: Scene) -> None:
    workers = [scene.start_worker(), scene.start_worker()]
    until("waiting", lambda: workers[0].status.to_json()["waiting_for"] is not None)
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    for worker in workers:
        worker.await_state("seeded")
        assert worker.status.phase == "live"
    scene.assert_equal()
    run(scene.url, "UPDATE orders SET user_id = 2 WHERE user_id = 10")
    run(scene.url, "DELETE FROM users WHERE id = 300")
    scene.capture.publish(
        change(ORDERS, [20], {"user_id": "10"}, {"id": "20", "user_id": "2"}),
        change(ORDERS, [21], {"user_id": "10"}, {"id": "21", "user_id": "2"}),
        change(USERS, [300], {"id": "300"}, op=Op.DELETE),
    )
    scene.assert_equal()


def test_a_restart_goes_on_where_it_stopped(scene: Scene) -> None:
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    first = scene.start_worker()
    first.await_state("seeded")
    scene.finish(first)
    run(scene.url, "UPDATE users SET name = 'while the worker was down' WHERE id <= 10")
    scene.capture.publish(*[change(USERS, [n], None, {"id": str(n)}) for n in range(1, 11)])
    second = scene.start_worker()
    second.await_state("seeded")
    scene.assert_equal()
    assert second.status.to_json()["changes_committed"] == 10


def test_a_worker_that_leaves_hands_its_partitions_over(scene: Scene) -> None:
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    first, second = scene.start_worker(), scene.start_worker()
    first.await_state("seeded")
    second.await_state("seeded")
    for round_ in range(6):
        run(scene.url, f"UPDATE users SET name = 'round {round_}'")
        scene.capture.publish(
            *[change(USERS, [n], None, {"id": str(n)}) for n in range(1, USERS_COUNT + 1)]
        )
        if round_ == 2:
            scene.finish(first)
        if round_ == 4:
            scene.start_worker()
    scene.assert_equal()


def test_a_truncated_root_is_emptied_by_two_workers(scene: Scene) -> None:
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    for worker in (scene.start_worker(), scene.start_worker()):
        worker.await_state("seeded")
    scene.assert_equal()
    run(scene.url, "TRUNCATE users")
    run(scene.url, "INSERT INTO users VALUES (7, 'after')")
    scene.capture.publish(
        change(USERS, [], op=Op.TRUNCATE), change(USERS, [7], None, {"id": "7"}, op=Op.CREATE)
    )
    scene.assert_equal()


def test_two_workers_do_not_wait_for_each_other_after_truncates(scene: Scene) -> None:
    """Each of them would hold its offsets back until the other has committed."""
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    for worker in (scene.start_worker(), scene.start_worker()):
        worker.await_state("seeded")
    run(scene.url, "TRUNCATE users")
    truncate = change(USERS, [], op=Op.TRUNCATE)
    scene.capture.publish(*[truncate._replace(lsn=lsn) for lsn in range(1, 13)])
    scene.assert_equal()


def test_an_index_deleted_by_hand_is_seeded_again(scene: Scene) -> None:
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    scene.start_worker().await_state("seeded")
    scene.index.cluster.request("DELETE", path(scene.index.name.physical))
    run(scene.url, "UPDATE users SET name = 'later' WHERE id = 1")
    scene.capture.publish(change(USERS, [1], None, {"id": "1"}))
    second = replace(scene.index.name, number=2)
    until(
        "the alias of the second generation",
        lambda: second.physical in _holders(scene, scene.index.name.plain_alias),
    )
    scene.assert_equal(number=2)


def _holders(scene: Scene, alias: str) -> set[str]:
    reply = scene.index.cluster.request("GET", path("_alias", alias), allow=(404,))
    return set() if reply.status == 404 else set(reply.json())


def test_an_index_that_stops_leaves_the_others(scene: Scene) -> None:
    other = replace(PLAN, name="members", hash="99999999", filters=())
    run(scene.url, "UPDATE users SET parts = 0 WHERE id = 13")
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    worker = scene.start_worker(plan=Plan((PLAN, other)))
    until("members seeded", lambda: worker.state("members") == "seeded")
    worker.await_state("stopped")
    assert "division by zero" in worker.status.to_json()["last_error"]
    run(scene.url, "UPDATE users SET parts = 1 WHERE id = 13")
    worker.await_state("seeded")
    scene.assert_equal()


def test_a_table_that_is_missing_ends_the_worker(scene: Scene) -> None:
    run(scene.url, "DROP TABLE items")
    worker = scene.start_worker()
    scene.workers.remove(worker)
    with pytest.raises(FatalError, match=r"there is no table `public\.items`"):
        worker.finish_by_itself()


def test_a_database_that_never_answers_ends_the_start(scene: Scene) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/nowhere"
    worker = scene.start_worker(replace(scene.options, conninfo=nowhere, startup_timeout=0.5))
    scene.workers.remove(worker)
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1, database nowhere did not answer"):
        worker.finish_by_itself()


def test_a_cluster_that_never_answers_ends_the_start(scene: Scene) -> None:
    nowhere = (connection("http://127.0.0.1:1", "elsewhere"),)
    worker = scene.start_worker(replace(scene.options, opensearch=nowhere, startup_timeout=0.5))
    scene.workers.remove(worker)
    with pytest.raises(FatalError, match="OpenSearch of sink elsewhere did not answer within"):
        worker.finish_by_itself()


def test_a_change_log_that_never_answers_ends_the_start(scene: Scene) -> None:
    queue = change_logs.connection("127.0.0.1:1", scene.topic_prefix)
    log = KafkaLog(queue)
    worker = RunningWorker(replace(scene.options, startup_timeout=0.5), log)
    with pytest.raises(
        FatalError, match=r"the change log in Kafka at 127\.0\.0\.1:1 did not answer within"
    ):
        worker.finish_by_itself()
    log.close()


def test_a_stop_while_waiting_for_postgres_is_prompt(scene: Scene) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/nowhere"
    worker = scene.start_worker(replace(scene.options, conninfo=nowhere))
    until("waiting", lambda: "127.0.0.1:1" in str(worker.status.to_json()["waiting_for"]))
    scene.finish(worker)


def test_the_log_in_memory_is_confirmed_by_the_flush(
    services: Services, database: str, index_prefix: str
) -> None:
    """As in `flusso run`: nothing streams before the readers are there, then all of it is applied."""
    small_store.create(database)
    small_store.fill(database, USERS_COUNT)
    log = MemoryLog()
    capture = Publisher(log)
    capture.begin(Lineage("1", "slot", "0/2"))
    index = IndexKit(services.opensearch_url, index_prefix)
    worker = RunningWorker(options(database, services.opensearch_url, index_prefix, "m"), log)
    try:
        assert worker.worker.ready_to_stream(30)
        assert worker.worker.wanted_snapshots() == {USERS}
        run(database, "DELETE FROM items WHERE order_id = 30")
        capture.publish(change(ITEMS, [60], {"id": "60", "order_id": "30"}, op=Op.DELETE))
        capture.snapshot(range(1, USERS_COUNT + 1), Lineage("1", "slot", "0/2"))
        until("applied", capture.applied)
        assert index.documents() == expected(database)
        worker.await_state("seeded")
        assert worker.worker.wanted_snapshots() == set()
        assert index.documents(index.name.plain_alias) == expected(database)
    finally:
        worker.finish()
        capture.close()
        index.close()


def test_a_volatile_filter_is_made_up_for_by_verification(scene: Scene) -> None:
    """Two workers, one of which verifies; no change of a row tells of what is hidden."""
    run(scene.url, "CREATE TABLE hidden (id int)")
    volatile = RawCondition("id NOT IN (SELECT id FROM hidden)", volatile=True)
    plan = Plan((replace(PLAN, filters=(volatile,), verify_every=0.5),))
    scene.capture.begin()
    scene.capture.snapshot(range(1, USERS_COUNT + 1))
    workers = [scene.start_worker(plan=plan) for _ in range(2)]
    workers[0].await_state("seeded")

    def found() -> int:
        return len(scene.index.documents(scene.index.name.plain_alias))

    until("all", lambda: found() == USERS_COUNT)
    run(scene.url, "INSERT INTO hidden SELECT n FROM generate_series(1, 40) n")
    until("without the hidden", lambda: found() == USERS_COUNT - 40)
    run(scene.url, "DELETE FROM hidden WHERE id > 10")
    until("with those shown again", lambda: found() == USERS_COUNT - 10)
    assert [worker.status.to_json()["last_error"] for worker in workers] == [None, None]
