"""Iteration over any number of hits while the index changes and is rebuilt, on a real OpenSearch of both lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flusso_query import Point, Search, Sort, by_score
from flusso_query.errors import IndexMissingError
from support.kits.query_kit import Json, QueryKit
from support.names import unique
from support.query.kinds import KindCard, Kinds, Others, documents, plan

pytestmark = [pytest.mark.services, pytest.mark.timeout(600), pytest.mark.xdist_group("query")]

K = Kinds.f
OTHERS = plan("others")
MANY, FEWER = 100_000, 6_000
"""On the newer line, and on the older one, where it is the same code of OpenSearch."""


def small(numbers: range, text: str) -> Iterator[Json]:
    return ({"id": number, "code": text} for number in numbers)


@contextmanager
def three_shards(url: str) -> Iterator[QueryKit]:
    kit = QueryKit(url, unique("flusso_test_") + "_", shards=3)
    try:
        yield kit
    finally:
        kit.remove_all()
        kit.close()


@pytest.fixture
def sharded(opensearch_url: str) -> Iterator[QueryKit]:
    """No index yet."""
    with three_shards(opensearch_url) as kit:
        yield kit


@pytest.fixture(scope="module")
def seeded(opensearch_url: str) -> Iterator[QueryKit]:
    """Two indexes, which tests leave as they are."""
    with three_shards(opensearch_url) as kit:
        kit.seed(plan(), documents(120))
        kit.seed(OTHERS, small(range(50), "other"))
        yield kit


def test_each_document_is_given_once_while_the_index_changes_and_is_rebuilt(
    sharded: QueryKit,
) -> None:
    """Those that are there all the time: none is missing, whatever happens to the others."""
    count = MANY if sharded.line > 2 else FEWER
    first = sharded.seed(OTHERS, small(range(count), "first"))
    second = sharded.create(OTHERS, number=2)
    third = sharded.create(OTHERS, number=3)
    given: Counter[str] = Counter()
    page = count // 20
    for number, hit in enumerate(sharded.client.iterate(Search(Others), page=page), start=1):
        given[hit.id] += 1
        if number == 3 * page:
            # A part changes, a part is deleted, others come.
            sharded.write(first, small(range(0, count, 50), "changed"))
            sharded.delete(first, map(str, range(1, count, 100)))
            sharded.write(first, small(range(count, count + 500), "new"))
            sharded.opensearch.indices.refresh(index=first.physical)
        if number == 7 * page:
            stays = (
                document for document in small(range(count), "second") if document["id"] % 100 != 1
            )
            sharded.write(second, stays)
            sharded.publish(second)
            sharded.remove(first)
        if number == 12 * page:
            sharded.write(third, small(range(count), "third"))
            sharded.publish(third)
            sharded.remove(second)
    assert set(given.values()) == {1}
    there_throughout = {str(number) for number in range(count) if number % 100 != 1}
    assert there_throughout - given.keys() == set()


def test_what_is_written_after_the_first_page_does_not_show(sharded: QueryKit) -> None:
    name = sharded.seed(OTHERS, small(range(50), "first"))
    walk = sharded.client.iterate(Search(Others), page=10)
    codes = [next(walk).document.code]
    sharded.write(name, small(range(100), "later"))
    sharded.opensearch.indices.refresh(index=name.physical)
    codes += [hit.document.code for hit in walk]
    assert codes == ["first"] * 50


ORDERS: dict[str, list[Sort]] = {
    "numbers": [K.small.asc(), K.id.desc()],
    "texts, missing last": [K.title.asc(), K.id.asc()],
    "texts, missing first": [K.title.desc(missing="_first"), K.id.asc()],
    "dates, missing last": [K.day.desc(), K.id.asc()],
    "elements": [K.parts.count.desc(), K.id.asc()],
    "distances": [K.spot.distance_from(Point(0, 0)), K.id.asc()],
    "scores": [by_score(), K.id.asc()],
}


@pytest.mark.parametrize("order", ORDERS)
def test_hits_of_several_shards_are_in_the_order_of_the_search(
    seeded: QueryKit, order: str
) -> None:
    search = Search(Kinds).should(K.title.match("tide")).filter(K.id.lte(110)).sort(*ORDERS[order])
    whole = [hit.id for hit in seeded.client.search(search.size(200)).hits]
    assert len(whole) == 110
    # The page is smaller than what a shard has, and size and from of the search do not count.
    walk = seeded.client.iterate(search.from_(3).size(2), page=20)
    assert [hit.id for hit in walk] == whole


def test_hits_have_what_the_search_asks_for(seeded: QueryKit) -> None:
    bolts = K.parts.matching(K.parts.kind.eq("bolt"))
    hits = list(seeded.client.iterate(Search(Kinds).filter_nested(bolts), page=30))
    assert {part.kind for hit in hits for part in hit.document.parts} == {"bolt"}
    cards = list(seeded.client.iterate(Search(KindCard).filter(K.active.eq(True)), page=30))
    assert sorted(card.document.code for card in cards) == sorted(
        document["code"] for document in documents(120) if document["active"]
    )
    both = [hit.id for hit in seeded.client.iterate(Search(KindCard, Others), page=30)]
    assert len(both) == 170
    with pytest.raises(TypeError, match="leave out the order"):
        list(seeded.client.iterate(Search(KindCard, Others).sort(K.id.asc())))
    assert list(seeded.client.iterate(Search(Kinds).filter(K.id.eq(-1)))) == []


def test_a_walk_that_is_left_gives_back_its_point_in_time(seeded: QueryKit) -> None:
    def contexts() -> int:
        stats = seeded.opensearch.indices.stats(index=f"{seeded.prefix}others_*", metric="search")
        found: int = stats["_all"]["total"]["search"]["point_in_time_current"]
        return found

    walk = seeded.client.iterate(Search(Others), page=10)
    next(walk)
    assert contexts() == 3
    walk.close()
    assert contexts() == 0
    list(seeded.client.iterate(Search(Others), page=10))
    assert contexts() == 0


def test_an_index_that_is_gone_for_good_ends_the_walk(sharded: QueryKit) -> None:
    name = sharded.seed(OTHERS, small(range(50), "first"))
    walk = sharded.client.iterate(Search(Others), page=10)
    next(walk)
    sharded.remove(name)
    with pytest.raises(IndexMissingError, match="others_"):
        list(walk)
