"""Two workers that build one document never leave the older one behind, whichever writes last (I3).

Real snapshots of Postgres, the real index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

import pytest

from flusso_shared.seams import Batch
from flusso_worker.documents.built import Built
from flusso_worker.sinks.opensearch import OpenSearchSink
from services import Services
from support.documents import run
from support.kits.build_kit import BuildKit
from support.kits.index_kit import IndexKit, expected
from support.stores import small as small_store

pytestmark = pytest.mark.services

ORDERS = [pytest.param((0, 1), id="older-first"), pytest.param((1, 0), id="newer-first")]


class BuildingWorker(BuildKit):
    """Builds and writes like one worker, with connections of its own."""

    def __init__(self, url: str, index: IndexKit) -> None:
        super().__init__(url)
        self._index = index
        self._sink = OpenSearchSink(index.cluster, self.clock)

    def write(self, built: Built) -> None:
        self._sink.write(Batch(self._index.name, built.operations, built.taken_at))

    def write_all(self, chunks: Sequence[Built]) -> None:
        for built in chunks:
            self.write(built)


@dataclass
class Scene:
    url: str
    index: IndexKit
    workers: Sequence[BuildingWorker] = field(init=False)

    def __post_init__(self) -> None:
        self.workers = [BuildingWorker(self.url, self.index) for _ in range(2)]

    def race(self, change: str, order: tuple[int, int]) -> None:
        """One worker builds before `change`, the other after it; they write in `order`."""
        built = [self.workers[0].build_keys(1, 2)]
        run(self.url, change)
        built.append(self.workers[1].build_keys(1, 2))
        for at in order:
            self.workers[at].write(built[at])
        assert self.index.documents() == expected(self.url)


@pytest.fixture
def scene(services: Services, database: str, index_prefix: str) -> Iterator[Scene]:
    small_store.create(database)
    small_store.fill(database, 2)
    index = IndexKit(services.opensearch_url, index_prefix)
    index.create()
    made = Scene(database, index)
    yield made
    for worker in made.workers:
        worker.close()
    index.close()


@pytest.mark.parametrize("order", ORDERS)
def test_an_update(scene: Scene, order: tuple[int, int]) -> None:
    scene.race("UPDATE users SET name = 'second' WHERE id = 1", order)


@pytest.mark.parametrize("order", ORDERS)
def test_a_childs_change(scene: Scene, order: tuple[int, int]) -> None:
    scene.race("UPDATE orders SET user_id = 2 WHERE user_id = 1", order)


@pytest.mark.parametrize("order", ORDERS)
def test_a_delete(scene: Scene, order: tuple[int, int]) -> None:
    scene.race("DELETE FROM users WHERE id = 1", order)


@pytest.mark.parametrize("order", ORDERS)
def test_a_delete_of_a_document_that_is_there(scene: Scene, order: tuple[int, int]) -> None:
    scene.workers[0].write(scene.workers[0].build_keys(1, 2))
    scene.race("DELETE FROM users WHERE id = 1", order)


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_that_comes_back(scene: Scene, order: tuple[int, int]) -> None:
    scene.workers[0].write(scene.workers[0].build_keys(1, 2))
    run(scene.url, "DELETE FROM users WHERE id = 1")
    scene.race("INSERT INTO users VALUES (1, 'back')", order)


def test_two_builds_of_one_state_may_overwrite_each_other(scene: Scene) -> None:
    first, second = (worker.build_keys(1, 2) for worker in scene.workers)
    scene.workers[0].write(first)
    scene.workers[1].write(second)
    scene.workers[0].write(first)
    assert scene.index.documents() == expected(scene.url)


def test_any_interleaving_ends_in_the_newest_state(scene: Scene) -> None:
    """Builds of 60 successive states, delivered by two workers at once in a random order."""
    chance = Random(3)
    built: list[Built] = []
    for step in range(60):
        if step % 7 == 3:
            run(scene.url, "DELETE FROM users WHERE id = 1")
        else:
            run(
                scene.url,
                f"INSERT INTO users VALUES (1, 'state {step}')"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            )
        built.append(scene.workers[step % 2].build_keys(1, 2))
    chance.shuffle(built)
    with ThreadPoolExecutor(2) as executor:
        writing = [
            executor.submit(scene.workers[at].write_all, half)
            for at, half in enumerate((built[:30], built[30:]))
        ]
        for future in writing:
            future.result(60)
    assert scene.index.documents() == expected(scene.url)
