"""Orders, pages, arrays shown in part, and what comes with hits, on a real OpenSearch of both lines."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from flusso_query import (
    Distance,
    Highlight,
    Point,
    Projection,
    Search,
    Sort,
    by_score,
    by_script,
)
from flusso_query.errors import TruncatedError
from support.kits.query_kit import QueryKit
from support.query.case import Json, words
from support.query.kinds import KindCard, Kinds, documents, plan

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("query")]

K = Kinds.f
P = K.parts
DOCUMENTS = list(documents(120))
Key = Callable[[Json], Any]


def _last(value: Any, greatest: Any) -> tuple[bool, Any]:
    """Documents without a value come last."""
    return value is None, greatest if value is None else value


def _least(document: Json, count: Callable[[Json], list[Any]]) -> tuple[bool, Any]:
    values = [value for part in document["parts"] for value in count(part) if value is not None]
    return not values, min(values, default=0)


ORDERS: list[tuple[str, Sort, Key]] = [
    ("keyword", K.code.asc(), lambda d: d["code"]),
    ("enum by its variants", K.state.asc(), lambda d: ["new", "open", "done"].index(d["state"])),
    (
        "text by its lower case",
        K.title.asc(),
        lambda d: _last(d["title"] and d["title"].lower(), ""),
    ),
    ("bool", K.active.desc(), lambda d: not d["active"]),
    ("number", K.medium.desc(), lambda d: _last(d["medium"] and -d["medium"], 0)),
    (
        "missing first",
        K.medium.asc(missing="_first"),
        lambda d: (d["medium"] is not None, d["medium"] or 0),
    ),
    ("missing as a value", K.medium.asc(missing=0), lambda d: d["medium"] or 0),
    ("date", K.day.desc(), lambda d: _last(d["day"] and -int(d["day"].replace("-", "")), 0)),
    ("other type", K.small.asc(numeric_type="double"), lambda d: d["small"]),
    ("in an object", K.size.width.asc(), lambda d: d["size"]["width"]),
    ("least of an array", P.count.asc(), lambda d: _least(d, lambda p: [p["count"]])),
    (
        "least of those that match",
        P.count.asc(where=P.kind.eq("bolt")),
        lambda d: _least(d, lambda p: [p["count"]] if p["kind"] == "bolt" else []),
    ),
    (
        "in an array in an array",
        P.bits.weight.asc(),
        lambda d: _least(d, lambda p: [bit["weight"] for bit in p["bits"]]),
    ),
    (
        "key of a map",
        K.labels.key("size").asc(),
        lambda d: _last((d["labels"] or {}).get("size"), ""),
    ),
    (
        "keys of a map of texts",
        K.names.sorted_by("fr", "de"),
        lambda d: _last((d["names"] or {}).get("fr") or (d["names"] or {}).get("de"), ""),
    ),
    (
        "keys of a map of numbers",
        K.amounts.sorted_by("eur", "usd", direction="desc"),
        lambda d: _last(_money(d), 0),
    ),
    (
        "keys of a map of moments",
        K.moments.sorted_by("made"),
        lambda d: _last((d["moments"] or {}).get("made"), ""),
    ),
    (
        "script",
        by_script("doc['small'].value * params.factor", "number", "desc", factor=2),
        lambda d: -d["small"],
    ),
    (
        "none of these",
        K.size.unit.asc(unmapped_type="keyword"),
        lambda d: _last(d["size"]["unit"], ""),
    ),
]


def _money(document: Json) -> float | None:
    amounts = document["amounts"] or {}
    found = amounts.get("eur", amounts.get("usd"))
    return None if found is None else -found


@pytest.mark.parametrize(
    ("sort", "key"), [item[1:] for item in ORDERS], ids=[item[0] for item in ORDERS]
)
def test_hits_are_in_this_order(kinds: QueryKit, sort: Sort, key: Key) -> None:
    found = kinds.client.ids(Search(Kinds).sort(sort, K.id.asc()).size(200))
    assert found == [str(d["id"]) for d in sorted(DOCUMENTS, key=lambda d: (key(d), d["id"]))]


def test_the_greatest_of_an_array_decides_where_large_values_come_first(kinds: QueryKit) -> None:
    def key(document: Json) -> Any:
        counts = [part["count"] for part in document["parts"]]
        return -max(counts, default=-1), document["id"]

    found = kinds.client.ids(Search(Kinds).sort(P.count.desc(), K.id.asc()).size(200))
    assert found == [str(d["id"]) for d in sorted(DOCUMENTS, key=key)]
    means = {
        str(d["id"]): sum(p["count"] for p in d["parts"]) / len(d["parts"])
        for d in DOCUMENTS
        if d["parts"]
    }
    found = kinds.client.ids(
        Search(Kinds).filter(P.exists()).sort(P.count.asc(mode="avg")).size(200)
    )
    # OpenSearch rounds the mean of whole numbers.
    rounded = [math.floor(means[id_] + 0.5) for id_ in found]
    assert rounded == sorted(rounded)
    assert found != sorted(found)


def test_hits_are_in_order_of_their_distance(kinds: QueryKit) -> None:
    near = K.spot.distance_from(Point(0, 0), unit="km", mode="min", distance_type="arc")
    hits = kinds.client.search(Search(Kinds).filter(K.spot.exists()).sort(near).size(200)).hits
    distances = [hit.sort[0] for hit in hits]
    assert distances == sorted(distances)
    within = kinds.client.count(
        Search(Kinds).filter(K.spot.within(Distance(distances[9] + 0.001, "km"), Point(0, 0)))
    )
    assert within == 10


def test_pages_are_cut_and_counted(kinds: QueryKit) -> None:
    search = Search(Kinds).sort(K.id.asc())
    assert kinds.client.ids(search.from_(20).size(3)) == ["21", "22", "23"]
    result = kinds.client.search(search.from_(118).size(10))
    assert [hit.id for hit in result.hits] == ["119", "120"]
    assert (result.total, result.total_is_exact, result.is_partial) == (120, True, False)
    after = kinds.client.search(search.search_after(result.hits[0].sort))
    assert [hit.id for hit in after.hits] == ["120"]
    assert kinds.client.search(search.track_total_hits(False)).total is None
    some = kinds.client.search(search.track_total_hits(50))
    assert (some.total, some.total_is_exact) == (50, False)
    assert len(kinds.client.search(search).hits) == 10


def test_clauses_without_a_query_find_everything(kinds: QueryKit) -> None:
    search = Search(Kinds).query(None).filter(None).must_not(None).should(None)
    assert search.body() == {"query": {"match_all": {}}}
    assert kinds.client.count(search) == 120


def test_clauses_are_in_this_order_and_mean_what_they_say(kinds: QueryKit) -> None:
    search = (
        Search(Kinds)
        .must_not(K.state.eq("new"))
        .should(K.code.prefix("A"), K.small.gt(0), minimum=1)
        .filter(K.active.eq(True))
        .query(K.title.match("tide"))
    )
    assert list(search.body()["query"]["bool"]) == [
        "must",
        "filter",
        "should",
        "must_not",
        "minimum_should_match",
    ]
    expected = [
        d["id"]
        for d in DOCUMENTS
        if d["active"]
        and d["state"] != "new"
        and "tide" in words(d["title"])
        and (d["code"][0] == "A" or d["small"] > 0)
    ]
    hits = kinds.client.search(search.size(200)).hits
    assert sorted(int(hit.id) for hit in hits) == expected
    assert all((hit.score or 0) > 0 for hit in hits)


def test_scores_order_and_restrict(kinds: QueryKit) -> None:
    search = Search(Kinds).query(K.title.match("tide")).size(200)
    hits = kinds.client.search(search.sort(by_score(), K.id.asc())).hits
    scores = [hit.score or 0.0 for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert kinds.client.search(search).max_score == scores[0]
    best = kinds.client.search(search.min_score(scores[4]))
    assert len(best.hits) == sum(score >= scores[4] for score in scores)
    unscored = kinds.client.search(search.sort(K.id.asc())).hits
    assert {hit.score for hit in unscored} == {None}
    tracked = kinds.client.search(search.sort(K.id.asc()).track_scores()).hits
    assert {hit.id: hit.score for hit in tracked} == {hit.id: hit.score for hit in hits}


def test_one_hit_for_each_value(kinds: QueryKit) -> None:
    hits = kinds.client.search(Search(Kinds).collapse(K.state).sort(K.id.asc())).hits
    first = {
        state: next(d["id"] for d in DOCUMENTS if d["state"] == state)
        for state in ("new", "open", "done")
    }
    assert sorted(int(hit.id) for hit in hits) == sorted(first.values())


def test_what_comes_with_a_hit(kinds: QueryKit) -> None:
    query = K.title.match("tide").named("its title") | K.small.gt(0).named("its size")
    search = (
        Search(Kinds)
        .query(query)
        .filter(K.title.match("tide"))
        .highlight(
            Highlight(K.title, pre_tag="<b>", post_tag="</b>", number_of_fragments=0), K.code
        )
        .explain()
        .suggest("words", {"text": "tibe", "term": {"field": "title"}})
        .timeout(30)
        .params(request_timeout=60)
    )
    result = kinds.client.search(search)
    for hit in result.hits:
        assert "its title" in hit.matched_queries
        [piece] = hit.highlight(K.title)
        assert "<b>tide</b>" in piece.lower()
        assert hit.highlight(K.code) == ()
        assert hit.explanation is not None
        assert hit.explanation["value"] == pytest.approx(hit.score)
        assert hit.index.startswith(kinds.prefix)
    [suggestion] = result.suggestions["words"]
    assert suggestion["options"][0]["text"] == "tide"


def test_a_projection_is_fetched_in_part(kinds: QueryKit) -> None:
    search = Search(KindCard).sort(K.id.asc()).size(200)
    assert search.body()["_source"] == {"includes": ["code", "size.unit", "size.width", "title"]}
    hits = kinds.client.search(search).hits
    assert [(hit.document.code, hit.document.heading) for hit in hits] == [
        (d["code"], d["title"]) for d in DOCUMENTS
    ]
    assert [hit.document.size.model_dump() for hit in hits] == [d["size"] for d in DOCUMENTS]


def test_documents_without_a_model_are_as_they_were_written(kinds: QueryKit) -> None:
    result = kinds.client.search(Search(Kinds).sort(K.id.asc()).size(200).untyped())
    assert result.documents == DOCUMENTS
    typed = kinds.client.search(Search(Kinds).sort(K.id.asc()).size(200))
    assert [str(d.token) for d in typed.documents] == [d["token"] for d in DOCUMENTS]


def texts(elements: list[Json]) -> list[str]:
    return sorted(json.dumps(element, sort_keys=True) for element in elements)


def shown(kit: QueryKit, *projections: Projection) -> dict[int, Json]:
    search = Search(Kinds).filter_nested(*projections).sort(K.id.asc()).size(200)
    return {hit.document["id"]: hit.document for hit in kit.client.search(search.untyped()).hits}


def test_hits_show_the_elements_that_match(kinds: QueryKit) -> None:
    found = shown(kinds, P.matching(P.kind.eq("bolt")))
    for document in DOCUMENTS:
        kept = [part for part in document["parts"] if part["kind"] == "bolt"]
        # Their order is that of their scores.
        assert texts(found[document["id"]]["parts"]) == texts(kept)
        rest = {**found[document["id"]], "parts": document["parts"]}
        assert rest == document


def test_elements_are_sorted_and_cut(kinds: QueryKit) -> None:
    projection = P.matching().sort(P.count.desc(), P.kind.asc()).from_(1).size(2)
    found = shown(kinds, projection)
    for document in DOCUMENTS:
        ordered = sorted(document["parts"], key=lambda part: (-part["count"], part["kind"]))
        kept = [(part["count"], part["kind"]) for part in ordered][1:3]
        assert [(p["count"], p["kind"]) for p in found[document["id"]]["parts"]] == kept


def test_elements_of_elements_are_shown_in_their_place(kinds: QueryKit) -> None:
    heavy = P.bits.matching(P.bits.weight.gt(4)).sort(P.bits.weight.desc()).size(1)
    found = shown(kinds, heavy)
    for document in DOCUMENTS:
        parts = found[document["id"]]["parts"]
        assert len(parts) == len(document["parts"])
        for shown_part, part in zip(parts, document["parts"], strict=True):
            weights = sorted((bit["weight"] for bit in part["bits"]), reverse=True)
            assert [bit["weight"] for bit in shown_part["bits"]] == [w for w in weights if w > 4][
                :1
            ]
            assert {**shown_part, "bits": part["bits"]} == part


def test_arrays_are_shown_in_part_at_both_levels(kinds: QueryKit) -> None:
    found = shown(
        kinds,
        P.matching(P.kind.eq("bolt")).sort(P.count.asc()),
        P.bits.matching(P.bits.color.eq("red")),
        P.maker.sites.matching(P.maker.sites.town.eq("oslo")),
    )
    for document in DOCUMENTS:
        bolts = [part for part in document["parts"] if part["kind"] == "bolt"]
        shown_parts = found[document["id"]]["parts"]
        assert [part["count"] for part in shown_parts] == sorted(part["count"] for part in bolts)
        assert all(bit["color"] == "red" for part in shown_parts for bit in part["bits"])
        red = sum(bit["color"] == "red" for part in bolts for bit in part["bits"])
        assert sum(len(part["bits"]) for part in shown_parts) == red
        oslo = sum(site["town"] == "oslo" for part in bolts for site in part["maker"]["sites"])
        sites = [site for part in shown_parts for site in part["maker"]["sites"]]
        assert sites == [{"town": "oslo"}] * oslo


def test_what_is_shown_changes_neither_hits_nor_scores(kinds: QueryKit) -> None:
    search = Search(Kinds).query(K.title.match("tide")).sort(by_score(), K.id.asc()).size(200)
    plain = kinds.client.search(search).hits
    shaped = search.filter_nested(P.matching(P.note.match("tide")))
    hits = kinds.client.search(shaped).hits
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in plain]
    assert hits[0].inner_totals.keys() == {"parts"}
    assert kinds.client.ids(shaped) == [hit.id for hit in plain]
    assert kinds.client.count(shaped) == len(plain)


def test_more_elements_than_opensearch_gives_at_once_are_an_error_and_no_shorter_array(
    alone: QueryKit,
) -> None:
    part = next(part for document in DOCUMENTS for part in document["parts"])
    alone.seed(plan(), [{**DOCUMENTS[0], "parts": [part] * 130}])
    with pytest.raises(TruncatedError, match="130 elements of `parts` match") as caught:
        alone.client.search(Search(Kinds).filter_nested(P.matching()))
    assert (caught.value.returned, caught.value.total) == (100, 130)
    [hit] = alone.client.search(Search(Kinds).filter_nested(P.matching().size(5))).hits
    assert len(hit.document.parts) == 5
    assert hit.inner_totals == {"parts": 130}
    [hit] = alone.client.search(Search(Kinds)).hits
    assert len(hit.document.parts) == 130
