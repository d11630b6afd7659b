"""What `/healthz` and `/status` say in an outage, in a stall, and after both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from services import Services
from support import names, web
from support.processes import SHORT_SESSIONS, Daemon
from support.proxies.faulty_proxy import Fault, FaultyProxy
from support.proxies.tcp_proxy import TcpProxy
from support.scenario import Scenario
from support.servers.own_kafka import Broker, own_kafka
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("test_health"),
]

DEADLINE = 90.0
STALL_SECONDS = 10
_RUN, _KAFKA = "flusso run", "kafka, 1 worker"


@dataclass(frozen=True)
class World:
    """A seeded pipeline, and the wires between it and its servers."""

    scenario: Scenario
    postgres: TcpProxy
    http: TcpProxy
    """Between the processes and `opensearch`."""
    opensearch: FaultyProxy
    broker: Broker | None

    @property
    def capture(self) -> Daemon:
        return self.scenario.pipeline.daemons[0]

    @property
    def worker(self) -> Daemon:
        """The process that writes documents."""
        return self.scenario.pipeline.daemons[-1]

    def edit(self) -> None:
        """A change of one document."""
        with psycopg.connect(self.scenario.site.database_url, autocommit=True) as connection:
            connection.execute("UPDATE orders SET status = status WHERE id = 1001")

    def block_writes(self, *, blocked: bool) -> None:
        with web.client(self.scenario.site.opensearch_url) as client:
            index = f"{self.scenario.site.index_prefix}orders_*"
            client.put(
                f"/{index}/_settings", json={"index.blocks.read_only": blocked or None}
            ).raise_for_status()


@contextmanager
def world(queue: str, services: Services, folder: Path) -> Iterator[World]:
    with names.site(services) as site, own_broker(queue) as broker:
        url = urlsplit(site.database_url)
        with (
            TcpProxy((str(url.hostname), url.port or 5432)) as postgres,
            FaultyProxy(site.opensearch_url) as opensearch,
            TcpProxy(("127.0.0.1", int(opensearch.url.rpartition(":")[2]))) as http,
        ):
            user = url.netloc.rpartition("@")[0]
            wired = replace(
                site,
                indexes=("orders",),
                more=SHORT_SESSIONS,
                database_url=url._replace(netloc=f"{user}@{postgres.address}").geturl(),
                kafka=f"127.0.0.1:{broker.port}" if broker else site.kafka,
                opensearch_url=f"http://{http.address}",
            )
            store.load_store(site.database_url)
            scenario = Scenario.over(queue, wired, folder)
            scenario.watch(site.database_url, site.opensearch_url)
            for daemon in scenario.pipeline.daemons:
                daemon.environment["FLUSSO_STALL_TIMEOUT"] = str(STALL_SECONDS)
            with scenario.running():
                scenario.wait_until_live(DEADLINE)
                yield World(scenario, postgres, http, opensearch, broker)
                scenario.assert_equal(DEADLINE)


@contextmanager
def own_broker(queue: str) -> Iterator[Broker | None]:
    if queue == _RUN:
        yield None
        return
    with own_kafka() as cluster:
        yield cluster.brokers[0]


@pytest.fixture(scope="module")
def embedded(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """`flusso run`."""
    with world(_RUN, services, tmp_path_factory.mktemp("run")) as made:
        yield made


@pytest.fixture(scope="module")
def separate(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Capture and a worker over Kafka."""
    with world(_KAFKA, services, tmp_path_factory.mktemp("kafka")) as made:
        yield made


def await_health(daemon: Daemon, code: int, pattern: str) -> dict[str, Any]:
    """Wait for the answer of `/healthz`; gives `/status` then."""

    def missing() -> str | None:
        daemon.check()
        answer = web.get(f"{daemon.public_url()}/healthz")
        found = answer.status_code == code and re.match(pattern, answer.text)
        return None if found else f"{answer.status_code} {answer.text}"

    until_none(f"{daemon.name} says {pattern}", missing, DEADLINE)
    return daemon.status()


def await_well(*daemons: Daemon) -> None:
    for daemon in daemons:
        await_health(daemon, 200, r"ok\n")


# --- a sink ---------------------------------------------------------------------------------------


def test_opensearch_that_stopped_shows_although_nothing_is_to_be_written(embedded: World) -> None:
    await_well(embedded.worker)
    assert embedded.worker.status()["servers"].keys() == {"postgres", "opensearch primary"}
    embedded.http.cut()
    found = await_health(embedded.worker, 200, r"degraded: OpenSearch at .* does not answer")
    assert found["sinks"]["primary"]["state"] == "degraded"
    assert found["health"]["state"] == "degraded"
    assert web.get(f"{embedded.worker.public_url()}/readyz").status_code == 200
    embedded.http.resume()
    await_well(embedded.worker)
    assert embedded.worker.status()["sinks"]["primary"]["state"] == "ok"


def test_opensearch_that_accepts_and_is_silent(embedded: World) -> None:
    await_well(embedded.worker)
    embedded.http.deafen()
    await_health(
        embedded.worker, 200, r"degraded: opensearch primary has not answered since [\d:]+ UTC"
    )
    embedded.http.hear()
    await_well(embedded.worker)


@pytest.mark.parametrize("queue", ["embedded", "separate"])
def test_opensearch_that_refuses_the_credentials(
    queue: str, request: pytest.FixtureRequest
) -> None:
    """The index stops at the next write, and no process ends."""
    world: World = request.getfixturevalue(queue)
    await_well(world.worker)
    world.opensearch.set("unauthorized")
    found = await_health(world.worker, 200, r"degraded: OpenSearch at .* was answered 401")
    assert "401" in found["sinks"]["primary"]["last_error"]
    world.edit()
    await_health(world.worker, 200, r"degraded: .*index orders has stopped: ")
    world.opensearch.set("none")
    await_well(*world.scenario.pipeline.daemons)
    world.scenario.assert_equal(DEADLINE)


@pytest.mark.parametrize(("fault", "reason"), [("busy", "429"), ("read-only", "read-only")])
def test_opensearch_that_takes_no_writes(embedded: World, fault: str, reason: str) -> None:
    await_well(embedded.worker)
    if fault == "busy":
        embedded.opensearch.set("busy")
    else:
        embedded.block_writes(blocked=True)
    embedded.edit()
    found = await_health(
        embedded.worker, 200, rf"degraded: sink primary: cannot write to .*{reason}"
    )
    assert reason in found["sinks"]["primary"]["last_error"]
    assert reason in found["lag"]["orders"]["last_error"]
    assert found["sinks"]["primary"]["retries"] > 0
    assert found["lag"]["orders"]["records"] == 1
    assert found["lag"]["orders"]["seconds"] > 0
    embedded.opensearch.set("none")
    embedded.block_writes(blocked=False)
    await_well(embedded.worker)
    embedded.scenario.assert_equal(DEADLINE)
    found = embedded.worker.status()
    assert found["sinks"]["primary"]["last_error"] is None
    assert found["lag"]["orders"]["last_error"] is None


@pytest.mark.parametrize("queue", ["embedded", "separate"])
def test_a_write_that_is_never_answered_is_a_stall(
    queue: str, request: pytest.FixtureRequest
) -> None:
    """No server is out: the cluster answers everything else, and the time of the request is not over."""
    world: World = request.getfixturevalue(queue)
    await_well(world.worker)
    fault: Fault = "silent bulk"
    world.opensearch.set(fault)
    world.edit()
    found = await_health(
        world.worker,
        503,
        r"failing: index orders: 1 change waits, and none was acknowledged for \d+ s",
    )
    assert found["health"]["state"] == "failing"
    assert found["sinks"]["primary"]["state"] == "ok"
    world.opensearch.set("none")
    await_well(world.worker)
    world.scenario.assert_equal(DEADLINE)


# --- Postgres and Kafka ---------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["embedded", "separate"])
def test_postgres_that_stopped(queue: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(queue)
    processes = world.scenario.pipeline.daemons
    await_well(*processes)
    world.postgres.cut()
    for process in processes:
        await_health(process, 200, r"degraded: .*connect to Postgres")
    world.postgres.resume()
    await_well(*processes)
    assert re.fullmatch(r"\d+(\.\d+)*\w*", processes[0].status()["servers"]["postgres"])


def test_kafka_that_stopped_shows_in_idle_processes_too(separate: World) -> None:
    broker = separate.broker
    assert broker is not None
    await_well(separate.capture, separate.worker)
    broker.kill()
    for process in (separate.capture, separate.worker):
        await_health(process, 200, r"degraded: .*(reach a broker|kafka has not answered)")
    broker.start()
    await_well(separate.capture, separate.worker)
    separate.scenario.assert_equal(DEADLINE)
