"""What the processes log while eleven indexes are seeded and follow changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flusso_shared import release
from flusso_shared.process.log_actions import ACTIONS
from support.processes import Daemon, Pipeline, Site, cleaned_up, embedded_pipeline, kafka_pipeline
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

DEADLINE = 120.0
NAMES = [f"orders_{number}" for number in range(11)]
PARTS = {"kafka, 1 worker": ["flusso-capture", "flusso-worker"], "flusso run": ["flusso run"]}
"""The program of each process, by queue."""


def pipeline_of(queue: str, site: Site, folder: Path) -> Pipeline:
    schema = (site.schemas / "orders.schema.yml").read_text()
    eleven = site.with_schemas(folder, dict.fromkeys(NAMES, schema))
    if queue == "flusso run":
        return embedded_pipeline(eleven, folder)
    return kafka_pipeline(replace(eleven, partitions=1), folder, workers=1)


def lines(daemon: Daemon) -> list[dict[str, Any]]:
    """The log, which is JSON."""
    return [json.loads(line) for line in daemon.text().splitlines()]


@pytest.mark.parametrize("queue", PARTS)
def test_eleven_indexes_are_followed_without_a_line_of_another_library(
    queue: str, site: Site, tmp_path: Path
) -> None:
    store.load_store(site.database_url)
    with cleaned_up(pipeline_of(queue, site, tmp_path)) as pipeline:
        for daemon in pipeline.daemons:
            daemon.environment |= {
                "FLUSSO_LOG": "info,urllib3=warning,opensearch=warning,uvicorn=warning",
                "FLUSSO_LOG_FORMAT": "json",
            }
        pipeline.start()
        worker = pipeline.daemons[-1]

        def unseeded() -> str | None:
            pipeline.check()
            states: dict[str, str] = worker.status()["indexes"]
            left = [name for name in NAMES if states.get(name) != "seeded"]
            return f"{left}" if left else None

        until_none("all are seeded", unseeded, DEADLINE)
        before = worker.metric("flusso_changes_committed_total")
        store.simulate_production(site.database_url, 50)

        def unchanged() -> str | None:
            now = worker.metric("flusso_changes_committed_total")
            return None if now > before else f"{now} changes"

        until_none("changes are applied", unchanged, DEADLINE)
        pipeline.stop()
        for program, daemon in zip(PARTS[queue], pipeline.daemons, strict=True):
            found = lines(daemon)
            assert {line["target"].partition(".")[0] for line in found} <= {
                "flusso_capture",
                "flusso_cli",
                "flusso_shared",
                "flusso_worker",
            }
            for line in found:
                action = line["fields"].get("action")
                assert action in ACTIONS or line["level"] in ("INFO", "DEBUG"), line
            [start] = [line for line in found if line["fields"].get("action") == "start"]
            assert_says_what_runs(start["fields"], program, site, daemon)


def assert_says_what_runs(fields: dict[str, Any], program: str, site: Site, daemon: Daemon) -> None:
    """One line: version, configuration, slot, indexes, and the servers with their versions."""
    said = fields["message"]
    assert said.startswith(f"{program} {release.version()} (revision ")
    assert str(daemon.log.parent / "flusso.toml") in said
    assert fields["config"] == str(daemon.log.parent / "flusso.toml")
    servers: dict[str, str | None] = daemon_servers(said)
    if program == "flusso-capture":
        assert set(servers) == {"postgres", "kafka"}
    else:
        assert all(name in said for name in NAMES)
        assert "keeps indexes" in said
        assert servers["opensearch primary"]
    assert servers["postgres"]
    if program != "flusso-worker":
        assert f"slot {site.slot}, publication {site.slot}" in said


def daemon_servers(said: str) -> dict[str, str | None]:
    """The servers that the line names, with the versions that are known."""
    found: dict[str, str | None] = {}
    for item in said.partition("; servers: ")[2].split(", "):
        name, _, version = item.removesuffix(" (version unknown)").rpartition(" ")
        found[name or version] = version if name else None
    return found
