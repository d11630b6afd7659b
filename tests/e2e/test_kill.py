"""`kill -9` of any process at any moment, then a restart, ends in the same documents.

The moments are random and follow from FLUSSO_TEST_SEED, which a failure tells.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom

import pytest

from support.edits import steady_edits
from support.processes import Pipeline, Site, cleaned_up
from support.scenario import Scenario
from support.stores import dev as store

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

SEED = int(os.environ.get("FLUSSO_TEST_SEED") or SystemRandom().randrange(10**6))
DEADLINE = 150.0
USERS = 3000


@contextmanager
def seed_told() -> Iterator[None]:
    """Put the seed into the message of a failure."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"FLUSSO_TEST_SEED={SEED}")
        raise


def kill_and_restart(pipeline: Pipeline, random: Random, longest: float) -> None:
    """Let it run for a random time, kill a random process, start it again after another random time."""
    time.sleep(random.uniform(0.1, longest))
    victim = random.choice(pipeline.daemons)
    victim.check()
    victim.kill()
    time.sleep(random.uniform(0.0, 1.0))
    victim.start()


@pytest.mark.parametrize("queue", ["kafka, 2 workers", "flusso run"])
def test_a_kill_while_seeding_loses_nothing(queue: str, site: Site, tmp_path: Path) -> None:
    random = Random(SEED)
    store.load_store(site.database_url)
    store.grow(site.database_url, USERS)
    scenario = Scenario.over(queue, site, tmp_path)
    with seed_told(), cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        with steady_edits(site.database_url, SEED):
            for _ in range(4):
                kill_and_restart(pipeline, random, longest=4.0)
        scenario.wait_until_live(DEADLINE)
        scenario.assert_equal(DEADLINE)


@pytest.mark.parametrize("queue", ["kafka, 2 workers", "flusso run"])
def test_a_kill_under_load_loses_nothing(queue: str, site: Site, tmp_path: Path) -> None:
    random = Random(SEED)
    store.load_store(site.database_url)
    scenario = Scenario.over(queue, site, tmp_path)
    with seed_told(), cleaned_up(scenario.pipeline) as pipeline:
        pipeline.start()
        generations = scenario.wait_until_live(DEADLINE)
        with steady_edits(site.database_url, SEED):
            for _ in range(5):
                kill_and_restart(pipeline, random, longest=5.0)
        scenario.assert_equal(DEADLINE)
        assert scenario.generations() == generations
