"""Whatever the schema, the data, the transactions and the faults: every document is right in the end.

Each schedule is one seed, which is in the test's name.  (Shown to fail without the old images of changes, I4: seed 3001.)
The same again:
FLUSSO_TEST_SEED=12345 FLUSSO_TEST_SCHEDULES=1 ./dev/test tests/failure/test_schedules.py
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random, SystemRandom

import psycopg
import pytest
import yaml

from support import oracle
from support.chance import oracle as chance_oracle
from support.chance.schemas import Spec, schemas
from support.chance.tables import DDL, LAST_CHANGE, first_rows
from support.chance.transactions import Transactions
from support.processes import Daemon, Pipeline, Site, cleaned_up
from support.scenario import Scenario
from support.soak import SOAK

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

logger = logging.getLogger(__name__)

DEADLINE = 150.0
TRANSACTIONS = 300
PARTS = 3
"""After each of which everything is compared: a later change of the same rows would hide what is wrong."""
FAULTS = 6
"""In a schedule, about."""
QUEUES = ("kafka, 1 worker", "flusso run", "kafka, 2 workers", "flusso run", "kafka, 3 workers")

_FIRST = int(os.environ.get("FLUSSO_TEST_SEED") or (SystemRandom().randrange(10**6) if SOAK else 1))
_COUNT = int(os.environ.get("FLUSSO_TEST_SCHEDULES") or (20 if SOAK else 3))

Connection = psycopg.Connection[tuple[object, ...]]


class Schedule(Scenario):
    """A scenario over random schemas."""

    specs: Mapping[str, Spec]

    def __init__(self, site: Site, pipeline: Pipeline, embedded: bool) -> None:
        super().__init__(site, pipeline, embedded)
        self._progress = replace(self._progress, last_change=LAST_CHANGE)

    def _expected(self) -> dict[str, oracle.Documents]:
        return chance_oracle.expected(self.site.database_url, self.specs)


class Faults:
    """Kills, stops and pauses processes at random; what was ended is started again some transactions later."""

    def __init__(self, random: Random, daemons: list[Daemon]) -> None:
        self._random = random
        self._daemons = daemons
        self._down: dict[int, int] = {}
        self.told: list[str] = []

    def maybe(self, at: int) -> None:
        """Before transaction `at`."""
        for number in [number for number, due in self._down.items() if due <= at]:
            self._start(number)
        if self._random.random() < FAULTS / TRANSACTIONS:
            self._strike(at)

    def _strike(self, at: int) -> None:
        number = self._random.randrange(len(self._daemons))
        kind = self._random.choice(["kill", "kill", "stop", "pause"])
        back = at + self._random.randint(0, 60)
        if number in self._down:
            return
        self.told.append(f"{kind} {self._daemons[number].name} before transaction {at}")
        if kind == "pause":
            self._daemons[number].pause()
            time.sleep(self._random.uniform(0.1, 1.5))
            self._daemons[number].resume()
            return
        if kind == "stop" and "listening" in self._daemons[number].text():
            self._daemons[number].stop()
        else:  # an interpreter that is still loading knows no orderly end
            self._daemons[number].kill()
        self._down[number] = back

    def end(self) -> None:
        """Everything runs again."""
        for number in list(self._down):
            self._start(number)

    def _start(self, number: int) -> None:
        del self._down[number]
        self._daemons[number].start()


class Writers:
    """Two connections: most transactions run alone, some around another one."""

    def __init__(self, random: Random, connections: tuple[Connection, Connection]) -> None:
        self._random = random
        self._transactions = Transactions(random)
        self._one, self._other = connections
        self.committed = 0

    def work(self) -> None:
        """One transaction, or two in each other."""
        statements = self._transactions.next()
        middle = self._random.randrange(len(statements)) if self._random.random() < 0.15 else None
        whole = self._random.random() < 0.93
        inner = self._transactions.next() if middle is not None else []
        try:
            for number, statement in enumerate(statements):
                if number == middle:
                    self._alone(inner)
                self._one.execute(statement.encode())
        except psycopg.Error as error:
            self._refused(self._one, error)
            return
        self._end(self._one, whole=whole)

    def _alone(self, statements: list[str]) -> None:
        try:
            for statement in statements:
                self._other.execute(statement.encode())
        except psycopg.Error as error:
            self._refused(self._other, error)
            return
        self._end(self._other, whole=True)

    def _end(self, connection: Connection, *, whole: bool) -> None:
        if whole:
            connection.commit()
            self.committed += 1
        else:
            connection.rollback()

    @staticmethod
    def _refused(connection: Connection, error: psycopg.Error) -> None:
        """Two transactions in each other's way, or a key that is there: it never was."""
        passing = (
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.UniqueViolation,
        )
        if not isinstance(error, passing):
            raise error
        connection.rollback()


@pytest.mark.parametrize("seed", [_FIRST + number for number in range(_COUNT)])
def test_every_document_is_right_in_the_end(seed: int, site: Site, tmp_path: Path) -> None:
    random = Random(seed)
    queue = QUEUES[seed % len(QUEUES)]
    specs = schemas(random)
    for name, spec in specs.items():
        (tmp_path / f"{name}.schema.yml").write_text(yaml.safe_dump(spec, sort_keys=False))
    site = replace(site, schemas=tmp_path, indexes=tuple(specs), partitions=random.randint(1, 3))
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute(DDL)
        for statement in first_rows(random):
            connection.execute(statement.encode())
    scenario = Schedule.over(queue, site, tmp_path)
    assert isinstance(scenario, Schedule)
    scenario.specs = specs
    faults = Faults(random, scenario.pipeline.daemons)
    with (
        cleaned_up(scenario.pipeline) as pipeline,
        psycopg.connect(site.database_url) as one,
        psycopg.connect(site.database_url) as other,
    ):
        for connection in (one, other):
            connection.execute("SET lock_timeout = '2s'")
            connection.commit()
        pipeline.start()
        if random.random() < 0.7:
            scenario.wait_until_live(DEADLINE)
        writers = Writers(random, (one, other))
        number = 0
        for part in range(1, PARTS + 1):
            while writers.committed < TRANSACTIONS * part / PARTS:
                faults.maybe(number)
                writers.work()
                time.sleep(random.uniform(0, 0.02))
                number += 1
            faults.end()
            try:
                scenario.wait_until_live(DEADLINE)
                scenario.assert_equal(DEADLINE)
            except AssertionError as error:
                error.add_note(f"seed {seed}, {queue}; {'; '.join(faults.told) or 'no faults'}")
                raise
        documents = {index: len(scenario.read(index)) for index in specs}
        logger.info("%s: %d transactions, %s, %s", queue, writers.committed, documents, faults.told)
        pipeline.stop()
