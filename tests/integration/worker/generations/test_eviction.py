"""What an index missed in a log in memory is recorded, and a new generation makes up for it (I6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status
from flusso_worker.generations import eviction
from flusso_worker.generations.keeper import GenerationKeeper, Names, Telemetry
from flusso_worker.generations.record import Generation
from flusso_worker.generations.store import GenerationStore
from services import Services
from support.kits.index_kit import IndexKit
from support.kits.worker_kit import Publisher
from support.stores.small import PLAN, USERS, change
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


class Process:
    """One process' log and keeper; the test is its pipeline and its capture."""

    def __init__(self, index: IndexKit, capacity: int = 1000) -> None:
        self.log = MemoryLog(capacity)
        self.capture = Publisher(self.log)
        self.capture.begin()
        self._store = GenerationStore(index.cluster, index.name.prefix)
        telemetry = Telemetry(Metrics(), Status(), SystemClock(threading.Event()))
        names = Names("t", index.name.prefix)
        self.keeper = GenerationKeeper(PLAN, [index.cluster], self.log, names, telemetry)

    def known(self) -> list[Generation]:
        return [item.generation for item in self._store.load(PLAN.name)]

    def live(self) -> Generation:
        """Step, apply everything and step again, until one generation is live and alone."""

        def done() -> bool:
            for item in self.keeper.step():
                self.log.groups.reset(item.group, self.log.groups.ends(PLAN.tables))
            if self.keeper.wanted_snapshot() is not None:
                self.capture.snapshot(range(3))
            return [item.state for item in self.known()] == ["live"]

        until("one live generation", done)
        return self.known()[0]

    def group(self) -> str:
        return self.known()[-1].name.group("t")


@pytest.fixture
def index(services: Services, index_prefix: str) -> Iterator[IndexKit]:
    kit = IndexKit(services.opensearch_url, index_prefix)
    yield kit
    kit.close()


def test_a_process_that_missed_nothing_keeps_its_generation(index: IndexKit) -> None:
    first = Process(index).live()
    assert not first.durable
    second = Process(index)
    second.keeper.step()
    second.keeper.before_streaming()
    assert second.live().name == first.name


def test_changes_that_flow_before_a_keeper_has_begun_are_made_up_for_after_a_restart(
    index: IndexKit,
) -> None:
    """The second process reads changes without the index, confirms them, and ends: only the record shows it."""
    first = Process(index).live()
    Process(index).keeper.before_streaming()
    third = Process(index)
    assert [item.state for item in third.keeper.step()] == ["seeding"]
    assert third.live().name.number == first.name.number + 1


def test_an_evicted_seeding_starts_again(index: IndexKit, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not promoted with what it had, it keeps its name, and others continue at once."""
    monkeypatch.setattr(eviction, "_FIRST_RESTART_SECONDS", 0.5)
    process = Process(index, capacity=5)
    keeper, log = process.keeper, process.log
    until("seeding", lambda: [item.state for item in keeper.step()] == ["seeding"])
    writer = log.writer()
    for number in range(5):
        assert writer.publish(change(USERS, [number]), lambda: None)
    assert not writer.publish(change(USERS, [5]), lambda: None)
    name = process.known()[0].name
    until("held back", lambda: log.holds_back(process.group()))
    keeper.evict([name])
    assert process.known()[0].missed
    assert writer.publish(change(USERS, [5]), lambda: None)
    assert keeper.step() == []
    until("resumed", lambda: [item.name for item in keeper.step()] == [name])
    assert not process.known()[0].missed
    assert process.known()[0].targets is None
    writer.close(1.0)
    assert process.live().name == name
