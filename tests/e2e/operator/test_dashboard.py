"""Every query of the dashboard, and every recording rule, has data when a real Prometheus scrapes a real pipeline."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import yaml

from support.deploy.dashboard import MONITORING, expressions
from support.processes import Site
from support.scenario import Scenario
from support.servers.own_prometheus import Prometheus, scraping
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

_DEADLINE = 120.0
_JOBS = {
    "kafka, 1 worker": ("flusso-capture", "flusso-worker"),
    "flusso run": ("flusso",),
}
"""The jobs of the processes, by queue."""


def recorded() -> list[str]:
    file = MONITORING / "prometheus" / "flusso.rules.yml"
    groups = yaml.safe_load(file.read_text())["groups"]
    return [rule["record"] for group in groups for rule in group["rules"] if "record" in rule]


def without_data(prometheus: Prometheus, queries: dict[str, str]) -> list[str]:
    """The queries that give no series, or one that is not a number."""
    found = []
    for name, text in queries.items():
        values = prometheus.query(text).values()
        if not values or any(math.isnan(value) for value in values):
            found.append(f"{name}: {text}")
    return found


@pytest.mark.parametrize("queue", _JOBS)
def test_every_query_returns_data_and_no_alert_fires(
    queue: str, site: Site, tmp_path: Path
) -> None:
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, replace(site, indexes=("orders",)), tmp_path)
    queries = expressions(rate_interval="20s") | {name: name for name in recorded()}
    with scenario.running() as pipeline:
        jobs = {
            job: daemon.public_url().removeprefix("http://")
            for job, daemon in zip(_JOBS[queue], pipeline.daemons, strict=True)
        }
        with (
            scraping(jobs) as prometheus,
            psycopg.connect(site.database_url, autocommit=True) as connection,
        ):
            scenario.wait_until_live(_DEADLINE)

            def missing() -> str | None:
                # Rates and percentiles need changes between two scrapes.
                connection.execute(
                    "UPDATE orders SET status = CASE status WHEN 'paid' THEN 'shipped' ELSE 'paid' END"
                    " WHERE id = (SELECT min(id) FROM orders)"
                )
                left = without_data(prometheus, queries)
                return "\n".join(left) if left else None

            until_none("every query has data", missing, _DEADLINE)
            assert prometheus.query('sum(up{job=~"flusso.*"})') == {"{}": len(jobs)}
            assert prometheus.query('ALERTS{alertstate="firing"}') == {}
