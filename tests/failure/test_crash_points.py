"""A process that dies at any of the places where it matters loses nothing (cases 1 to 4, 6 and 8; I1, I7).

One pipeline per queue lives through all of them: each start has the next place to die at, while edits go on.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from flusso_shared import failpoints
from support import store
from support.processes import Daemon, Site, cleaned_up
from support.scenario import Scenario

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

DEADLINE = 90.0

CAPTURE = (
    # In the middle of a transaction whose rows share one commit position (case 8).
    "after_produce:exit@25",
    "after_broker_ack:exit",
    "after_broker_ack:exit@25",
    "before_slot_confirm:exit",
    "after_slot_confirm:exit@2",
)
WORKER = (
    "after_poll:exit",
    "before_build:exit",
    "before_bulk:exit",
    "mid_bulk:exit",
    "after_bulk_ack:exit",
    "before_offset_commit:exit",
    "after_offset_commit:exit",
)


def edit(site: Site, number: int) -> None:
    """Some of everything, a transaction of 40 rows, and a user whom no later edit touches."""
    with store.Editor(site.database_url, seed=number) as editor:
        for _ in range(6):
            editor.edit()
    with psycopg.connect(site.database_url) as connection:
        connection.execute(
            "INSERT INTO users (id, email, full_name) SELECT %s + n, 'u@example.org', 'User ' || n"
            " FROM generate_series(1, 40) n",
            (1_000_000 + 100 * number,),
        )


def die_at(daemon: Daemon, place: str, site: Site, number: int) -> None:
    """Start the process, edit until it dies at `place`."""
    daemon.start(place)
    edit(site, number)
    code = daemon.wait_exit(DEADLINE)
    assert code == failpoints.EXIT_CODE, f"{place}: {code}\n{daemon.tail()}"


def test_no_crash_of_capture_or_a_worker_loses_a_change(site: Site, tmp_path: Path) -> None:
    """Cases 1, 2, 3, 4, 8 over Kafka, I1, I7.  (Shown to fail with offsets that are committed before the flush;
    `test_slot_life` has the one for positions that are confirmed too early.)"""
    store.load_store(site.database_url)
    scenario = Scenario.over("kafka, 1 worker", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        generations = scenario.wait_until_live(DEADLINE)
        capture, worker = pipeline.daemons
        capture.kill()
        for number, place in enumerate(CAPTURE):
            die_at(capture, place, site, number)
        capture.start()
        worker.kill()
        for number, place in enumerate(WORKER):
            die_at(worker, place, site, 100 + number)
        worker.start()
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations
        pipeline.stop()


def test_no_crash_of_the_embedded_process_loses_a_change(site: Site, tmp_path: Path) -> None:
    """Cases 1, 2, 3, 4, 8 in one process: its queue is gone with it, and the slot stands for it."""
    store.load_store(site.database_url)
    scenario = Scenario.over("flusso run", site, tmp_path)
    with cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        generations = scenario.wait_until_live(DEADLINE)
        (process,) = pipeline.daemons
        process.kill()
        for number, place in enumerate(CAPTURE + WORKER):
            die_at(process, place, site, number)
        process.start()
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations
        pipeline.stop()
