"""What an index missed in a log in memory is recorded, and a new generation makes up for it (I6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status
from flusso_worker.generations import eviction, keeper, pause
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
        self._positions = pause.Positions(lambda: self.log.groups, "t")
        self.capture = Publisher(self.log)
        self.capture.begin()
        self.store = GenerationStore(index.cluster, index.name.prefix)
        telemetry = Telemetry(Metrics(), Status(), SystemClock(threading.Event()))
        names = Names("t", index.name.prefix)
        self.keeper = GenerationKeeper(PLAN, [index.cluster], self.log, names, telemetry)

    def known(self) -> list[Generation]:
        return [item.generation for item in self.store.load(PLAN.name)]

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

    def pause(self) -> None:
        pause.pause(self.store, PLAN.name, self._positions, 0.0)
        assert self.keeper.step() == []

    def resume(self) -> str:
        return pause.resume(self.store, PLAN.name, self._positions, 0.0)

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


def test_a_paused_index_is_evicted_once_the_slot_has_waited_for_an_hour(
    index: IndexKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(index)
    first = process.live()
    process.pause()
    process.keeper.evict([])
    process.capture.publish(change(USERS, [1]))
    process.keeper.evict([])
    assert not process.known()[0].missed
    monkeypatch.setattr(keeper, "_LONGEST_HELD_SECONDS", 0.0)
    process.keeper.evict([])
    assert process.known()[0].missed
    assert not process.log.groups.retains(process.group())
    assert process.resume() == (
        "users is resumed, and seeded again: its changes did not all fit into memory"
    )
    assert process.live().name.number == first.name.number + 1


def test_a_paused_index_without_changes_is_not_evicted(
    index: IndexKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_LONGEST_HELD_SECONDS", 0.0)
    process = Process(index)
    first = process.live()
    process.pause()
    process.keeper.evict([])
    process.keeper.evict([])
    assert process.resume() == "users is resumed"
    assert process.live().name == first.name


def test_a_paused_seeding_waits_until_it_is_resumed(
    index: IndexKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a process that starts meanwhile, and where it was evicted: it requests no snapshot."""
    monkeypatch.setattr(eviction, "_FIRST_RESTART_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_LONGEST_HELD_SECONDS", 0.0)
    first = Process(index)
    until("seeding", lambda: [item.state for item in first.keeper.step()] == ["seeding"])
    first.pause()
    second = Process(index)
    for _ in range(2):
        assert second.keeper.step() == []
        assert second.keeper.wanted_snapshot() is None
        assert second.log.writer().publish(change(USERS, [1]), lambda: None)
        second.keeper.evict([])
    assert second.known()[0].missed
    second.resume()
    assert second.live().name == first.known()[0].name
