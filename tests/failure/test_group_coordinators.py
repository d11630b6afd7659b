"""Coordinators of consumer groups that are not there yet, or move (I1, I7)."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from support.edits import steady_edits
from support.processes import Site, cleaned_up, kafka_pipeline, living_through
from support.scenario import Scenario
from support.servers.own_kafka import own_kafka
from support.soak import also
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(900), pytest.mark.xdist_group("brokers")]

DEADLINE = 180.0

_ASK = """
import sys, time
from flusso_shared.errors import RetryableError
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.kafka.group_offsets import GroupOffsets
from flusso_shared.seams import TopicPartition
from support.kits.change_logs import connection

offsets = GroupOffsets(Clients(connection(sys.argv[1], "unused")))
deadline = time.monotonic() + 60
for number in range(7):
    while True:
        try:
            assert offsets.committed(f"group-{number}", [TopicPartition("x", 0)]) == {}
            break
        except RetryableError:
            assert time.monotonic() < deadline
offsets.close()
"""


@pytest.mark.parametrize("attempt", also([1, 2], list(range(3, 21))))
def test_offsets_are_read_while_a_cluster_makes_its_offsets_topic(attempt: int) -> None:
    """An admin client that asks for them ends its process with a segmentation fault, in two of three clusters."""
    del attempt  # a fresh cluster each time
    with own_kafka() as cluster:
        asking = [
            subprocess.Popen(
                [sys.executable, "-c", _ASK, cluster.address],
                env={"PYTHONPATH": str(Path(__file__).parents[1])},
            )
            for _ in range(3)
        ]
        try:
            assert [process.wait(120) for process in asking] == [0, 0, 0]
        finally:
            for process in asking:
                process.kill()


@pytest.mark.parametrize("attempt", also([1], list(range(2, 21))))
def test_three_workers_start_on_a_new_cluster(site: Site, tmp_path: Path, attempt: int) -> None:
    """No process ends, and the documents are right."""
    del attempt  # a fresh cluster each time
    with own_kafka() as cluster:
        site = replace(site, kafka=cluster.address, indexes=("users",))
        store.load_store(site.database_url)
        pipeline = kafka_pipeline(site, tmp_path, 3)
        scenario = Scenario(site, pipeline, embedded=False)
        with cleaned_up(pipeline):
            pipeline.start()
            with living_through(pipeline):
                scenario.wait_until_live(DEADLINE)
                scenario.assert_equal(DEADLINE)
            pipeline.stop()


def test_brokers_are_restarted_in_turn_under_load(site: Site, tmp_path: Path) -> None:
    """A rolling restart of three brokers, twice: coordinators and leaders move with each."""
    with own_kafka(brokers=3) as cluster:
        site = replace(site, kafka=cluster.address, replicas=3, indexes=("users",))
        store.load_store(site.database_url)
        scenario = Scenario.over("kafka, 2 workers", site, tmp_path)
        with scenario.running() as pipeline:
            generations = scenario.wait_until_live(DEADLINE)
            with living_through(pipeline):
                with steady_edits(site.database_url, 12):
                    for broker in cluster.brokers * 2:
                        broker.daemon.stop(signal.SIGTERM, 60.0)
                        broker.start()
                        until_none("all replicas are in sync", cluster.out_of_sync, DEADLINE)
                scenario.assert_equal(DEADLINE)
            assert scenario.generations() == generations
