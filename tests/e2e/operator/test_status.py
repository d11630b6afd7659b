"""`flusso status` and `flusso indexes` over real deployments: by their servers, and by one of their processes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from flusso_cli.overview.model import Overview
from support.processes import Site, cleaned_up, embedded_pipeline
from support.scenario import Scenario
from support.stores import dev
from support.views.overviews import StdoutSite, await_overview, behind
from support.views.terminal import on_terminal
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0


def status(site: Site, folder: Path, *options: str) -> Overview:
    """What `flusso status --json` prints."""
    done = site.run(folder, "status", "--json", *options, deadline=DEADLINE)
    assert done.returncode in (0, 1), done.stderr
    return Overview.from_json(json.loads(done.stdout))


def test_a_deployment_over_kafka(site: Site, tmp_path: Path) -> None:
    dev.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        capture, worker = pipeline.daemons
        await_overview(worker, "all is seeded", behind, DEADLINE)

        found = status(site, tmp_path)
        assert found.health.state == "ok"
        assert found.source.slot == site.slot
        assert [item.part for item in found.processes] == ["capture", "worker"]
        assert [(item.index, item.lag, item.rate) for item in found.indexes] == [
            ("orders", 0, 0.0),
            ("products", 0, 0.0),
            ("users", 0, 0.0),
        ]
        same = status(site, tmp_path, "--server", capture.private_address())
        assert [item.id for item in same.processes] == [item.id for item in found.processes]

        done = site.run(tmp_path, "status", deadline=DEADLINE)
        assert done.returncode == 0, done.stderr
        first, *_ = done.stdout.splitlines()
        assert first == "ok: 1 capture, 1 worker; no index is behind by more than 5 s"
        assert f"{site.slot}: read by capture" in done.stdout

        environment = site.environment() | {"FLUSSO_INDEX_PREFIX": site.index_prefix}
        with on_terminal(
            tmp_path, environment, "flusso", "status", "--interval", "0.5"
        ) as terminal:
            terminal.await_text("as of", 3, DEADLINE)
            assert terminal.interrupt() == 0
        assert max(map(len, terminal.text.splitlines())) <= 80
        assert "INFO" not in terminal.text

        worker.stop()
        done = site.run(tmp_path, "status", "--once", deadline=DEADLINE)
        assert done.returncode == 1, done.stdout
        assert done.stdout.startswith("failing: 1 capture; ")
        assert "no flusso-worker runs" in done.stdout
        capture.stop()
        found = status(site, tmp_path)
        assert {item.state for item in found.processes} == {"ended"}
        assert any("no flusso-capture runs" in reason for reason in found.health.reasons)


def test_a_deployment_of_flusso_run(site: Site, tmp_path: Path) -> None:
    """Its lag is known to the process alone, which a command finds by the registry."""
    dev.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    with scenario.running():
        found: list[Overview] = []

        def missing() -> str | None:
            found[:] = [status(site, tmp_path)]
            left = behind(found[0])
            return str(left) if left else None

        until_none("all is seeded", missing, DEADLINE)
        assert found[0].health.state == "ok"
        assert found[0].queue.kind == "memory"
        assert [item.part for item in found[0].processes] == ["run"]


def test_documents_on_stdout(site: Site, tmp_path: Path) -> None:
    """No server has the state: a process that runs is asked, at the address of the configuration or another."""
    dev.load_store(site.database_url)
    own = StdoutSite(**asdict(site))
    pipeline = embedded_pipeline(own, tmp_path)
    with cleaned_up(pipeline):
        pipeline.start()
        (daemon,) = pipeline.daemons
        await_overview(daemon, "all is seeded", behind, DEADLINE)
        address = daemon.private_address()
        with (tmp_path / "flusso.toml").open("a") as config:
            config.write(f'\n[server]\nprivate_address = "{address}"\n')
        found = status(own, tmp_path)
        assert [item.state for item in found.indexes] == ["seeded"] * 3
        done = own.run(tmp_path, "indexes", "--format", "json", deadline=DEADLINE)
        assert done.returncode == 0, done.stderr
        listed = json.loads(done.stdout)
        assert listed["indexes"] == dict.fromkeys(("orders", "products", "users"), "seeded")
        assert [item["lag"] for item in listed["generations"]] == [0, 0, 0]
        pipeline.stop()
        for command in ("status", "indexes"):
            done = own.run(tmp_path, command, deadline=DEADLINE)
            assert done.returncode == 1
            assert "only a running process" in done.stderr
            assert f"http://{address}" in done.stderr
            assert "--server" in done.stderr
