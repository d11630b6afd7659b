"""The bookkeeping that the keepers of one process read together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from fakes.still_clock import StillClock
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.errors import FatalError
from flusso_shared.names import GenerationName
from flusso_worker.generations.record import Generation, Pause
from flusso_worker.generations.shared_readings import SharedStore
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster, Reply, path
from services import Services
from support.kits.index_kit import connection
from support.stores.small import PLAN

pytestmark = pytest.mark.services

MOMENT = 10.0
NAMES = [f"index_{number}" for number in range(30)]


class CountingCluster(Cluster):
    """Counts what it is asked."""

    requests = 0

    def request(self, *arguments: Any, **options: Any) -> Reply:
        self.requests += 1
        return super().request(*arguments, **options)


@pytest.fixture
def cluster(services: Services) -> Iterator[CountingCluster]:
    with closing(CountingCluster(connection(services.opensearch_url))) as made:
        yield made


@pytest.fixture
def plain(cluster: CountingCluster, index_prefix: str) -> GenerationStore:
    """What other processes have."""
    store = GenerationStore(cluster, index_prefix)
    store.ensure()
    for name in NAMES:
        put(store, name, 1, index_prefix)
    return store


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def shared(cluster: CountingCluster, index_prefix: str, clock: StillClock) -> SharedStore:
    return SharedStore(cluster, index_prefix, NAMES, clock, MOMENT)


def put(store: GenerationStore, index: str, number: int, prefix: str) -> None:
    plan = replace(PLAN, name=index)
    name = GenerationName(index, plan.hash, number, prefix)
    assert store.create(Generation(name, "creating", Lineage("1", "slot", "0/1"), plan, {}))


def numbers(store: GenerationStore, index: str) -> list[int]:
    return [item.generation.name.number for item in store.read_index(index).stored]


def test_all_indexes_are_read_in_one_request(
    cluster: CountingCluster, plain: GenerationStore, shared: SharedStore
) -> None:
    plain.put_worker(
        "worker", {"kind": "worker", "index": NAMES[:2], "schemas": dict.fromkeys(NAMES[:2], "hash"), "sequence": 1, "ended": False}, seen=True
    )  # fmt: skip
    assert plain.pause(Pause(NAMES[3], 1.5))
    expected = {name: plain.read_index(name) for name in NAMES}
    before = cluster.requests
    found = {name: shared.read_index(name) for name in NAMES}
    assert cluster.requests == before + 1
    assert found == expected
    assert [bool(found[name].carriers) for name in NAMES[:3]] == [True, True, False]
    assert found[NAMES[3]].paused is not None


def test_a_second_look_is_at_what_is_there_now(
    plain: GenerationStore, shared: SharedStore, index_prefix: str
) -> None:
    first, second, *_ = NAMES
    assert numbers(shared, first) == [1]
    put(plain, first, 2, index_prefix)
    assert numbers(shared, first) == [1, 2]
    put(plain, second, 2, index_prefix)
    assert numbers(shared, second) == [1], "as of the first look"
    assert numbers(shared, second) == [1, 2]


def test_a_reading_lasts_for_a_moment(
    plain: GenerationStore, shared: SharedStore, clock: StillClock, index_prefix: str
) -> None:
    first, second, *_ = NAMES
    assert numbers(shared, first) == [1]
    put(plain, second, 2, index_prefix)
    clock.now += MOMENT
    assert numbers(shared, second) == [1, 2]


def test_a_record_that_cannot_be_read_stops_its_index_alone(
    cluster: CountingCluster, plain: GenerationStore, shared: SharedStore, index_prefix: str
) -> None:
    broken = GenerationName(NAMES[0], PLAN.hash, 1, index_prefix).physical
    where = path(f"{index_prefix}flusso_meta", "_update", broken)
    cluster.request("POST", where, {"doc": {"lineage": None}}, params={"refresh": "true"})
    for _ in range(2):
        with pytest.raises(FatalError, match=broken):
            shared.read_index(NAMES[0])
        assert numbers(shared, NAMES[1]) == [1]


def test_an_index_that_no_keeper_has_is_read_alone(
    plain: GenerationStore, shared: SharedStore, index_prefix: str
) -> None:
    put(plain, "another", 1, index_prefix)
    assert numbers(shared, "another") == [1]
    assert numbers(shared, "unknown") == []
