"""A whole pipeline over the log in memory, a real database and a real index."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from flusso_shared.change import Change, Op
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, PoisonError
from flusso_shared.metrics import Metrics
from flusso_shared.seams import Batch, Sink, Written
from flusso_shared.status import Status
from flusso_worker.pipeline.assembly import Dependencies, WriteDependencies, assemble_pipeline
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext
from flusso_worker.postgres.sessions import Sessions
from flusso_worker.quarantine.quarantine import Policy
from flusso_worker.sinks.opensearch import OpenSearchSink, indexed_ids
from services import Services
from support.documents import run
from support.kits.index_kit import IndexKit, expected
from support.stores import small as small_store
from support.stores.small import (
    ITEMS,
    ORDERS,
    PLAN,
    TAGS,
    USER_TAGS,
    USERS,
    change,
)
from support.waiting import patient

pytestmark = pytest.mark.services

DEADLINE = 30.0
GROUP = "test.users"


class Crashing:
    """Passes on to a sink and fails for good after the given number of writes, once the sink has them."""

    def __init__(self, sink: Sink, writes: int) -> None:
        self._sink = sink
        self._left = writes

    @property
    def name(self) -> str:
        return self._sink.name

    def write(self, batch: Batch) -> Written:
        written = self._sink.write(batch)
        self._left -= 1
        if self._left <= 0:
            raise FatalError("crashed after the flush")
        return written

    def close(self) -> None:
        self._sink.close()


class Kit:
    """A database, a log and an index, and pipelines between them."""

    def __init__(self, url: str, index: IndexKit) -> None:
        self.url = url
        self.index = index
        self.log = MemoryLog()
        self.log.groups.reset(GROUP, self.log.groups.ends(PLAN.tables))
        self.writer = self.log.writer()
        self.metrics, self.status = Metrics(), Status()
        self.policy: str = "stop"
        self.acknowledged = 0
        self.published = 0
        self.pipelines: list[Pipeline] = []
        self.sessions = Sessions(self.url)

    def start(self, wrap: Callable[[Sink], Sink] = lambda sink: sink) -> Pipeline:
        def sinks(clock: Clock) -> Sequence[Sink]:
            return [wrap(OpenSearchSink(self.index.cluster, clock))]

        spec = PipelineSpec(self.index.name, PLAN, GROUP)
        context = WorkerContext(self.log, self.metrics, self.status)
        write = WriteDependencies(
            sessions=self.sessions,
            sinks=sinks,
            policy=lambda _index: Policy("skip" if self.policy == "skip" else "stop"),
            quarantine=None,
            metrics=self.metrics,
            status=self.status,
        )
        dependencies = Dependencies(
            write, lambda name: indexed_ids(self.index.cluster, name.write_alias)
        )
        pipeline = Pipeline(spec, context, partial(assemble_pipeline, spec, context, dependencies))
        self.pipelines.append(pipeline)
        pipeline.start()
        assert pipeline.reading.wait(DEADLINE)
        return pipeline

    def sql(self, text: str) -> None:
        run(self.url, text)

    def publish(self, *changes: Change) -> None:
        for item in changes:
            assert self.writer.publish(item, self._acknowledge)
            self.published += 1

    def _acknowledge(self) -> None:
        self.acknowledged += 1

    def await_acknowledged(self) -> None:
        deadline = time.monotonic() + patient(DEADLINE)
        while self.acknowledged < self.published:
            assert time.monotonic() < deadline, f"{self.acknowledged} of {self.published}"
            assert all(pipeline.failure is None for pipeline in self.pipelines)
            self.writer.poll(0.05)

    def await_failure(self, pipeline: Pipeline) -> BaseException:
        pipeline.join(patient(DEADLINE))
        self.pipelines.remove(pipeline)
        assert pipeline.failure is not None
        return pipeline.failure

    def assert_equal(self) -> None:
        self.await_acknowledged()
        assert self.index.documents() == expected(self.url)

    def close(self) -> None:
        for pipeline in self.pipelines:
            pipeline.stop()
        for pipeline in self.pipelines:
            pipeline.join(patient(DEADLINE))
        self.index.close()
        self.sessions.close()


@pytest.fixture
def kit(services: Services, database: str, index_prefix: str) -> Iterator[Kit]:
    small_store.create(database)
    small_store.fill(database, 50)
    index = IndexKit(services.opensearch_url, index_prefix)
    index.create()
    made = Kit(database, index)
    yield made
    made.close()


def snapshot(users: int) -> list[Change]:
    return [
        change(USERS, [user], None, {"id": str(user)}, op=Op.SNAPSHOT)
        for user in range(1, users + 1)
    ]


def test_documents_follow_every_kind_of_change(kit: Kit) -> None:
    kit.start()
    kit.publish(*snapshot(50))
    kit.assert_equal()
    kit.sql("UPDATE users SET name = 'renamed' WHERE id = 1")
    kit.sql("UPDATE orders SET user_id = 2 WHERE id = 20")
    kit.sql("DELETE FROM items WHERE order_id = 30")
    kit.sql("DELETE FROM users WHERE id = 50")
    kit.sql("INSERT INTO users VALUES (51, 'new')")
    kit.sql("UPDATE tags SET label = 'violet' WHERE id = 0")
    kit.sql("DELETE FROM user_tags WHERE user_id = 3")
    kit.publish(
        change(USERS, [1], None, {"id": "1"}),
        change(ORDERS, [20], {"id": "20", "user_id": "10"}, {"id": "20", "user_id": "2"}),
        change(ITEMS, [60], {"id": "60", "order_id": "30"}, op=Op.DELETE),
        change(ITEMS, [61], {"id": "61", "order_id": "30"}, op=Op.DELETE),
        change(USERS, [50], {"id": "50"}, op=Op.DELETE),
        change(USERS, [51], None, {"id": "51"}, op=Op.CREATE),
        change(TAGS, [0], None, {"id": "0"}),
        change(USER_TAGS, [3, 0], op=Op.DELETE),
    )
    kit.assert_equal()


def test_a_crash_between_flush_and_commit_loses_nothing(kit: Kit) -> None:
    pipeline = kit.start(lambda sink: Crashing(sink, 1))
    kit.publish(*snapshot(50))
    assert "crashed" in str(kit.await_failure(pipeline))
    kit.writer.poll(0)
    assert kit.acknowledged == 0
    kit.sql("DELETE FROM users WHERE id = 9")
    kit.publish(change(USERS, [9], {"id": "9"}, op=Op.DELETE))
    kit.start()
    kit.assert_equal()


def test_repeated_crashes_under_change_lose_nothing(kit: Kit) -> None:
    for crash in range(1, 6):
        pipeline = kit.start(lambda sink, crash=crash: Crashing(sink, crash))  # type: ignore[misc]
        while pipeline.running:
            kit.sql(f"UPDATE users SET name = name || '{crash}' WHERE id <= 10")
            kit.publish(*[change(USERS, [user], None, {"id": str(user)}) for user in range(1, 11)])
            kit.writer.poll(0.02)
        kit.await_failure(pipeline)
    kit.publish(*snapshot(50))
    kit.start()
    kit.assert_equal()


def test_a_stop_commits_what_is_flushed_and_the_next_goes_on(kit: Kit) -> None:
    pipeline = kit.start()
    kit.publish(*snapshot(20))
    pipeline.stop()
    pipeline.join(patient(DEADLINE))
    assert pipeline.failure is None
    kit.publish(*snapshot(50))
    kit.start()
    kit.assert_equal()


def test_a_truncated_root_empties_the_index(kit: Kit) -> None:
    kit.start()
    kit.publish(*snapshot(50))
    kit.assert_equal()
    kit.sql("TRUNCATE users")
    kit.sql("INSERT INTO users VALUES (7, 'after')")
    kit.publish(change(USERS, [], op=Op.TRUNCATE), change(USERS, [7], None, {"id": "7"}))
    kit.assert_equal()
    assert set(kit.index.documents()) == {7}


def test_a_truncated_child_leaves_every_document(kit: Kit) -> None:
    kit.start()
    kit.publish(*snapshot(50))
    kit.await_acknowledged()
    kit.sql("TRUNCATE items")
    kit.publish(change(ITEMS, [], op=Op.TRUNCATE))
    kit.assert_equal()


def test_a_failing_row_is_skipped_and_the_others_are_indexed(kit: Kit) -> None:
    kit.policy = "skip"
    kit.sql("UPDATE users SET parts = 0 WHERE id = 13")
    kit.start()
    kit.publish(*snapshot(50))
    kit.assert_equal()
    assert kit.status.to_json()["documents_quarantined"] == 1


def test_a_failing_row_stops_the_index_until_it_is_repaired(kit: Kit) -> None:
    kit.sql("UPDATE users SET parts = 0 WHERE id = 13")
    pipeline = kit.start()
    kit.publish(*snapshot(50))
    assert isinstance(kit.await_failure(pipeline), PoisonError)
    kit.writer.poll(0)
    assert kit.acknowledged == 0
    kit.sql("UPDATE users SET parts = 1 WHERE id = 13")
    kit.start()
    kit.assert_equal()


def test_a_database_that_restarts_is_waited_for(kit: Kit) -> None:
    kit.start()
    kit.publish(*snapshot(10))
    kit.await_acknowledged()
    cut = threading.Event()

    def keep_cutting() -> None:
        while not cut.wait(0.05):
            kit.sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND application_name LIKE 'flusso-worker%'"
            )

    thread = threading.Thread(target=keep_cutting)
    thread.start()
    for _ in range(20):
        kit.publish(*snapshot(50))
        kit.writer.poll(0.02)
    cut.set()
    thread.join()
    kit.assert_equal()


def test_a_single_change_is_written_at_once(kit: Kit) -> None:
    """From the log to the acknowledged flush and its commit: far below a second, though polls wait."""
    kit.start()
    kit.publish(*snapshot(50))
    kit.await_acknowledged()
    taken: list[float] = []
    for _ in range(20):
        started = time.monotonic()
        kit.publish(change(USERS, [5], None, {"id": "5"}))
        kit.await_acknowledged()
        taken.append(time.monotonic() - started)
    assert sorted(taken)[10] < 0.5
