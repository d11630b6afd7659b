"""`GET /overview` of the real commands: what runs, while processes stand still and servers are away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flusso_cli.overview.model import Overview
from support.processes import Pipeline, Site, cleaned_up, embedded_pipeline
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.stores import dev
from support.views.overviews import StdoutSite, await_overview

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0


def not_ok(found: Overview) -> object:
    """None once all is well, and every index is seeded and has no lag."""
    behind = [item for item in found.indexes if (item.state, item.lag) != ("seeded", 0)]
    return behind or (None if found.health.state == "ok" else found.health)


def no_reason(text: str, found: Overview) -> object:
    """None once some reason of the health contains `text`."""
    return None if any(text in reason for reason in found.health.reasons) else found.health


@contextmanager
def behind_proxies(site: Site) -> Iterator[tuple[Site, TcpProxy, TcpProxy]]:
    """The site by way of proxies before Postgres and OpenSearch."""
    database, search = urlsplit(site.database_url), urlsplit(site.opensearch_url)
    with ExitStack() as stack:
        to_postgres = stack.enter_context(
            TcpProxy((database.hostname or "", database.port or 5432))
        )
        to_opensearch = stack.enter_context(TcpProxy((search.hostname or "", search.port or 9200)))
        user = f"{database.netloc.rpartition('@')[0]}@" if "@" in database.netloc else ""
        seen = replace(
            site,
            database_url=database._replace(netloc=f"{user}{to_postgres.address}").geturl(),
            opensearch_url=f"http://{to_opensearch.address}",
        )
        yield seen, to_postgres, to_opensearch


def test_a_deployment_over_kafka(site: Site, tmp_path: Path) -> None:
    """Capture and three workers: all of them give the same picture, whatever stands still or is away."""
    dev.load_store(site.database_url)
    with behind_proxies(site) as (seen, postgres, opensearch):
        scenario = Scenario.over("kafka, 3 workers", seen, tmp_path)
        scenario.watch(site.database_url, site.opensearch_url)
        with cleaned_up(scenario.pipeline) as pipeline:
            pipeline.start()
            scenario.wait_until_live(DEADLINE)
            capture, worker, *_, frozen = pipeline.daemons
            for daemon in pipeline.daemons:
                found = await_overview(daemon, "all is well", not_ok, DEADLINE)
                assert_complete(found, seen, pipeline)

            frozen.pause()
            found = await_overview(
                worker, "it is silent", lambda found: no_reason("is silent", found), DEADLINE
            )
            (silent,) = [item for item in found.processes if item.state == "silent"]
            assert (silent.pid, silent.answers) == (frozen.pid, False)
            assert found.health.state == "degraded"
            frozen.resume()
            await_overview(worker, "it lives again", not_ok, DEADLINE)

            for away in (opensearch.cut, opensearch.deafen):
                away()
                found = await_overview(
                    worker,
                    "OpenSearch is away",
                    lambda found: no_reason("sink primary: ", found),
                    DEADLINE,
                )
                assert {item.state for item in found.processes} == {"alive"}
                # What was on record stays, and Kafka answers.
                assert [(item.state, item.lag) for item in found.indexes] == [("seeded", 0)] * 3
                opensearch.hear()
                opensearch.resume()
                await_overview(worker, "OpenSearch is back", not_ok, DEADLINE)

            for away in (postgres.cut, postgres.deafen):
                away()
                found = await_overview(
                    capture,
                    "Postgres is away",
                    lambda found: None if found.source.error else found.source,
                    DEADLINE,
                )
                assert (found.source.active, found.source.lag_bytes) == (None, None)
                assert found.health.state != "ok"
                postgres.hear()
                postgres.resume()
                await_overview(capture, "Postgres is back", not_ok, DEADLINE)

            worker.stop()
            found = await_overview(
                capture,
                "it has ended",
                lambda found: not any(item.state == "ended" for item in found.processes),
                DEADLINE,
            )
            assert found.health.state == "ok"


def assert_complete(found: Overview, site: Site, pipeline: Pipeline) -> None:
    assert (found.source.slot, found.source.publication) == (site.slot, site.slot)
    assert found.source.active is True
    assert found.source.lag_bytes is not None
    assert found.queue.kind == "kafka"
    topics = {item.table: item for item in found.queue.topics}
    assert topics["public.orders"].topic == f"{site.topic_prefix}.public.orders"
    assert topics["public.orders"].partitions == site.partitions
    assert (topics["public.orders"].records or 0) > 0
    (sink,) = found.sinks
    assert (sink.name, sink.kind, sink.address) == ("primary", "opensearch", site.opensearch_url)
    assert sink.version is not None
    assert [item.part for item in found.processes] == ["capture", "worker", "worker", "worker"]
    assert {item.pid for item in found.processes} == {daemon.pid for daemon in pipeline.daemons}
    assert all(item.answers and item.phase == "live" for item in found.processes)
    assert [item.index for item in found.indexes] == ["orders", "products", "users"]
    for index in found.indexes:
        assert (index.state, index.lag, index.quarantine) == ("seeded", 0, 0), asdict(index)
        (generation,) = index.generations
        assert generation["state"] == "live"


def test_flusso_run(site: Site, tmp_path: Path) -> None:
    dev.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        found = await_overview(pipeline.daemons[0], "all is well", not_ok, DEADLINE)
        assert found.queue.kind == "memory"
        assert {topic.table for topic in found.queue.topics} >= {"public.orders", "public.users"}
        assert [item.part for item in found.processes] == ["run"]
        assert len(found.indexes) == 3


def test_documents_on_stdout(site: Site, tmp_path: Path) -> None:
    """There is no registry and no bookkeeping beyond the process, which knows all of itself."""
    dev.load_store(site.database_url)
    pipeline = embedded_pipeline(StdoutSite(**asdict(site)), tmp_path)
    with cleaned_up(pipeline):
        pipeline.start()
        found = await_overview(pipeline.daemons[0], "all is well", not_ok, DEADLINE)
        assert [(item.kind, item.error) for item in found.sinks] == [("stdout", None)]
        assert [(item.part, item.state) for item in found.processes] == [("run", "alive")]
        pipeline.stop()
