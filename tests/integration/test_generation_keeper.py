"""Generations over real servers: keepers that race, and keepers that die after any of their requests."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.config import OpenSearchConnection
from flusso_shared.control_records import LINEAGE_KEY, Lineage, TableSnapshot
from flusso_shared.errors import RetryableError
from flusso_shared.kafka_log import KafkaLog
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName
from flusso_shared.plan import IndexPlan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.generation_store import GenerationStore
from flusso_worker.generations import GenerationKeeper, Names, Teller
from flusso_worker.opensearch import Cluster, Reply, path
from services import Services
from support import change_logs
from support.index_kit import connection
from support.small_store import PLAN, USERS
from support.worker_kit import LINEAGE, Publisher, until

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

NEXT_PLAN = replace(PLAN, hash="4e5f6071")
_WRITES = ("PUT", "POST", "DELETE")


class DeathError(BaseException):
    """The process ends here."""


class MortalCluster(Cluster):
    """A connection whose process dies right after its `dies_after`th request that changes something."""

    def __init__(self, given: OpenSearchConnection, dies_after: int | None) -> None:
        super().__init__(given)
        self.changes = 0
        self._dies_after = dies_after

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
    ) -> Reply:
        reply = super().request(method, path, body, params, allow)
        if method in _WRITES and not path.endswith(("/_search", "/_refresh")):
            self.changes += 1
            if self.changes == self._dies_after:
                raise DeathError
        return reply


class Process:
    """One worker's keeper, with a connection of its own."""

    def __init__(self, scene: Scene, plan: IndexPlan, dies_after: int | None = None) -> None:
        self.cluster = MortalCluster(connection(scene.url), dies_after)
        self._log = scene.log
        teller = Teller(Metrics(), Status(), SystemClock(threading.Event()))
        names = Names(scene.topic_prefix, scene.index_prefix)
        self._keeper = GenerationKeeper(plan, [self.cluster], scene.log, names, teller)

    def step(self) -> list[tuple[GenerationName, str]]:
        """One round, and the work of the pipelines that it asks for."""
        try:
            active = self._keeper.step()
        except RetryableError:
            return []  # somebody else was at it
        for item in active:
            ends = self._log.groups.ends(item.plan.tables)
            if self._log.groups.committed(item.group, item.plan.tables) != ends:
                self._log.groups.reset(item.group, ends)
        return [(item.name, item.state) for item in active]

    def live(self, plan: IndexPlan) -> bool:
        """Step; whether nothing but one live generation of `plan` is left."""
        active = self.step()
        return [(name.hash, state) for name, state in active] == [(plan.hash, "live")]


class Scene:
    """Prefixes of its own in Kafka and OpenSearch, with a complete snapshot of an empty table."""

    def __init__(self, services: Services, index_prefix: str, topic_prefix: str) -> None:
        self.url = services.opensearch_url
        self.index_prefix, self.topic_prefix = index_prefix, topic_prefix
        self.log: ChangeLog = KafkaLog(change_logs.connection(services.kafka, topic_prefix))
        self.capture = Publisher(self.log)
        self.capture.begin()
        self.capture.snapshot([1, 2, 3])
        self._cluster = Cluster(connection(self.url))
        self._processes: list[Process] = []

    def process(self, plan: IndexPlan, dies_after: int | None = None) -> Process:
        self._processes.append(Process(self, plan, dies_after))
        return self._processes[-1]

    def settle(self, plan: IndexPlan) -> None:
        """What a worker that starts now makes of it, in the end."""
        process = self.process(plan)
        until("one generation", lambda: process.live(plan) and len(self.known()) == 1)

    def known(self) -> list[tuple[str, str]]:
        """Generations in the bookkeeping, with their states."""
        store = GenerationStore(self._cluster, self.index_prefix)
        store.ensure()
        return [
            (item.generation.name.physical, item.generation.state) for item in store.load(PLAN.name)
        ]

    def indexes(self) -> set[str]:
        """All concrete indexes but for the bookkeeping."""
        where = path("_cat", "indices", f"{self.index_prefix}*")
        rows = self._cluster.request("GET", where, params={"h": "index", "format": "json"}).json()
        return {row["index"] for row in rows} - {f"{self.index_prefix}flusso_meta"}

    def aliases(self, physical: str) -> set[str]:
        reply = self._cluster.request("GET", path(physical, "_alias")).json()
        return set(reply[physical]["aliases"])

    def assert_one(self, plan: IndexPlan) -> GenerationName:
        """Exactly one generation, live, with all of its aliases, and nothing else; its name."""
        ((physical, state),) = self.known()
        hash_alias = f"{self.index_prefix}{PLAN.name}_{plan.hash}"
        assert physical.startswith(f"{hash_alias}_")
        name = GenerationName(
            PLAN.name, plan.hash, int(physical.rpartition("_")[2]), self.index_prefix
        )
        assert state == "live"
        assert self.indexes() == {physical}
        assert self.aliases(physical) == {name.write_alias, name.hash_alias, name.plain_alias}
        return name

    def wipe(self) -> None:
        """Remove every index, the bookkeeping too."""
        for index in (*self.indexes(), f"{self.index_prefix}flusso_meta"):
            self._cluster.request("DELETE", path(index), allow=(404,))

    def close(self) -> None:
        self.capture.close()
        for process in self._processes:
            process.cluster.close()
        self._cluster.close()
        if isinstance(self.log, KafkaLog):
            self.log.close()


@pytest.fixture
def scene(services: Services, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    made = Scene(services, index_prefix, topic_prefix)
    yield made
    made.close()


def run_until_death(process: Process, plan: IndexPlan) -> bool:
    """Whether the process died before it had nothing left to do."""
    try:
        until("one generation", lambda: process.live(plan))
    except DeathError:
        return True
    return False


def test_a_death_after_any_request_leaves_one_generation(scene: Scene) -> None:
    """At its first start: whatever the dead process had done, the next one ends with one live generation."""
    for dies_after in range(1, 100):
        died = run_until_death(scene.process(PLAN, dies_after), PLAN)
        scene.settle(PLAN)
        scene.assert_one(PLAN)
        scene.wipe()
        if not died:
            assert dies_after > 5, "it hardly did anything"
            return
    raise AssertionError("it never came to an end")


def test_a_death_during_a_schema_change_leaves_the_new_generation(scene: Scene) -> None:
    """The old one answers until the swap: at no moment is the plain alias without an index."""
    for dies_after in range(1, 100):
        scene.settle(PLAN)
        old = scene.assert_one(PLAN)
        died = run_until_death(scene.process(NEXT_PLAN, dies_after), NEXT_PLAN)
        held = [name for name in scene.indexes() if old.plain_alias in scene.aliases(name)]
        assert len(held) == 1, f"after {dies_after} requests the alias is held by {held}"
        scene.settle(NEXT_PLAN)
        assert scene.assert_one(NEXT_PLAN).number > old.number
        scene.wipe()
        if not died:
            assert dies_after > 5, "it hardly did anything"
            return
    raise AssertionError("it never came to an end")


def test_keepers_that_start_at_once_make_one_generation(scene: Scene) -> None:
    processes = [scene.process(PLAN) for _ in range(4)]

    def run(process: Process) -> None:
        until("one generation", lambda: process.live(PLAN))

    with ThreadPoolExecutor(len(processes)) as threads:
        for done in [threads.submit(run, process) for process in processes]:
            done.result()
    assert scene.assert_one(PLAN).number == 1


def test_another_history_is_seeded_anew(scene: Scene) -> None:
    scene.settle(PLAN)
    old = scene.assert_one(PLAN)
    lineage = Lineage(LINEAGE.system_id, LINEAGE.slot, "0/FF")
    scene.log.control.put(LINEAGE_KEY, lineage.to_json())
    process = scene.process(PLAN)
    until("a second generation", lambda: len(process.step()) == 2)
    # It waits for a snapshot of this history, and the old one answers meanwhile.
    assert [state for _, state in scene.known()] == ["live", "seeding"]
    assert old.plain_alias in scene.aliases(old.physical)
    ends = scene.log.groups.ends([USERS])
    record = TableSnapshot(USERS, lineage, "complete", ends=ends)
    scene.log.control.put(record.key, record.to_json())
    until("the swap", lambda: process.live(PLAN) and len(scene.known()) == 1)
    assert scene.assert_one(PLAN).number == old.number + 1


def test_lost_bookkeeping_leads_to_a_fresh_generation_without_orphans(scene: Scene) -> None:
    scene.settle(PLAN)
    old = scene.assert_one(PLAN)
    process = scene.process(PLAN)
    assert process.live(PLAN)
    process.cluster.request("DELETE", path(f"{scene.index_prefix}flusso_meta"))
    until("a fresh one", lambda: process.live(PLAN) and scene.indexes() != {old.physical})
    until("no orphan", lambda: process.live(PLAN) and len(scene.indexes()) == 1)
    assert scene.assert_one(PLAN).number == old.number + 1
