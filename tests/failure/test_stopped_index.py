"""An index that stops at a document leaves the others alone, also where all share one queue in memory (I7, I8)."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from support.documents import run
from support.processes import Site, cleaned_up
from support.scenario import Scenario
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

DEADLINE = 90.0
CAPACITY = 150


def document(site: Site, index: str, number: int) -> dict[str, object] | None:
    answer = httpx.get(
        f"{site.opensearch_url}/{site.index_prefix}{index}/_doc/{number}", timeout=60
    )
    return dict(answer.json()["_source"]) if answer.status_code == httpx.codes.OK else None


def await_status(site: Site, index: str, number: int, status: str) -> None:
    """Wait until an order's document says so."""

    def missing() -> str | None:
        found = document(site, index, number)
        return None if found is not None and found["status"] == status else str(found)

    until_none(f"{index}/{number} is {status}", missing, DEADLINE)


def test_an_index_that_stops_does_not_hold_up_the_queue_of_the_others(
    site: Site, tmp_path: Path
) -> None:
    """`flusso run`: with the queue full, the changes held for the stopped index are discarded.  That it has to be seeded
    again is recorded before the slot advances, and outlives a kill.  (Shown to fail without the record.)"""
    store.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    (process,) = scenario.pipeline.daemons
    process.environment["FLUSSO_QUEUE_CAPACITY"] = str(CAPACITY)
    with cleaned_up(scenario.pipeline):
        process.start()
        generations = scenario.wait_until_live(DEADLINE)
        run(site.database_url, "UPDATE users SET email = repeat('x', 40000) WHERE id = 2")
        process.await_log("index users stopped", DEADLINE)
        ready = httpx.get(f"{process.public_url()}/readyz", timeout=60)
        assert (ready.status_code, ready.text) == (503, "stopped: users\n")
        for status in ("shipped", "paid"):
            # More changes than the queue holds, of a table that both read.
            run(site.database_url, f"UPDATE orders SET status = '{status}'")
            await_status(site, "orders", 1001, status)
        process.await_log("are discarded", DEADLINE)
        assert process.status()["indexes"]["orders"] == "seeded"
        # Queries are answered, by what there was.
        assert document(site, "users", 1) is not None
        process.kill()
        process.start()
        run(site.database_url, "UPDATE orders SET status = 'delivered'")
        await_status(site, "orders", 1001, "delivered")
        run(site.database_url, "UPDATE users SET email = 'repaired@example.org' WHERE id = 2")

        def unchanged() -> str | None:
            found = scenario.generations() or generations
            users = f"{site.index_prefix}users"
            return "none yet" if found[users] == generations[users] else None

        until_none("another generation of users", unchanged, DEADLINE)
        scenario.assert_equal(DEADLINE)
        orders = f"{site.index_prefix}orders"
        assert (scenario.generations() or {})[orders] == generations[orders]
        process.stop()
