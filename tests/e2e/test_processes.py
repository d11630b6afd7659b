"""The registry over the real commands: each process is in it while it runs, and afterwards its end is."""

from __future__ import annotations

from pathlib import Path

import pytest

from flusso_cli.registry.store import Registry
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster
from support import web
from support.kits.index_kit import connection
from support.processes import Site, cleaned_up, embedded_pipeline, kafka_pipeline
from support.stores import dev
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

DEADLINE = 60.0


@pytest.mark.parametrize("queue", ["kafka", "flusso run"])
def test_each_process_is_in_the_registry_until_it_ends(
    site: Site, tmp_path: Path, queue: str
) -> None:
    dev.create_tables(site.database_url)
    pipeline = (
        kafka_pipeline(site, tmp_path, workers=2)
        if queue == "kafka"
        else embedded_pipeline(site, tmp_path)
    )
    parts = ["capture", "worker", "worker"] if queue == "kafka" else ["run"]
    cluster = Cluster(connection(site.opensearch_url))
    GenerationStore(cluster, site.index_prefix).ensure()
    registry = Registry(cluster, site.index_prefix)
    with cleaned_up(pipeline):
        pipeline.start()
        until("all are known", lambda: len(registry.entries()) == len(parts), DEADLINE)
        found = registry.entries()
        assert [entry.part for entry in found] == parts
        assert {entry.pid for entry in found} == {daemon.pid for daemon in pipeline.daemons}
        for entry in found:
            assert web.get(f"{entry.public}/status").json()["id"] == entry.id
            assert entry.slot == (None if entry.part == "worker" else site.slot)
        pipeline.stop()
        until("their ends are known", lambda: all(e.ended for e in registry.entries()), DEADLINE)
    registry.close()
