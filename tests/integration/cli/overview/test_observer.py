"""A look at a deployment whose servers are all away."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from flusso_cli.overview.connect import from_outside
from flusso_cli.overview.model import Index
from flusso_cli.overview.observer import Observer
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.config.project import Project, load_project
from flusso_shared.names import GenerationName
from services import Services
from support.kits.change_logs import change, connection, patiently, publish
from support.stores.dev import ROOT
from support.waiting import until

CONFIG = f"""\
[source]
type = "postgres"
connection_url = "postgresql://u@127.0.0.1:1/x"
[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:1"
[queue]
type = "kafka"
bootstrap_servers = "KAFKA"
topic_prefix = "PREFIX"
[[index]]
name = "users"
schema = "{ROOT}/dev/schemas/users.schema.yml"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "PRIMARY_OPENSEARCH_URL"):
        monkeypatch.delenv(name, raising=False)


def configured(folder: Path, kafka: str, prefix: str) -> Project:
    """A configuration with Kafka alone reachable, if anything."""
    file = folder / "flusso.toml"
    file.write_text(CONFIG.replace("KAFKA", kafka).replace("PREFIX", prefix))
    return load_project(file)


def test_servers_that_are_away_are_reasons_and_no_errors(
    tmp_path: Path,
) -> None:
    project = configured(tmp_path, "127.0.0.1:1", "flusso")
    with ExitStack() as stack:
        found = Observer(from_outside(project, "", None, stack)).look()
    assert found.health.state == "degraded"
    assert found.source.error is not None
    assert "Connection refused" in found.source.error
    assert found.queue.error is not None
    assert "Kafka" in found.queue.error
    (sink,) = found.sinks
    assert sink.error is not None
    assert "does not answer" in sink.error
    (index,) = found.indexes
    assert (index.index, index.state, index.lag, index.quarantine) == (
        "users",
        "unknown",
        None,
        None,
    )
    assert found.processes == []


@pytest.mark.services
def test_the_lag_is_known_without_the_records(
    services: Services, topic_prefix: str, tmp_path: Path
) -> None:
    """While OpenSearch is away: by the names of the groups in Kafka."""
    project = configured(tmp_path, services.kafka, topic_prefix)
    (index,) = project.plan.indexes
    with closing(KafkaLog(connection(services.kafka, topic_prefix, 1))) as log:
        log.prepare(index.tables)
        group = GenerationName("users", index.hash, 3).group(topic_prefix)
        starts = patiently(lambda: log.groups.starts(index.tables, (), 60))
        patiently(lambda: log.groups.reset(group, starts))
        writer = log.writer()
        acknowledged = publish(writer, [change(key, table=index.root) for key in range(5)])
        until("all are published", lambda: len(acknowledged) == 5, step=lambda: writer.poll(0.1))
        writer.close(0)
    with ExitStack() as stack:
        observer = Observer(from_outside(project, "", None, stack))
        found: list[Index] = []

        def known() -> bool:
            found[:] = observer.look().indexes
            return found[0].lag is not None

        until("the lag is known", known, step=lambda: time.sleep(0.5))
    assert (found[0].state, found[0].lag, found[0].generations) == ("unknown", 5, [])
