"""Writes that come late: what others deleted meanwhile stays deleted, and documents that are slow to build get written (I3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from flusso_shared.clock import Clock, SystemClock
from flusso_shared.plan.model import IndexPlan
from flusso_worker.documents.built import ChunkSize
from flusso_worker.pipeline.flush import Flusher
from flusso_worker.quarantine.quarantine import Policy, Quarantine
from flusso_worker.sinks.opensearch import MAX_BATCH_AGE_SECONDS, OpenSearchSink
from services import Services
from support.documents import plan_of, run
from support.kits.build_kit import BuildKit
from support.kits.index_kit import IndexKit
from support.servers.shards import without_shards
from support.stores import small as small_store
from support.waiting import until

pytestmark = pytest.mark.services

_SLOW = """
table: users
primary_key: id
verify_every: 1h
filters: [{ raw: "pg_sleep(0.05)::text = ''", volatile: true }]
fields:
  - keyword: name
"""


class HeldClock(SystemClock):
    """A clock whose waits end when the test says so."""

    def __init__(self) -> None:
        super().__init__(threading.Event())
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def wait(self, seconds: float) -> None:
        del seconds
        self.waits.set()
        assert self.go_on.wait(60)


class Kit(BuildKit):
    """Flushers to one index, as two workers have them."""

    def __init__(self, database: str, index: IndexKit, plan: IndexPlan) -> None:
        super().__init__(database, plan, chunk=ChunkSize(seconds=0.2))
        self._index = index

    def flusher_at(self, clock: Clock, max_age: float = MAX_BATCH_AGE_SECONDS) -> Flusher:
        name, status = self._index.name, self.status
        sink = OpenSearchSink(self._index.cluster, clock, max_age, status)
        quarantine = Quarantine(name, Policy("stop"), None, self.metrics, status, self.clock)
        return self.flusher_to(sink, quarantine, name, clock)


@pytest.fixture
def index(services: Services, index_prefix: str) -> Iterator[IndexKit]:
    kit = IndexKit(services.opensearch_url, index_prefix)
    kit.create()
    yield kit
    kit.close()


def test_a_write_that_is_tried_again_brings_no_deleted_document_back(
    services: Services, database: str, index: IndexKit
) -> None:
    """Between two attempts of one worker another deletes the document, and OpenSearch forgets the delete.

    (Shown to fail when what was written after a failed attempt is not built again.)
    """

    def await_shards() -> None:
        health = f"{services.opensearch_url}/_cluster/health/{index.name.physical}"
        until("shards", lambda: httpx.get(health).json()["status"] != "red")

    small_store.create(database)
    small_store.fill(database, 3)
    held = HeldClock()
    with closing(Kit(database, index, small_store.PLAN)) as kit, ThreadPoolExecutor(1) as thread:
        with without_shards(services.opensearch_url, [index.name.physical]):
            writing = thread.submit(kit.flusher_at(held).flush, kit.build_keys(1, 2))
            assert held.waits.wait(60)
        await_shards()
        run(database, "DELETE FROM users WHERE id = 2")
        kit.flusher_at(SystemClock(threading.Event())).flush(kit.build_keys(2))
        with without_shards(services.opensearch_url, [index.name.physical]):
            pass
        await_shards()
        held.go_on.set()
        writing.result(60)
    assert sorted(index.documents()) == [1]


def test_documents_that_take_longer_to_build_than_a_batch_may_age(
    database: str, index: IndexKit, tmp_path: Path
) -> None:
    """(Shown to fail when all of them are built again in one statement: none is ever written.)"""
    small_store.create(database)
    small_store.fill(database, 30)
    with closing(Kit(database, index, plan_of(tmp_path, _SLOW, "users"))) as kit:
        flusher = kit.flusher_at(SystemClock(threading.Event()), max_age=0.7)
        flusher.flush(kit.build_keys(*range(1, 31)))
    assert len(index.documents()) == 30


def test_a_document_that_takes_longer_alone_is_written(
    database: str, index: IndexKit, tmp_path: Path
) -> None:
    small_store.create(database)
    small_store.fill(database, 2)
    with closing(Kit(database, index, plan_of(tmp_path, _SLOW, "users"))) as kit:
        flusher = kit.flusher_at(SystemClock(threading.Event()), max_age=0.01)
        flusher.flush(kit.build_keys(1, 2))
    assert sorted(index.documents()) == [1, 2]
