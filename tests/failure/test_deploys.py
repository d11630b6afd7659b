"""Random deploys, rollbacks, crashes, cancellations and wrong clocks: queries are answered at every moment.

Each run is one seed; its steps are logged.  The same again, or others:

    FLUSSO_TEST_DEPLOYS=1 FLUSSO_TEST_DEPLOYS_FIRST=1017 pytest tests/failure/test_deploys.py
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from random import Random

import pytest

from flusso_shared import failpoints
from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.generations import reindex
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, path
from services import Services
from support.alias_watch import AliasWatch
from support.kits import deploy_kit
from support.kits.deploy_kit import Fate, SimulatedWorker, Writer, document
from support.kits.deploy_log import PARTITION, DeployLog
from support.kits.index_kit import connection
from support.soak import SOAK
from support.stores.small import PLAN
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

logger = logging.getLogger(__name__)

_COUNT = int(os.environ.get("FLUSSO_TEST_DEPLOYS", "200" if SOAK else "2"))
_FIRST = int(os.environ.get("FLUSSO_TEST_DEPLOYS_FIRST", "1002"))
_ROWS = 5
_WORKERS = 2
_SHORT = 0.4
_PAUSE = 1.2


class Deployment:
    """Workers, an operator, and what the run allows."""

    def __init__(self, url: str, prefix: str, seed: int) -> None:
        self._url = url
        self._prefix = prefix
        self._random = Random(seed)
        self.log = DeployLog(_ROWS)
        self.hash = f"{seed:04x}0000"
        self._hashes = [self.hash]
        self.cluster = Cluster(connection(url))
        self.store = GenerationStore(self.cluster, prefix)
        self.workers: list[SimulatedWorker] = []
        self.allowed = 1
        """Generations that may be made."""
        self.steps: list[str] = []

    # --- workers ------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.workers = [self._start(self.hash) for _ in range(_WORKERS)]
        until_none("the first generation", self.unsettled, 90.0)

    def _start(self, hash: str, fate: Fate | None = None) -> SimulatedWorker:
        random = Random(self._random.random())
        return SimulatedWorker(self._url, self._prefix, self.log, hash, random, fate or Fate())

    def _fate(self) -> Fate:
        chosen = self._random.random()
        if chosen < 0.35:
            return Fate(place=self._random.choice(deploy_kit.PLACES))
        if chosen < 0.55:
            place = self._random.choice(deploy_kit.PLACES)
            return Fate(place=place, stall=self._random.uniform(0.1, 2.0))
        if chosen < 0.8:
            return Fate(dies_after=self._random.randint(2, 25))
        return Fate()

    def _replace(self, number: int, hash: str, fate: Fate) -> None:
        """End a worker, in one way or the other, and start one in its place."""
        worker = self.workers[number]
        killed = self._random.random() < 0.4
        if killed:
            worker.kill()
        else:
            worker.end()
        self.check(worker)
        self.pause(_SHORT)
        self.workers[number] = self._start(hash, fate)
        self.note(f"{'kill' if killed else 'end'} {number}, start it with {hash} {fate}")

    def revive(self) -> None:
        """Start again what died."""
        for number, worker in enumerate(self.workers):
            if not worker.alive:
                self.check(worker)
                self.workers[number] = self._start(worker.hash)
                self.note(f"{number} died, start it with {worker.hash}")

    def check(self, worker: SimulatedWorker) -> None:
        if worker.failure is not None:
            raise worker.failure

    def pause(self, most: float) -> None:
        deploy_kit.pause(self._random.uniform(0, most))

    def note(self, step: str) -> None:
        self.steps.append(step)

    # --- what an operator does ------------------------------------------------------------------------

    def roll(self, hash: str) -> None:
        """A rolling deploy, with crashes in it.  Ends with every worker at the new schema."""
        self.allowed += 1
        self.hash = hash
        for number in self._random.sample(range(_WORKERS), _WORKERS):
            self._replace(number, hash, self._fate())
            self.pause(_PAUSE)
            self.revive()
            if self._random.random() < 0.5:
                self.crash()
            if self._random.random() < 0.3:
                self.cancel()

    def deploy(self) -> None:
        hash = f"{self._hashes[0][:4]}{len(self._hashes):04x}"
        self._hashes.append(hash)
        self.roll(hash)

    def roll_back(self) -> None:
        others = [hash for hash in self._hashes if hash != self.hash]
        if others:
            self.roll(self._random.choice(others))

    def crash(self) -> None:
        """One worker crashes and comes back as it was."""
        number = self._random.randrange(_WORKERS)
        self._replace(number, self.workers[number].hash, self._fate())
        self.pause(_SHORT)
        self.revive()

    def reindex(self) -> None:
        try:
            answer = reindex.ask(self.store, PLAN.name, 0.0)
        except RetryableError as error:
            answer = str(error)
        self.note(answer)
        self.allowed += answer == f"reindex of {PLAN.name} queued"
        self.pause(_SHORT)
        self.revive()
        if self._random.random() < 0.6:
            self.cancel()

    def cancel(self) -> None:
        """Several times in a row."""
        for _ in range(self._random.randint(1, 4)):
            try:
                answer = reindex.cancel(self.store, PLAN.name)
            except (FatalError, RetryableError) as error:
                answer = str(error)
            self.note(f"cancel: {answer[:70]}")
            self.pause(0.1)

    def act(self) -> None:
        acts: list[Callable[[], None]] = [self.deploy, self.roll_back, self.crash, self.reindex]
        self._random.choices(acts, weights=[3, 2, 2, 3])[0]()
        self.pause(_PAUSE)
        self.revive()

    # --- how it ends ----------------------------------------------------------------------------------

    def unsettled(self) -> str | None:
        """What keeps this from being one live generation with everything applied; None when it is."""
        for worker in self.workers:
            self.check(worker)
        self.revive()
        try:
            known = self.store.read_index(PLAN.name)
        except RetryableError as error:
            return str(error)
        found = [(item.generation.name, item.generation.state) for item in known.stored]
        if [(name.hash, state) for name, state in found] != [(self.hash, "live")]:
            return f"{[(name.physical, state) for name, state in found]}, wanted {self.hash}"
        name = found[0][0]
        if self.store.physical(PLAN.name) != [name]:
            return f"indexes {self.store.physical(PLAN.name)}"
        end = self.log.ends(())[PARTITION]
        if self.log.committed(name.group(""), ()) != {PARTITION: end}:
            return f"group {name.group('')} is behind"
        return None

    def assert_right(self) -> None:
        """One live generation behind the alias, not made more often than needed, with every document."""
        (stored,) = self.store.load(PLAN.name)
        name = stored.generation.name
        holders = self.cluster.request("GET", path("_alias", name.plain_alias)).json()
        assert list(holders) == [name.physical]
        assert name.number <= self.allowed, f"{name.number} generations, {self.allowed} needed"
        self.cluster.request("POST", path(name.plain_alias, "_refresh"))
        hits = self.cluster.request("POST", path(name.plain_alias, "_search"), {"size": 100})
        found = {hit["_id"]: hit["_source"] for hit in hits.json()["hits"]["hits"]}
        assert found == {key: document(self.hash, value) for key, value in self.log.rows.items()}

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.cluster.request("DELETE", path(f"{self._prefix}*"), allow=(404,))
        self.cluster.close()


@pytest.mark.parametrize("seed", [_FIRST + number for number in range(_COUNT)])
def test_queries_are_answered_through_deploys_and_crashes(
    seed: int,
    services: Services,
    index_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(failpoints, "hit", deploy_kit.hit)
    for name in ("flusso_worker", __name__):
        caplog.set_level(logging.INFO, name)
    with ExitStack() as stack:
        run = Deployment(services.opensearch_url, index_prefix, seed)
        stack.callback(run.close)
        run.begin()
        random = Random(seed)
        with (
            AliasWatch(services.opensearch_url, f"{index_prefix}{PLAN.name}") as watch,
            Writer(run.log, Random(seed)) as writer,
        ):
            for _ in range(random.randint(2, 4)):
                run.act()
            writer.stop()
            logger.info("seed %d:\n  %s", seed, "\n  ".join(run.steps))
            until_none("one live generation", run.unsettled, 90.0)
        watch.assert_answered()
        run.assert_right()
