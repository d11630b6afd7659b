"""Generations over real servers: concurrent keepers, and keepers that crash after any of their requests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from flusso_shared.changelog.control_records import LINEAGE_KEY, Lineage, TableSnapshot
from flusso_shared.errors import RetryableError
from flusso_worker.generations import reindex
from flusso_worker.generations.store import GenerationStore
from flusso_worker.quarantine.store import QuarantineStore
from flusso_worker.sinks.cluster import Cluster, path
from services import Services
from support.kits.index_kit import connection
from support.kits.keeper_kit import Process, Scene, run_until_death
from support.kits.worker_kit import LINEAGE
from support.stores.small import PLAN, USERS
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

NEXT_PLAN = replace(PLAN, hash="4e5f6071")


@pytest.fixture
def scene(services: Services, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    made = Scene(services, index_prefix, topic_prefix)
    yield made
    made.close()


def test_a_death_after_any_request_leaves_one_generation(scene: Scene) -> None:
    """At the first start: whatever the crashed process had done, the next one ends with one live generation."""
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
    """The old one answers queries until the swap: the plain alias always has an index."""
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


def test_a_superseded_schema_stands_by_while_a_newer_one_lives(scene: Scene) -> None:
    """A rolling deploy with a crash creates one generation; a complete rollback creates one more."""
    scene.settle(PLAN)
    newer = scene.worker(NEXT_PLAN)
    until("the deploy", lambda: newer.live(NEXT_PLAN) and len(scene.known()) == 1)
    assert scene.assert_one(NEXT_PLAN).number == 2
    older = scene.worker(PLAN)  # restarts with the schema of before
    until("it stands by", lambda: older.live(NEXT_PLAN) and older.standby)
    restarted = scene.worker(NEXT_PLAN)
    until("the crash is over", lambda: restarted.live(NEXT_PLAN) and not restarted.standby)
    assert scene.assert_one(NEXT_PLAN).number == 2
    assert older.standby
    newer.end()
    restarted.end()
    until("the rollback", lambda: older.live(PLAN) and len(scene.known()) == 1)
    assert not older.standby
    assert scene.assert_one(PLAN).number == 3


def test_a_superseded_schema_takes_over_on_request(scene: Scene) -> None:
    """The worker with the other schema stands by from then on."""
    newer = scene.worker(NEXT_PLAN)
    older = scene.process(PLAN)
    until("live", lambda: newer.live(NEXT_PLAN))
    scene.order(PLAN.hash, NEXT_PLAN.hash)
    older.beat()
    until("it stands by", lambda: older.live(NEXT_PLAN) and older.standby)
    assert "takes over" in reindex.take_over(older.store, PLAN.name, PLAN.hash)
    assert "already" in reindex.take_over(older.store, PLAN.name, PLAN.hash)
    until("it leads", lambda: older.live(PLAN) and len(scene.known()) == 1)
    until("the other stands by", lambda: newer.live(PLAN) and newer.standby)
    assert scene.assert_one(PLAN).number == 2


def test_bookkeeping_of_an_earlier_version_is_read_without_a_rebuild(scene: Scene) -> None:
    """It had neither an order of schemas nor entries of workers, and its records lack later attributes."""
    scene.settle(PLAN)
    old = scene.assert_one(PLAN)
    process = scene.process(PLAN)
    meta = f"{scene.index_prefix}flusso_meta"
    process.cluster.request("DELETE", path(meta, "_doc", f"schemas:{PLAN.name}"))
    where = path(meta, "_doc", old.physical)
    record = process.cluster.request("GET", where).json()["_source"]
    for later in ("promoting", "missed", "durable"):
        del record[later]
    process.cluster.request("PUT", where, record, params={"refresh": "true"})
    until("live", lambda: process.live(PLAN))
    assert scene.assert_one(PLAN) == old
    assert not process.standby


def test_another_history_is_seeded_again(scene: Scene) -> None:
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


def test_lost_bookkeeping_leads_to_a_new_generation_without_orphans(scene: Scene) -> None:
    scene.settle(PLAN)
    old = scene.assert_one(PLAN)
    process = scene.process(PLAN)
    assert process.live(PLAN)
    process.cluster.request("DELETE", path(f"{scene.index_prefix}flusso_meta"))
    until("a fresh one", lambda: process.live(PLAN) and scene.indexes() != {old.physical})
    until("no orphan", lambda: process.live(PLAN) and len(scene.indexes()) == 1)
    assert scene.assert_one(PLAN).number == old.number + 1


def test_bookkeeping_that_another_worker_is_creating_is_waited_for(
    services: Services, index_prefix: str
) -> None:
    """With workers that start together, the first search of the later one was answered 503, which cost a second."""
    meta = path(f"{index_prefix}flusso_meta")
    body = {"settings": {"index": {"number_of_replicas": 0, "routing.allocation.enable": "none"}}}
    with (
        closing(Cluster(connection(services.opensearch_url))) as cluster,
        ThreadPoolExecutor(1) as threads,
    ):
        store = GenerationStore(cluster, index_prefix)
        cluster.request("PUT", meta, body, params={"wait_for_active_shards": "0"})
        ensured = threads.submit(store.ensure)
        with pytest.raises(TimeoutError):
            ensured.result(timeout=0.5)
        enable = {"index": {"routing.allocation.enable": "all"}}
        cluster.request("PUT", f"{meta}/_settings", enable)
        ensured.result(timeout=30)
        assert store.read_index(PLAN.name).stored == []
        cluster.request("DELETE", meta)


def test_refused_bookkeeping_is_reported_and_retried(services: Services, index_prefix: str) -> None:
    """A template makes OpenSearch refuse both indexes, as its limit of shards would."""
    template = path("_index_template", f"{index_prefix}refusal")
    body = {
        "index_patterns": [f"{index_prefix}flusso_*"],
        "priority": 900,
        "template": {"settings": {"index.mapping.total_fields.limit": 1}},
    }
    with closing(Cluster(connection(services.opensearch_url))) as cluster:
        stores = GenerationStore(cluster, index_prefix), QuarantineStore(cluster, index_prefix)
        cluster.request("PUT", template, body)
        try:
            for store in stores:
                with pytest.raises(RetryableError, match=r"refuses to create .*Limit of total fi"):
                    store.ensure()
        finally:
            cluster.request("DELETE", template)
        for store in stores:
            store.ensure()
            store.ensure()
        assert stores[0].read_index(PLAN.name).stored == []
        for name in ("flusso_meta", "flusso_quarantine"):
            cluster.request("DELETE", path(f"{index_prefix}{name}"))
