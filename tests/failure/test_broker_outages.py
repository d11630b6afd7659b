"""Kafka goes away and comes back, in whole or in part (cases 9, 10, 19; I1, I7)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from support.edits import steady_edits
from support.idle import end_offsets
from support.processes import Site, living_through
from support.scenario import Scenario
from support.servers.own_kafka import own_kafka
from support.soak import SOAK, also, seconds
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(900), pytest.mark.xdist_group("brokers")]

DEADLINE = 120.0


def test_an_unreachable_kafka_is_waited_for(site: Site, tmp_path: Path) -> None:
    """Case 9, I1: no process dies or grows, nothing is confirmed meanwhile, nothing is lost."""
    with own_kafka() as cluster:
        site = replace(site, kafka=cluster.address)
        store.load_store(site.database_url)
        scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
        with scenario.running() as pipeline:
            generations = scenario.wait_until_live(DEADLINE)
            (broker,) = cluster.brokers
            with living_through(pipeline):
                with steady_edits(site.database_url, 9, pause=0.002):
                    time.sleep(1.0)
                    broker.kill()
                    time.sleep(seconds(8.0, 300.0))
                    capture = pipeline.daemons[0]
                    assert capture.status()["waiting_for"] or capture.status()["changes_in_flight"]
                    broker.start()
                    time.sleep(1.0)
                scenario.assert_equal(DEADLINE)
            assert scenario.generations() == generations


if SOAK:  # three brokers are much for a small machine

    @pytest.mark.parametrize("lost", [2, 3])
    def test_one_broker_of_three_may_go(site: Site, tmp_path: Path, lost: int) -> None:
        """Case 10, I1: two replicas have every record before it counts."""
        with own_kafka(brokers=3) as cluster:
            site = replace(site, kafka=cluster.address, replicas=3)
            store.load_store(site.database_url)
            scenario = Scenario.over("kafka, 2 workers", site, tmp_path)
            with scenario.running():
                scenario.wait_until_live(DEADLINE)
                broker = cluster.brokers[lost - 1]
                with steady_edits(site.database_url, 10):
                    time.sleep(2.0)
                    broker.kill()
                    time.sleep(20.0)
                    broker.start()
                    time.sleep(5.0)
                scenario.assert_equal(DEADLINE)


def test_a_position_that_is_gone_from_a_topic_stops_with_an_error(
    site: Site, tmp_path: Path
) -> None:
    """Case 19, I6: the index stops and says so, it never goes on with the newest record; others go on."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)
        _, worker = pipeline.daemons
        worker.stop()
        topic = f"{site.topic_prefix}.public.tags"
        admin = AdminClient({"bootstrap.servers": site.kafka})
        places = [(topic, number) for number in range(site.partitions)]
        before = sum(end_offsets(admin, places).values())
        with psycopg.connect(site.database_url) as connection:
            tags = connection.execute("UPDATE tags SET label = label || '.'").rowcount
        until_none(
            "the tags are published",
            lambda: (
                None if sum(end_offsets(admin, places).values()) == before + tags else "not yet"
            ),
            DEADLINE,
        )
        ends = end_offsets(admin, places)
        delete_records(admin, topic, ends)
        worker.start()
        worker.await_log("has no valid position in", DEADLINE)

        def state() -> str | None:
            indexes = worker.status()["indexes"]
            wanted = {"products": "stopped", "users": "seeded", "orders": "seeded"}
            return None if indexes == wanted else str(indexes)

        until_none("that index alone stops", state, DEADLINE)


def test_no_index_is_built_from_a_topic_that_lost_records(site: Site, tmp_path: Path) -> None:
    """Case 19, I6: the root's snapshot is taken again before the next generation is seeded from its topic."""
    site = replace(site, indexes=("users",))
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    admin = AdminClient({"bootstrap.servers": site.kafka})
    with scenario.running() as pipeline:
        (physical,) = scenario.wait_until_live(DEADLINE).values()
        scenario.assert_equal(DEADLINE)
        pipeline.stop()
        topic = f"{site.topic_prefix}.public.users"
        ends = end_offsets(admin, [(topic, number) for number in range(site.partitions)])
        delete_records(admin, topic, ends)
        httpx.delete(f"{site.opensearch_url}/{physical}", timeout=60).raise_for_status()
        pipeline.start()
        scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)


@pytest.mark.parametrize("running", also([False], [True]))
def test_topics_that_were_deleted_lead_to_new_generations(
    site: Site, tmp_path: Path, running: bool
) -> None:
    """Case 23, I6: what was acknowledged is gone with them; the old indexes answer up to the swap."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    admin = AdminClient({"bootstrap.servers": site.kafka})
    with scenario.running() as pipeline:
        before = scenario.wait_until_live(DEADLINE)
        if not running:
            pipeline.stop()
        doomed = [f"{site.topic_prefix}.public.{table}" for table in ("users", "orders", "tags")]
        for future in admin.delete_topics(doomed, operation_timeout=30).values():
            future.result()
        with store.Editor(site.database_url, seed=23) as editor:
            editor.edit_everything()
        if not running:
            pipeline.start()

        scenario.await_renewed(before, DEADLINE)
        scenario.assert_equal(DEADLINE)


def delete_records(admin: AdminClient, topic: str, ends: Mapping[tuple[str, int], int]) -> None:
    """Delete all records before `ends`, as an operator does who thinks that old records are of no use."""
    policy = ConfigEntry(
        "cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[policy])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()
    doomed = [TopicPartition(name, number, offset) for (name, number), offset in ends.items()]

    def refused() -> str | None:
        try:
            for future in admin.delete_records(doomed).values():
                future.result()
        except KafkaException as error:
            # A policy reaches the brokers some time after it was acknowledged.
            if error.args[0].code() != KafkaError.POLICY_VIOLATION:
                raise
            return str(error)
        return None

    until_none("they are deleted", refused, DEADLINE)
