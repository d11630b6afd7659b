"""Stops, pauses, outages and scaling under load (cases 5 to 7, 11, 17, 18, 20, 47; I1, I3, I7)."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from support.edits import steady_edits
from support.failpoint import delay_at, exit_at
from support.idle import end_offsets
from support.processes import Site, cleaned_up, living_through
from support.proxies.http_proxy import BulkProxy
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.servers.shards import without_shards
from support.soak import SOAK, also, seconds
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

DEADLINE = 180.0
PATIENCE = """
[queue.properties]
"session.timeout.ms" = 6000
"max.poll.interval.ms" = 8000
"""
A_BATCH = 5000


def records(site: Site) -> int:
    """How many records the topics of the site have."""
    admin = AdminClient({"bootstrap.servers": site.kafka})
    topics = admin.list_topics(timeout=30).topics
    mine = [name for name in topics if name.startswith(f"{site.topic_prefix}.public.")]
    places = [(name, number) for name in mine for number in topics[name].partitions]
    return sum(end_offsets(admin, places).values())


def test_a_stop_under_load_is_quick_and_leaves_little_to_send_again(
    site: Site, tmp_path: Path
) -> None:
    """Cases 5, 20, I1, I7: both processes drain; afterwards the whole log is read into new indexes."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        scenario.wait_until_live(DEADLINE)
        capture, worker = pipeline.daemons
        with steady_edits(site.database_url, 5, pause=0.001):
            time.sleep(2.0)
            began = time.monotonic()
            capture.stop()
            worker.stop()
            assert time.monotonic() - began < 25.0
        before = records(site)
        pipeline.start()
        scenario.assert_equal(DEADLINE)
        again = capture.metric("flusso_changes_captured_total")
        assert again < A_BATCH
        assert records(site) >= before
        pipeline.stop()

        # Case 20: the indexes and all that is known of them are gone; the topics are all there is.
        with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
            for row in client.get(
                f"/_cat/indices/{site.index_prefix}*", params={"h": "index", "format": "json"}
            ).json():
                client.delete(f"/{row['index']}").raise_for_status()
        pipeline.start()
        scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)
        assert capture.metric("flusso_snapshot_rows_total") == 0
        pipeline.stop()


def test_a_stop_in_the_middle_of_a_transaction_loses_none_of_it(site: Site, tmp_path: Path) -> None:
    """Case 6, I1: its rows come again, and its position is not confirmed before that."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        scenario.wait_until_live(DEADLINE)
        capture = pipeline.daemons[0]
        capture.stop()
        capture.start(delay_at("after_produce", 20))
        capture.await_log("streaming from slot", DEADLINE)
        before = records(site)
        with psycopg.connect(site.database_url) as connection:
            connection.execute(
                "INSERT INTO users (id, email) SELECT 10000 + n, 'u@example.org'"
                " FROM generate_series(1, 1000) n"
            )
        until_none(
            "some rows are published", lambda: None if records(site) > before else "none", DEADLINE
        )
        capture.stop()
        assert records(site) < before + 1000, "it was not stopped in the middle"
        capture.start()
        scenario.assert_equal(DEADLINE)
        pipeline.stop()


def test_workers_come_and_go_under_load(site: Site, tmp_path: Path) -> None:
    """Cases 17, I7: one worker, then four, then two of them gone, one by force."""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 4 workers", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        capture, first, second, third, fourth = pipeline.daemons
        capture.start()
        first.start()
        scenario.wait_until_live(DEADLINE, only=[capture, first])
        with steady_edits(site.database_url, 17):
            time.sleep(1.0)
            for daemon in (second, third, fourth):
                daemon.start()
            for daemon in (second, third, fourth):
                daemon.await_log("took", DEADLINE)
            time.sleep(1.0)
            first.stop()
            third.kill()
            time.sleep(1.0)
        scenario.assert_equal(DEADLINE, only=[capture, second, fourth])
        for daemon in (capture, second, fourth):
            daemon.stop()


@pytest.mark.parametrize("deleted", also([True], [False]))
def test_a_worker_that_stood_still_changes_nothing_later(
    site: Site, tmp_path: Path, deleted: bool
) -> None:
    """Case 18, I3: what it had built is older than what its heirs wrote.  (Shown to fail with writes that
    carry no version.)"""
    outlive(site, tmp_path, deleted=deleted, stood=0.0)


if SOAK:

    def test_a_worker_that_stood_still_for_long_brings_nothing_back(
        site: Site, tmp_path: Path
    ) -> None:
        """Case 49, I3: the index has forgotten the delete by then; an old batch is built again."""
        outlive(site, tmp_path, deleted=True, stood=130.0)


def outlive(site: Site, tmp_path: Path, *, deleted: bool, stood: float) -> None:
    """A worker stands still with a document in hand while another takes over, and goes on later."""
    site = replace(site, indexes=("users",), more=PATIENCE)
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 2 workers", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        capture, zombie, heir = pipeline.daemons
        capture.start()
        zombie.start(delay_at("before_bulk", 3000))
        scenario.wait_until_live(DEADLINE, only=[capture, zombie])
        scenario.assert_equal(DEADLINE, only=[capture, zombie])
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            row = connection.execute("SELECT max(id) FROM users WHERE NOT deleted").fetchone()
            assert row is not None
            user = row[0]
            connection.execute("UPDATE users SET full_name = 'older' WHERE id = %s", (user,))
            until_none(
                "the worker has it in hand",
                lambda: None if zombie.metric("flusso_changes_in_flight") > 0 else "nothing",
                DEADLINE,
            )
            time.sleep(1.0)
            zombie.pause()
            if deleted:
                connection.execute("DELETE FROM profiles WHERE user_id = %s", (user,))
                connection.execute("DELETE FROM addresses WHERE user_id = %s", (user,))
                connection.execute(
                    "DELETE FROM order_items USING orders o WHERE o.id = order_id AND o.user_id = %s",
                    (user,),
                )
                connection.execute("DELETE FROM orders WHERE user_id = %s", (user,))
                connection.execute("UPDATE reviews SET user_id = NULL WHERE user_id = %s", (user,))
                connection.execute("DELETE FROM users WHERE id = %s", (user,))
            else:
                connection.execute("UPDATE users SET full_name = 'newer' WHERE id = %s", (user,))
        heir.start()
        scenario.assert_equal(DEADLINE, only=[capture, heir])
        if stood:
            _forget_deletes(site)
            time.sleep(stood)
        zombie.resume()
        until_none(
            "it wrote what it had",
            lambda: None if zombie.metric("flusso_batches_total") > 0 else "no batch",
            DEADLINE,
        )
        scenario.assert_equal(DEADLINE)
        if not stood:
            conflicts = "flusso_version_conflicts_total"
            until_none(
                "its write was turned down",
                lambda: None if zombie.metric(conflicts) >= 1 else "no conflict",
                DEADLINE,
            )
        pipeline.stop()


def _forget_deletes(site: Site) -> None:
    httpx.put(
        f"{site.opensearch_url}/{site.index_prefix}users/_settings",
        json={"index.gc_deletes": "1s"},
        timeout=60,
    ).raise_for_status()


@pytest.mark.parametrize("queue", also(["flusso run"], ["kafka, 1 worker"]))
def test_an_unreachable_opensearch_is_waited_for(queue: str, site: Site, tmp_path: Path) -> None:
    """Case 11, I7: cut off, then read-only as with a full disk, then red; everybody lives, nothing is lost."""
    store.load_store(site.database_url)
    target = urlsplit(site.opensearch_url)
    with ExitStack() as stack:
        proxy = stack.enter_context(TcpProxy((target.hostname or "", target.port or 9200)))
        wired = replace(site, opensearch_url=f"http://{proxy.address}")
        scenario = Scenario.over(queue, wired, tmp_path)
        scenario.watch(site.database_url, site.opensearch_url)
        pipeline = stack.enter_context(cleaned_up(scenario.pipeline))
        pipeline.start()
        generations = scenario.wait_until_live(DEADLINE)
        with living_through(pipeline):
            with steady_edits(site.database_url, 11):
                proxy.cut()
                time.sleep(seconds(4.0, 300.0))
                health = f"{pipeline.daemons[-1].public_url()}/healthz"
                assert httpx.get(health, timeout=60).is_success
                proxy.resume()
                physical = ",".join(generations.values())
                _block(site, physical, True)
                time.sleep(3.0)
                pipeline.check()
                _block(site, physical, None)
                with without_shards(site.opensearch_url, generations.values()):
                    time.sleep(3.0)
                    pipeline.check()
            scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations
        pipeline.stop()


def test_rejected_items_are_retried_alone(site: Site, tmp_path: Path) -> None:
    """Case 12, I7: three of ten get a 429; their neighbours are not sent twice, and nothing is lost."""
    store.load_store(site.database_url)
    random = Random(12)
    with BulkProxy(site.opensearch_url, lambda: random.random() < 0.3) as proxy:
        wired = replace(site, opensearch_url=proxy.url)
        scenario = Scenario.over("kafka, 1 worker", wired, tmp_path)
        scenario.watch(site.database_url, site.opensearch_url)
        with cleaned_up(scenario.pipeline) as pipeline:
            pipeline.start()
            scenario.wait_until_live(DEADLINE)
            with living_through(pipeline):
                with steady_edits(site.database_url, 12):
                    time.sleep(seconds(5.0, 60.0))
                scenario.assert_equal(DEADLINE)
            assert proxy.refused > 100
            worker = pipeline.daemons[-1]
            assert worker.metric("flusso_documents_quarantined_total") == 0
            # And its pace comes back.
            proxy.refuse = lambda: False
            with store.Editor(site.database_url, seed=13) as editor:
                editor.edit_everything()
            scenario.assert_equal(DEADLINE)
            pipeline.stop()


def _block(site: Site, indexes: str, value: bool | None) -> None:
    httpx.put(
        f"{site.opensearch_url}/{indexes}/_settings",
        json={"index.blocks.read_only_allow_delete": value},
        timeout=60,
    ).raise_for_status()


@pytest.mark.parametrize("queue", also(["kafka, 1 worker"], ["flusso run"]))
def test_a_snapshot_goes_on_where_it_was(queue: str, site: Site, tmp_path: Path) -> None:
    """Case 47, I5: killed at random chunks, while the same rows change and go."""
    store.load_store(site.database_url)
    store.grow(site.database_url, 3000)
    scenario = Scenario.over(queue, site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        capture = pipeline.daemons[0]
        for worker in pipeline.daemons[1:]:
            worker.start()
        # A tag or a product is in hundreds of documents: more than this is more than small machines index.
        with steady_edits(site.database_url, 47, pause=0.05):
            for place in (
                exit_at("slot_created"),
                exit_at("snapshot_chunk"),
                exit_at("snapshot_chunk", 2),
                exit_at("before_snapshot_complete"),
                exit_at("before_snapshot_complete", 2),
            ):
                capture.start(place)
                capture.wait_exit(DEADLINE)
            capture.start()
            scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)
        pipeline.stop()
