"""The whole pipeline as docs/security.md sets it up: TLS everywhere, SCRAM, an API key, client certificates, least privilege.

Secrets are replaced while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flusso_cli.overview.model import Overview
from services import Services
from support.edits import steady_edits
from support.processes import Daemon, Site, living_through
from support.scenario import Scenario
from support.servers import secured
from support.servers.secured import Servers
from support.stores import dev as store
from support.views.overviews import await_overview
from support.waiting import until

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("secured pipeline"),
]

DEADLINE = 90.0


@pytest.fixture
def servers(services: Services, index_prefix: str, tmp_path: Path) -> Iterator[Servers]:
    with secured.secured(services, index_prefix, tmp_path / "servers") as found:
        yield found


def test_roles_that_may_no_more_than_they_need_are_enough(
    servers: Servers, site: Site, tmp_path: Path
) -> None:
    """Without the right to keep the publication; then secrets are replaced, on the server first and in the file first."""
    secured.grant(servers, "An administrator keeps the publication")
    scenario = servers.scenario("kafka, 1 worker", site, tmp_path)
    with scenario.running() as pipeline:
        generations = scenario.wait_until_live(DEADLINE)
        store.run_changes(scenario.site.database_url)
        scenario.assert_equal(DEADLINE)
        for daemon in pipeline.daemons:
            await_overview(daemon, "it sees all servers", errors, DEADLINE)
        with living_through(pipeline):
            with steady_edits(scenario.site.database_url, 3):
                replace_all(servers, scenario)
            scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations
    assert not servers.role.missing
    said = "".join(daemon.log.read_text() for daemon in scenario.pipeline.daemons)
    assert not re.search(r"-(kafka|database)-\d|\bkey-\d", said), "a secret is in a log"


def errors(found: Overview) -> list[str]:
    """Why a process sees less of the deployment than all of it."""
    told = [found.source.error, found.queue.error, *(sink.error for sink in found.sinks)]
    unknown = [f"the lag of {index.index}" for index in found.indexes if index.lag is None]
    return [error for error in told if error] + unknown


def replace_all(servers: Servers, scenario: Scenario) -> None:
    """Replace each secret; wait until a process was refused in between."""
    for daemon, part in zip(scenario.pipeline.daemons, ("capture", "worker"), strict=True):
        replace_kafka_password(servers, daemon, part)
        replace_database_password(servers, daemon, part, server_first=part == "capture")
    replace_key(servers, "key-2", server_first=True)
    replace_key(servers, "key-3", server_first=False)


def replace_kafka_password(servers: Servers, daemon: Daemon, part: str) -> None:
    """On the server first: Kafka asks each connection for its password again every two seconds."""
    password = f"{part}-kafka-2"
    servers.kafka.set_password(f"flusso-{part}", password)
    until("refused by Kafka", lambda: "_AUTHENTICATION" in daemon.text(), DEADLINE)
    servers.write(f"{part}-kafka", password)


def replace_database_password(
    servers: Servers, daemon: Daemon, part: str, *, server_first: bool
) -> None:
    password = f"{part}-database-2"
    if server_first:
        servers.set_password(f"flusso_{part}", password)
    else:
        servers.write(f"{part}-database", password)
    servers.end_sessions(f"flusso_{part}")
    daemon.await_log("password authentication failed", DEADLINE)
    if server_first:
        servers.write(f"{part}-database", password)
    else:
        servers.set_password(f"flusso_{part}", password)


def replace_key(servers: Servers, key: str, *, server_first: bool) -> None:
    refused = servers.gateway.refused
    if server_first:
        servers.keys.clear()
        servers.keys.add(key)
    else:
        servers.write("opensearch", key)
    until("refused by OpenSearch", lambda: servers.gateway.refused > refused, DEADLINE)
    if server_first:
        servers.write("opensearch", key)
    else:
        servers.keys.clear()
        servers.keys.add(key)
    passed = servers.gateway.passed
    until("let in again", lambda: servers.gateway.passed > passed, DEADLINE)


def test_one_process_that_keeps_the_publication(
    servers: Servers, site: Site, tmp_path: Path
) -> None:
    """As `flusso run`, with the rights that capture needs for it."""
    secured.grant(servers, "Capture keeps the publication")
    scenario = servers.scenario("flusso run", site, tmp_path, managed=True)
    (process,) = scenario.pipeline.daemons
    with scenario.running() as pipeline:
        scenario.wait_until_live(DEADLINE)
        store.run_changes(scenario.site.database_url)
        with living_through(pipeline), steady_edits(scenario.site.database_url, 4):
            servers.set_password("flusso_capture", "another")
            servers.end_sessions("flusso_capture")
            process.await_log("password authentication failed", DEADLINE)
            servers.write("capture-database", "another")
        scenario.assert_equal(DEADLINE)
    assert not servers.role.missing
