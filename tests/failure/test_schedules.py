"""Whatever the schema, the data, the transactions and the faults: every document is right in the end.

Each schedule is one seed, which is in the test's name.  The same again:
FLUSSO_TEST_SEED=12345 FLUSSO_TEST_SCHEDULES=1 ./dev/test tests/failure/test_schedules.py
A schedule that fails is run a second time and told as a program, step by step.

Shown to fail: seeds 11001 and 11003 have differences when resolving ignores the old images of changes (I4).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random, SystemRandom

import hypothesis
import psycopg
import pytest
import yaml
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_worker.generations import pause
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster
from services import Services
from support import names
from support.expected import oracle
from support.kits import change_logs, index_kit
from support.kits.check_kit import role
from support.processes import SHORT_SESSIONS, Daemon, Pipeline, Site, cleaned_up
from support.random_schedules import oracle as schedule_oracle
from support.random_schedules.interludes import INTERLUDES
from support.random_schedules.prepared import Prepared
from support.random_schedules.schemas import Spec, schemas
from support.random_schedules.tables import LAST_CHANGE, prepare
from support.random_schedules.transactions import Transactions, changes_catalog
from support.random_schedules.world import World, own_url, worlds
from support.scenario import Scenario
from support.soak import SOAK
from support.waiting import patient

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

logger = logging.getLogger(__name__)

DEADLINE = 150.0
TRANSACTIONS = 300
"""At least, in a schedule."""
STEPS = 16
FAULTS = ("none", "kill", "kill", "stop", "pause", "paused index")
QUEUES = ("kafka, 1 worker", "flusso run", "kafka, 2 workers", "flusso run", "kafka, 3 workers")

_FIRST = int(os.environ.get("FLUSSO_TEST_SEED") or (SystemRandom().randrange(10**6) if SOAK else 1))
_COUNT = int(os.environ.get("FLUSSO_TEST_SCHEDULES") or (20 if SOAK else 3))

Connection = psycopg.Connection[tuple[object, ...]]


class Schedule(Scenario):
    """A scenario over random schemas."""

    specs: Mapping[str, Spec]
    world: World

    def __init__(self, site: Site, pipeline: Pipeline, embedded: bool) -> None:
        super().__init__(site, pipeline, embedded)
        self._progress = replace(self._progress, last_change=LAST_CHANGE)

    def _expected(self) -> dict[str, oracle.Documents]:
        return schedule_oracle.expected(self.site.database_url, self.specs, self.world.comparable())


class Writers:
    """Two connections: most transactions run alone, some around another one."""

    def __init__(
        self,
        random: Random,
        world: World,
        connections: tuple[Connection, Connection],
        prepared: Prepared,
    ) -> None:
        self._random = random
        self._transactions = Transactions(random, world)
        self._one, self._other = connections
        self._prepared = prepared
        self.committed = 0
        self.noticed_late = False
        """Whether there may be documents that are put right some time after all is applied."""

    def work(self) -> None:
        """One transaction, or two in each other; one that was prepared before may end."""
        self._prepared.pass_by()
        statements = self._transactions.next()
        middle = self._random.randrange(len(statements)) if self._random.random() < 0.15 else None
        whole = self._random.random() < 0.93
        inner = self._transactions.next() if middle is not None else []
        self._catalog_changed = changes_catalog([*statements, *inner])
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

    def settle(self) -> None:
        """End what is prepared: nothing is open after it."""
        self._prepared.settle()

    def _end(self, connection: Connection, *, whole: bool) -> None:
        if not self._prepared.take(connection, whole=whole):
            if whole:
                connection.commit()
            else:
                connection.rollback()
        if whole:
            self.committed += 1
            self.noticed_late = self.noticed_late or self._catalog_changed

    def _refused(self, connection: Connection, error: psycopg.Error) -> None:
        """Two transactions in each other's way, or a key that is there: it never was."""
        passing = (
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.UniqueViolation,
            # Of a row for a partition that is detached.
            psycopg.errors.CheckViolation,
        )
        if not isinstance(error, passing):
            raise error
        connection.rollback()
        # What is in the way may be prepared.
        self._prepared.settle()


class Machine(RuleBasedStateMachine):
    """One pipeline from its first start on; the rules are what happens to it."""

    def __init__(self, services: Services, folder: Path, queue: str) -> None:
        super().__init__()
        self._services, self._folder, self._queue = services, folder, queue
        self._stack = ExitStack()
        self._happened: list[str] = []

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        # Hypothesis begins with the simplest example, which is worth no pipeline.
        hypothesis.assume(seed)
        self._random = Random(seed)
        self._scenario = self._stack.enter_context(self._made())
        self._happened.append(f"made in {self._scenario.world.encoding}")
        one, other = (
            self._stack.enter_context(psycopg.connect(self._scenario.site.database_url))
            for _ in range(2)
        )
        ending = self._stack.enter_context(
            psycopg.connect(self._scenario.site.database_url, autocommit=True)
        )
        prepared = Prepared(self._random, ending)
        self._writers = Writers(self._random, self._scenario.world, (one, other), prepared)
        self._stack.callback(self._writers.settle)
        self._scenario.pipeline.start()
        if self._random.random() < 0.7:
            self._scenario.wait_until_live(DEADLINE)

    @contextmanager
    def _made(self) -> Iterator[Schedule]:
        random, folder = self._random, self._folder
        world = worlds(random)
        specs = schemas(random, world)
        with names.site(self._services, world.encoding) as site, ExitStack() as roles:
            for name, spec in specs.items():
                text = yaml.safe_dump(spec, sort_keys=False)
                (folder / f"{name}.schema.yml").write_text(text)
            own, url = own_url(site.database_url), site.database_url
            user = names.unique("flusso_test_") if world.restricted else None
            if user is not None:
                url = roles.enter_context(role(own, user, "REPLICATION")).partition("?")[0]
            with psycopg.connect(own, autocommit=True) as connection:
                for statement in prepare(random, world, site.slot, user):
                    connection.execute(statement.encode())
            site = replace(
                site,
                database_url=url,
                schemas=folder,
                indexes=tuple(specs),
                partitions=random.randint(1, 3),
                more=SHORT_SESSIONS,
            )
            scenario = Schedule.over(self._queue, site, folder)
            assert isinstance(scenario, Schedule)
            scenario.watch(own)
            scenario.specs, scenario.world = specs, world
            with cleaned_up(scenario.pipeline):
                yield scenario

    @rule(
        fault=st.sampled_from(FAULTS),
        who=st.sets(st.integers(0, 3), min_size=1, max_size=2),
        transactions=st.integers(0, 40),
        then=st.sampled_from(["go on", "go on", "go on", "compare"]),
        interlude=st.sampled_from(["none"] * 4 + sorted(INTERLUDES)),
    )
    def work(self, fault: str, who: set[int], transactions: int, then: str, interlude: str) -> None:
        """Some transactions; from before the first to after the last of them `who` is down, or stands still, and
        the database is not as it should be (`interlude`), or one index is paused.

        One rule, not one for each fault: of several rules some would never be drawn in a schedule.
        """
        daemons = self._struck(fault, who)
        # A process that stands still keeps its locks, which an interlude would wait for.
        during = self._during("none" if fault == "pause" else interlude)
        with self._paused_index() if fault == "paused index" else nullcontext(), during:
            self._write(transactions)
        for daemon in daemons:
            if fault == "pause":
                daemon.resume()
            else:
                daemon.start()
        if then == "compare":
            self._compare()

    def teardown(self) -> None:
        with self._stack:
            if sys.exc_info()[0] is None:
                self._finish()

    def _finish(self) -> None:
        while self._writers.committed < TRANSACTIONS:
            self._write(10)
        self._compare()
        documents = {name: len(self._scenario.read(name)) for name in self._scenario.specs}
        self._scenario.pipeline.stop()
        told = self._queue, self._writers.committed, documents, self._happened
        logger.info("%s: %d transactions, %s, %s", *told)

    def _struck(self, fault: str, who: set[int]) -> list[Daemon]:
        """The processes that are down or stand still now."""
        if fault in ("none", "paused index"):
            return []
        among = self._scenario.pipeline.daemons
        daemons = [among[number] for number in sorted({number % len(among) for number in who})]
        whom = ", ".join(daemon.name for daemon in daemons)
        self._happened.append(f"{fault} {whom} after {self._writers.committed}")
        for daemon in daemons:
            if fault == "pause":
                daemon.pause()
            # An interpreter that is still loading knows no orderly end.
            elif fault == "stop" and "listening" in daemon.text():
                daemon.stop()
            else:
                daemon.kill()
        return daemons

    @contextmanager
    def _during(self, name: str) -> Iterator[None]:
        """The database as the interlude has it, in the block; as it was, after it."""
        made = INTERLUDES.get(name)
        interlude = made and made(self._random, self._scenario.world)
        if not interlude:
            yield
            return
        self._happened.append(f"{name} after {self._writers.committed}")
        self._writers.noticed_late = True
        for daemon in self._scenario.pipeline.daemons:
            # One that was still starting may find the database so.
            daemon.supervised = r"the database lacks|^Error: index `"
        self._alter(interlude.begin)
        yield
        self._alter(interlude.end)

    @contextmanager
    def _paused_index(self) -> Iterator[None]:
        """An index, if it is known by now, is paused in the block."""
        site = self._scenario.site
        name = self._random.choice(sorted(self._scenario.specs))
        with (
            closing(Cluster(index_kit.connection(site.opensearch_url))) as cluster,
            closing(KafkaLog(change_logs.connection(site.kafka, site.topic_prefix))) as log,
        ):
            store = GenerationStore(cluster, site.index_prefix)
            positions = pause.Positions(lambda: log.groups, site.topic_prefix)
            if name not in store.indexes():
                yield
                return
            self._happened.append(f"{name} paused after {self._writers.committed}")
            # `flusso run` may have to rebuild it.
            self._writers.noticed_late = True
            pause.pause(store, name, positions, time.time())
            yield
            pause.resume(store, name, positions, time.time())

    def _alter(self, statements: tuple[str, ...]) -> None:
        """In transactions of their own; each as soon as it gets its locks."""
        self._writers.settle()
        deadline = time.monotonic() + patient(DEADLINE)
        with psycopg.connect(self._scenario.site.database_url, autocommit=True) as connection:
            for statement in statements:
                while True:
                    try:
                        connection.execute(statement.encode())
                        break
                    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                        assert time.monotonic() < deadline, statement

    def _write(self, transactions: int) -> None:
        for _ in range(transactions):
            self._writers.work()
            time.sleep(self._random.uniform(0, 0.02))

    def _compare(self) -> None:
        """In between as well: a later change of the same rows would hide what is wrong."""
        self._writers.settle()
        self._scenario.wait_until_live(DEADLINE)
        if self._writers.noticed_late:
            self._scenario.await_equal(DEADLINE)
            self._writers.noticed_late = False
        self._scenario.assert_equal(DEADLINE)


@pytest.mark.parametrize("seed", [_FIRST + number for number in range(_COUNT)])
def test_every_document_is_right_in_the_end(
    seed: int, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def machine() -> Machine:
        folder = tmp_path_factory.mktemp("schedule")
        return Machine(services, folder, QUEUES[seed % len(QUEUES)])

    run_state_machine_as_test(
        hypothesis.seed(seed)(machine),  # type: ignore[arg-type]  # any callable that gives a machine
        settings=hypothesis.settings(
            max_examples=1,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=[
                hypothesis.HealthCheck.too_slow,
                hypothesis.HealthCheck.data_too_large,
                hypothesis.HealthCheck.filter_too_much,
            ],
        ),
    )
