"""Memory with documents of some megabytes: at the first start and at one where many of them have changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest

from support.processes import Site, cleaned_up, peak_memory
from support.scenario import Scenario
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 100.0
MOST = 300 * 1024 * 1024
SCHEMA = """
table: doc
primary_key: id
fields:
  - integer: round
  - text: body
    options: { index: false }
"""


@pytest.mark.parametrize("queue", ["kafka, 1 worker", "flusso run"])
def test_memory_stays_small_at_every_start(site: Site, tmp_path: Path, queue: str) -> None:
    (tmp_path / "docs.schema.yml").write_text(SCHEMA)
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE doc (id int PRIMARY KEY, round int, body text)")
        connection.execute(
            "INSERT INTO doc SELECT n, 1, repeat('x', 4000000) FROM generate_series(1, 150) n"
        )
    scenario = Scenario.over(
        queue, replace(site, schemas=tmp_path, indexes=("docs",), fresh=True), tmp_path
    )

    def written(number: int, count: int) -> str | None:
        scenario.pipeline.check()
        alias = f"{site.index_prefix}docs"
        with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
            if client.get(f"/_alias/{alias}").status_code != httpx.codes.OK:
                return "no alias yet"
            client.post(f"/{alias}/_refresh").raise_for_status()
            found = client.get(f"/{alias}/_count", params={"q": f"round:{number}"}).json()["count"]
        return None if found == count else f"{found} documents of round {number}"

    def run(number: int, count: int) -> None:
        scenario.pipeline.start()
        until_none(f"round {number} is written", lambda: written(number, count), DEADLINE)
        peaks = {daemon.name: peak_memory(daemon.pid) for daemon in scenario.pipeline.daemons}
        scenario.pipeline.stop()
        assert max(peaks.values()) < MOST, f"round {number}: {peaks}"

    with cleaned_up(scenario.pipeline):
        run(1, 150)
        with psycopg.connect(site.database_url, autocommit=True) as connection:
            connection.execute("UPDATE doc SET round = 2 WHERE id <= 40")
        run(2, 40)
