"""`flusso verify` finds what is wrong with an index and nothing else, and mends it, while everything runs (issue 5)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import pytest

from support.edits import background
from support.processes import Site
from support.scenario import Scenario
from support.soak import also
from support.stores import dev as store

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 120.0
USERS = 1500
TAMPERED = 1000


def run_verify(site: Site, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the report of the first index."""
    done = site.run(folder, "verify", "--format", "json", *arguments, deadline=DEADLINE)
    assert done.stdout, done.stderr
    return done.returncode, dict(json.loads(done.stdout)["indexes"][0])


HOT = "id % 4 = 0"
"""The users that the load edits all the time."""


@contextmanager
def load(url: str) -> Iterator[None]:
    """Edit hot users and their orders, about 100 transactions a second, until the block ends."""

    def work(stop: threading.Event) -> None:
        random = Random(1)
        with psycopg.connect(url, autocommit=True) as connection:
            rows = connection.execute(f"SELECT id FROM users WHERE {HOT}".encode()).fetchall()
            while not stop.wait(0.005):
                user = random.choice(rows)[0]
                connection.execute(
                    "UPDATE users SET email = %s WHERE id = %s", (f"{random.random()}", user)
                )
                connection.execute(
                    "UPDATE orders SET total = total + 1 WHERE user_id = %s", (user,)
                )

    with background("load", work):
        yield


def count(site: Site) -> int:
    with psycopg.connect(site.database_url) as connection:
        return int(connection.execute("SELECT count(*) FROM users").fetchall()[0][0])


def tamper(site: Site, random: Random) -> int:
    """Delete, change and add documents by hand, `TAMPERED` in all; how many of each no edit will mend."""
    with psycopg.connect(site.database_url) as connection:
        cold, hot = (
            [row[0] for row in connection.execute(condition.encode()).fetchall()]
            for condition in (
                f"SELECT id FROM users WHERE NOT deleted AND NOT {HOT} ORDER BY id",
                f"SELECT id FROM users WHERE NOT deleted AND {HOT} ORDER BY id",
            )
        )
    ids = random.sample(cold, 600) + random.sample(hot, 100)
    deleted, changed = ids[::2], ids[1::2]
    lines: list[dict[str, Any]] = [{"delete": {"_id": str(number)}} for number in deleted]
    for number in changed:
        # The pipeline writes, too.
        where = {"_id": str(number), "retry_on_conflict": 100}
        lines += [{"update": where}, {"doc": {"email": "by hand", "orders": []}}]
    for number in range(TAMPERED - len(ids)):
        # Some could be keys of rows that are not there, and some could be none.
        name = str(10**8 + number) if number % 2 else f"by hand {number}"
        lines += [{"index": {"_id": name}}, {"email": "by hand"}]
    body = "\n".join(json.dumps(line) for line in lines) + "\n"
    answer = httpx.post(
        f"{site.opensearch_url}/{site.index_prefix}users/_bulk",
        content=body,
        headers={"content-type": "application/x-ndjson"},
        timeout=60,
    )
    assert not answer.json()["errors"], answer.text[:2000]
    return 300


@pytest.mark.parametrize("queue", also(["kafka, 2 workers"], ["flusso run"]))
def test_a_thousand_documents_changed_by_hand_are_repaired_under_load(
    queue: str, site: Site, tmp_path: Path
) -> None:
    """Must show 4.  With edits all the time: only what was wronged is found, and a second run finds nothing."""
    site = replace(site, indexes=("users",))
    store.load_store(site.database_url)
    store.grow(site.database_url, USERS)
    scenario = Scenario.over(queue, site, tmp_path)
    with scenario.running():
        scenario.wait_until_live(DEADLINE)
        with load(site.database_url):
            code, clean = run_verify(site, tmp_path, "users")
            assert (code, clean["remaining"], clean["differences"]) == (0, 0, [])
            assert clean["rows"] == count(site)
            each = tamper(site, Random(7))
            code, found = run_verify(site, tmp_path, "users")
            assert code == 1
            assert found["remaining"] >= 3 * each
            code, found = run_verify(site, tmp_path, "users", "--repair", "--limit", "2000")
            assert code == 0, {key: found[key] for key in found if key != "differences"}
            # The rest the pipeline has mended itself, by an edit of their rows.
            assert each <= found["missing"] <= each + 50
            assert each <= found["different"] <= each + 50
            assert found["extra"] == each
            assert found["repaired"] == len(found["differences"])
            changed = [item for item in found["differences"] if item["kind"] == "different"]
            assert all("email" in item["paths"] for item in changed)
            code, again = run_verify(site, tmp_path, "users")
            assert (code, again["differences"], again["remaining"]) == (0, [], 0)
            assert not again["pipeline_behind"]
        scenario.assert_equal(DEADLINE)
