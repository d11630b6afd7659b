"""docker-compose.yml with the image: documents follow while workers come and go, and what is mounted exists."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from stacklib import engine
from support import web
from support.exposition import samples
from support.processes import Pipeline
from support.scenario import Scenario
from support.servers import compose
from support.servers.compose import Compose
from support.servers.docker_engine import Images
from support.stores import dev as store
from support.stores.dev import ROOT
from support.waiting import until_none

_DEADLINE = 120.0
_OURS = ("capture", "worker", "demo")


# --- the file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Every service of docker-compose.yml, those of its profiles too."""
    found: dict[str, Any] = compose.project("flusso", "flusso-demo").config()["services"]
    return found


def test_each_profile_has_its_services(services: dict[str, Any]) -> None:
    found = {name: item.get("profiles", []) for name, item in services.items()}
    assert found == {
        "postgres": [],
        "kafka": [],
        "opensearch": [],
        "capture": [],
        "worker": [],
        "demo": ["demo"],
        "load": ["demo"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "dashboards": ["dashboards"],
    }


def test_every_mounted_path_exists(services: dict[str, Any]) -> None:
    mounted = [
        Path(volume["source"])
        for item in services.values()
        for volume in item.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert ROOT / "deploy" / "monitoring" / "grafana" / "dashboards" in mounted
    assert [path for path in mounted if not path.exists()] == []


def test_prometheus_scrapes_services_of_the_file(services: dict[str, Any]) -> None:
    text = (ROOT / "deploy" / "monitoring" / "prometheus" / "prometheus.yml").read_text()
    for job in yaml.safe_load(text)["scrape_configs"]:
        [discovery] = job["dns_sd_configs"]
        assert set(discovery["names"]) <= services.keys()


def test_the_private_surface_is_not_published(services: dict[str, Any]) -> None:
    for name in _OURS:
        item = services[name]
        assert [port["target"] for port in item["ports"]] == [9464]
        assert "FLUSSO_PRIVATE_ADDRESS" not in item["environment"]
        assert not [word for word in item["command"] if "private" in word]


def test_every_port_is_for_this_machine_only(services: dict[str, Any]) -> None:
    hosts = {port["host_ip"] for item in services.values() for port in item.get("ports", [])}
    assert hosts == {"127.0.0.1"}


def test_our_processes_are_confined(services: dict[str, Any]) -> None:
    for name in _OURS:
        item = services[name]
        assert item["read_only"] is True
        assert item["cap_drop"] == ["ALL"]
        assert item["security_opt"] == ["no-new-privileges:true"]


def test_the_images_that_tests_need_are_named_once(services: dict[str, Any]) -> None:
    servers = {item["image"] for item in services.values() if not item.get("profiles")} - {"flusso"}
    text = (ROOT / "Dockerfile").read_text()
    default = text.partition("ARG PYTHON=")[2].split()[0]
    bases = {
        line.split()[1].replace("${PYTHON}", default)
        for line in text.splitlines()
        if line.startswith("FROM python")
    }
    assert set(engine.IMAGES) == servers | bases


# --- the containers -------------------------------------------------------------------------------


@contextmanager
def load(database_url: str) -> Iterator[None]:
    """Everyday changes to the store, one transaction after the other, until the end of the block."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute((ROOT / "dev" / "load.sql").read_bytes())
    stop = threading.Event()

    def work() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(
                    "CALL simulate_production(duration_secs => 60, sleep_ms => 20, most_ops => 20)"
                )

    thread = threading.Thread(target=work, name="load")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def await_no_load(database_url: str) -> None:
    """Wait until the server has noticed that the program that loaded the store is gone."""

    def running() -> str | None:
        with psycopg.connect(database_url) as connection:
            found = connection.execute(
                "SELECT query FROM pg_stat_activity WHERE query LIKE 'CALL simulate_production%'"
            ).fetchone()
        return None if found is None else str(found[0])

    until_none("the load has ended", running, _DEADLINE)


def committed(stack: Compose, workers: int) -> list[float]:
    """Changes that each worker has committed."""
    found = []
    for number in range(1, workers + 1):
        address = stack("port", "--index", str(number), "worker", "9464").strip()
        values = samples(web.get(f"http://{address}/metrics").text)
        counts = [
            value
            for key, value in values.items()
            if key.partition("{")[0] == "flusso_changes_committed_total"
        ]
        found.append(sum(counts))
    return found


@pytest.mark.timeout(400)
def test_every_document_is_right_while_workers_come_and_go(stack: Compose) -> None:
    scenario = Scenario(stack.site(), Pipeline([]), embedded=False)
    scenario.wait_until_live(_DEADLINE)
    with load(scenario.site.database_url):
        stack.up(workers=3)
        assert len(stack.containers("worker")) == 3

        def idle() -> str | None:
            counts = committed(stack, workers=3)
            return None if all(counts) else f"{counts}"

        until_none("three workers commit changes", idle, _DEADLINE)
        stack.up(workers=1)
        assert len(stack.containers("worker")) == 1
    store.run_changes(scenario.site.database_url)
    scenario.assert_equal(_DEADLINE)


@pytest.mark.timeout(200)
def test_the_demo_keeps_its_own_indexes_under_load(stack: Compose, images: Images) -> None:
    stack.up("demo", "load")
    scenario = Scenario(
        stack.site(slot="flusso_demo", index_prefix="demo_"), Pipeline([]), embedded=True
    )
    scenario.wait_until_live(_DEADLINE)
    stack("stop", "load")
    await_no_load(scenario.site.database_url)
    scenario.assert_equal(_DEADLINE)
    stack("rm", "--stop", "--force", "demo", "load")
