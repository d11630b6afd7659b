"""A look at a deployment whose servers are all away."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from flusso_cli.overview.connect import from_outside
from flusso_cli.overview.observer import Observer
from flusso_shared.config.project import load_project
from support.stores.dev import ROOT

_CONFIG = f"""\
[source]
type = "postgres"
connection_url = "postgresql://u@127.0.0.1:1/x"
[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:1"
[queue]
type = "kafka"
bootstrap_servers = "127.0.0.1:1"
[[index]]
name = "users"
schema = "{ROOT}/dev/schemas/users.schema.yml"
"""


def test_servers_that_are_away_are_reasons_and_no_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "PRIMARY_OPENSEARCH_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "flusso.toml"
    file.write_text(_CONFIG)
    with ExitStack() as stack:
        found = Observer(from_outside(load_project(file), "", None, stack)).look()
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
