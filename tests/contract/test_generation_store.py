"""What every bookkeeping of generations does: in the index `flusso_meta`, and in the memory of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from flusso_shared.changelog.control_records import Lineage
from flusso_shared.clock import SystemClock
from flusso_shared.names import GenerationName
from flusso_shared.seams import TopicPartition
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.generations.physical import GenerationIndexes
from flusso_worker.generations.record import Generation, Known, Pause, Seeding, State
from flusso_worker.generations.schema_order import Carrier, SchemaOrder
from flusso_worker.generations.shared_readings import SharedStore
from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster
from services import Services
from support.kits.index_kit import connection
from support.stores.small import PLAN

LINEAGE = Lineage("1", "slot", "0/1")
INDEX = PLAN.name
Store = GenerationStore | LocalStore


@dataclass(frozen=True)
class Bookkeeping:
    """A store, and how the index of a generation comes to be where this store looks for it."""

    store: Store
    prefix: str
    make_index: Callable[[Generation], object]

    def generation(
        self, number: int, hash: str = PLAN.hash, state: State = "creating"
    ) -> Generation:
        name = GenerationName(INDEX, hash, number, self.prefix)
        starts = {TopicPartition("t.public.users", 0): 7}
        return Generation(name, state, LINEAGE, replace(PLAN, hash=hash), starts)

    def names(self) -> list[GenerationName]:
        return [item.generation.name for item in self.store.load(INDEX)]


@pytest.fixture(
    params=[
        "local",
        pytest.param("opensearch", marks=pytest.mark.services),
        pytest.param("opensearch, with other indexes", marks=pytest.mark.services),
    ]
)
def book(request: pytest.FixtureRequest) -> Iterator[Bookkeeping]:
    if request.param == "local":
        yield Bookkeeping(LocalStore(), "", lambda _: None)
        return
    prefix = request.getfixturevalue("index_prefix")
    cluster = Cluster(connection(request.getfixturevalue("services").opensearch_url))
    store = GenerationStore(cluster, prefix)
    if request.param != "opensearch":
        clock = SystemClock(threading.Event())
        store = SharedStore(cluster, prefix, [INDEX, "other"], clock, moment=0.0)
    store.ensure()
    indexes = GenerationIndexes(cluster)
    yield Bookkeeping(store, prefix, lambda made: indexes.create(made.name, made.plan))
    cluster.close()


@pytest.fixture
def store(book: Bookkeeping) -> Store:
    return book.store


def is_empty(known: Known) -> bool:
    return not (known.stored or known.asked or known.ordered or known.carriers or known.paused)


def test_nothing_is_known_at_first(store: Store) -> None:
    assert is_empty(store.read_index(INDEX))
    assert store.load(INDEX) == []
    assert store.physical(INDEX) == []


def test_it_can_be_prepared_again(book: Bookkeeping) -> None:
    made = book.generation(1)
    assert book.store.create(made)
    book.store.ensure()
    assert book.names() == [made.name]


def test_a_created_generation_is_read_at_once_as_it_was_written(book: Bookkeeping) -> None:
    made = book.generation(1).evolve(
        targets={TopicPartition("t.public.users", 0): 9},
        created_at=12.5,
        durable=False,
        settings={"primary": {"number_of_shards": 2}},
        seeding=Seeding(2, 1.5),
    )
    assert book.store.create(made)
    assert [item.generation for item in book.store.load(INDEX)] == [made]


def test_generations_come_by_number_then_hash(book: Bookkeeping) -> None:
    made = [book.generation(10), book.generation(2, "bbbbbbbb"), book.generation(2, "aaaaaaaa")]
    for item in made:
        assert book.store.create(item)
    assert book.names() == [made[2].name, made[1].name, made[0].name]


def test_another_index_is_not_in_it(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    assert is_empty(book.store.read_index("user"))
    assert is_empty(book.store.read_index(f"{INDEX}_1"))


def test_a_generation_is_created_once(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    assert not book.store.create(book.generation(1, state="seeding"))
    assert [item.generation.state for item in book.store.load(INDEX)] == ["creating"]


def test_a_change_is_read_at_once(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    for state in ("seeding", "live"):
        (stored,) = book.store.load(INDEX)
        assert book.store.update(stored, stored.generation.evolve(state=state))
    assert [item.generation.state for item in book.store.load(INDEX)] == ["live"]
    live = book.store.read_index(INDEX).live
    assert live is not None
    assert live.generation.name == book.generation(1).name


def test_a_change_of_an_outdated_reading_is_refused(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    (stored,) = book.store.load(INDEX)
    assert book.store.update(stored, stored.generation.evolve(state="seeding"))
    assert not book.store.update(stored, stored.generation.evolve(state="retired"))
    assert not book.store.delete(stored)
    assert [item.generation.state for item in book.store.load(INDEX)] == ["seeding"]


def test_of_changes_at_once_one_is_made(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    (stored,) = book.store.load(INDEX)

    def update(number: int) -> bool:
        return book.store.update(stored, stored.generation.evolve(created_at=float(number)))

    with ThreadPoolExecutor(4) as executor:
        done = list(executor.map(update, range(1, 9)))
    assert done.count(True) == 1
    (found,) = book.store.load(INDEX)
    assert found.generation.created_at == 1.0 + done.index(True)


def test_a_deleted_generation_is_gone_at_once(book: Bookkeeping) -> None:
    for number in (1, 2):
        assert book.store.create(book.generation(number))
    first, second = book.store.load(INDEX)
    assert book.store.delete(first)
    assert book.names() == [second.generation.name]
    assert not book.store.update(first, first.generation.evolve(state="live"))
    assert book.names() == [second.generation.name]


def test_a_deleted_generation_can_be_created_again(book: Bookkeeping) -> None:
    assert book.store.create(book.generation(1))
    assert book.store.delete(book.store.load(INDEX)[0])
    assert book.store.create(book.generation(1, state="seeding"))
    assert [item.generation.state for item in book.store.load(INDEX)] == ["seeding"]


def test_the_order_of_schemas_is_kept_and_replaced(store: Store) -> None:
    first = SchemaOrder(INDEX, ("aaaaaaaa",))
    assert store.put_order(first, None)
    ordered = store.read_index(INDEX).ordered
    assert ordered is not None
    assert ordered.order == first
    second = first.with_newest("bbbbbbbb")
    assert store.put_order(second, ordered)
    found = store.read_index(INDEX).ordered
    assert found is not None
    assert found.order == second
    assert store.read_index("other").ordered is None


def test_an_order_of_an_outdated_reading_is_refused(store: Store) -> None:
    first = SchemaOrder(INDEX, ("aaaaaaaa",))
    assert store.put_order(first, None)
    ordered = store.read_index(INDEX).ordered
    assert store.put_order(first.with_newest("bbbbbbbb"), ordered)
    for outdated in (ordered, None):
        assert not store.put_order(first.with_newest("cccccccc"), outdated)
    found = store.read_index(INDEX).ordered
    assert found is not None
    assert found.order.hashes == ("aaaaaaaa", "bbbbbbbb")


def test_a_missing_worker_can_be_forgotten(store: Store) -> None:
    for _ in range(2):
        store.forget_worker(Carrier("worker:gone", PLAN.hash, 1))
    assert is_empty(store.read_index(INDEX))


def test_the_indexes_of_all_generations_are_listed(book: Bookkeeping) -> None:
    made = [book.generation(number) for number in (1, 12)]
    for item in made:
        assert book.store.create(item)
        book.make_index(item)
    assert set(book.store.physical(INDEX)) == {item.name for item in made}
    assert book.store.physical("user") == []


@pytest.mark.services
def test_a_pause_is_recorded_once_and_removed_once(services: Services, index_prefix: str) -> None:
    """Without a cluster nothing is paused."""
    with closing(Cluster(connection(services.opensearch_url))) as cluster:
        store = GenerationStore(cluster, index_prefix)
        store.ensure()
        ends = {TopicPartition("t.public.users", 0): 7}
        assert store.pause(Pause(INDEX, 1.5, ends))
        assert not store.pause(Pause(INDEX, 2.5))
        paused = store.read_index(INDEX).paused
        assert paused is not None
        assert paused.pause == Pause(INDEX, 1.5, ends)
        assert store.read_index("other").paused is None
        assert store.resume(paused)
        assert is_empty(store.read_index(INDEX))
        assert store.pause(Pause(INDEX, 3.5))
        assert not store.resume(paused)
        assert store.read_index(INDEX).paused is not None
