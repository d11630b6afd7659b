"""The requests that searches make, as text that a reader of OpenSearch's manual knows."""

from __future__ import annotations

from typing import Any

import pytest

from flusso_query import Highlight, Point, Search, Sort, by_score, by_script, match_all
from support.query.kinds import KindCard, Kinds, Others

K = Kinds.f
P = K.parts
OPEN = K.state.eq("open")


def query(search: Search[Any]) -> Any:
    return search.body()["query"]


def test_clauses_are_lists_in_a_fixed_order_and_empty_ones_are_left_out() -> None:
    search = (
        Search(Kinds)
        .must_not(P.any(P.kind.eq("nut")))
        .filter(K.state.any_of(["open", "done"]))
        .query(K.title.match("tide"), None)
        .sort(K.small.desc())
        .from_(20)
        .size(10)
    )
    lost = {"nested": {"path": "parts", "query": {"term": {"parts.kind": "nut"}}}}
    assert search.body() == {
        "query": {
            "bool": {
                "must": [{"match": {"title": "tide"}}],
                "filter": [{"terms": {"state": ["open", "done"]}}],
                "must_not": [lost],
            }
        },
        "sort": [{"small": {"order": "desc"}}],
        "from": 20,
        "size": 10,
    }
    assert list(query(search)["bool"]) == ["must", "filter", "must_not"]


def test_ids_and_counts_ask_for_no_more_than_they_need() -> None:
    search = (
        Search(Kinds)
        .filter(OPEN)
        .sort(K.id.asc())
        .size(5)
        .highlight(K.title)
        .explain()
        .filter_nested(P.matching())
    )
    found = {"bool": {"filter": [{"term": {"state": "open"}}]}}
    assert search.count_body() == {"query": found}
    assert search.ids_body() == {
        "query": found,
        "sort": [{"id": {"order": "asc"}}],
        "size": 5,
        "_source": False,
    }


def test_elements_are_found_by_a_clause_without_weight() -> None:
    shown = P.matching(P.kind.eq("bolt")).sort(P.count.desc(), P.bits.weight.asc()).size(2)
    search = Search(Kinds).filter_nested(shown)
    assert search.body() == {
        "query": {
            "bool": {
                "must": [{"match_all": {}}],
                "should": [
                    {
                        "nested": {
                            "path": "parts",
                            "query": {"term": {"parts.kind": "bolt"}},
                            "score_mode": "none",
                            "inner_hits": {
                                "name": "parts",
                                "size": 2,
                                "sort": [
                                    {"parts.count": {"order": "desc"}},
                                    {
                                        "parts.bits.weight": {
                                            "order": "asc",
                                            "mode": "min",
                                            "nested": {"path": "parts.bits"},
                                        }
                                    },
                                ],
                            },
                            "boost": 0,
                        }
                    }
                ],
            }
        },
        "_source": {"excludes": ["parts"]},
    }


def test_without_a_size_as_many_elements_are_asked_for_as_there_may_be() -> None:
    body = Search(Kinds).filter_nested(P.bits.matching()).body(inner_window=500)
    [outer] = body["query"]["bool"]["should"]
    assert outer["nested"]["inner_hits"] == {"name": "parts", "size": 500, "_source": False}
    [inner] = outer["nested"]["query"]["bool"]["should"]
    assert inner["nested"]["inner_hits"] == {"name": "parts.bits", "size": 500}
    with pytest.raises(ValueError, match="projected twice"):
        Search(Kinds).filter_nested(P.matching(), P.matching()).body()


SORTS: list[tuple[Sort, Any]] = [
    (K.title.asc(), {"title.keyword_lowercase": {"order": "asc"}}),
    (K.state.desc(), {"state.sort": {"order": "desc"}}),
    (
        K.day.asc(missing="_first", mode="max", unmapped_type="date", numeric_type="date", format="iso8601"),
        {"day": {"order": "asc", "missing": "_first", "mode": "max", "unmapped_type": "date", "numeric_type": "date", "format": "iso8601"}},
    ),
    (P.due.asc(), {"parts.due": {"order": "asc", "mode": "min", "nested": {"path": "parts"}}}),
    (
        P.bits.weight.desc(where=P.bits.color.eq("red")),
        {"parts.bits.weight": {"order": "desc", "mode": "max", "nested": {"path": "parts", "nested": {"path": "parts.bits", "filter": {"term": {"parts.bits.color": "red"}}}}}},
    ),
    (K.spot.distance_from(Point(1, 2), unit="km"), {"_geo_distance": {"order": "asc", "spot": {"lat": 1, "lon": 2}, "unit": "km"}}),
    (by_score(), {"_score": {"order": "desc"}}),
    (by_script("1", "number"), {"_script": {"order": "asc", "type": "number", "script": {"source": "1"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("sort", "dsl"), SORTS)
def test_an_order_makes_this_request(sort: Sort, dsl: Any) -> None:
    assert Search(Kinds).sort(sort).body()["sort"] == [dsl]


def test_a_second_key_on_the_same_field_changes_nothing() -> None:
    search = Search(Kinds).sort(K.id.asc(), None).sort(K.id.desc(), K.code.asc())
    assert search.body()["sort"] == [{"id": {"order": "asc"}}, {"code": {"order": "asc"}}]


OPTIONS: list[tuple[Search[Any], dict[str, Any]]] = [
    (Search(Kinds).min_score(2.0), {"min_score": 2.0}),
    (Search(Kinds).track_total_hits(True), {"track_total_hits": True}),
    (Search(Kinds).track_scores(), {"track_scores": True}),
    (Search(Kinds).search_after([1, "a"]), {"search_after": [1, "a"]}),
    (Search(Kinds).collapse(K.code), {"collapse": {"field": "code"}}),
    (Search(Kinds).post_filter(OPEN), {"post_filter": {"term": {"state": "open"}}}),
    (Search(Kinds).post_filter(None), {}),
    (Search(Kinds).explain(), {"explain": True}),
    (Search(Kinds).timeout(0.5), {"timeout": "500ms"}),
    (Search(Kinds).terminate_after(7), {"terminate_after": 7}),
    (Search(Kinds).suggest("a", {"text": "x"}).suggest("b", {}), {"suggest": {"a": {"text": "x"}, "b": {}}}),
    (Search(Kinds).raw({"rescore": {"window_size": 5}}), {"rescore": {"window_size": 5}}),
    (
        Search(Kinds).highlight(K.title, Highlight(P.note, fragment_size=5, number_of_fragments=2, require_field_match=False, query=match_all())),
        {"highlight": {"fields": {"title": {}, "parts.note": {"fragment_size": 5, "number_of_fragments": 2, "require_field_match": False, "highlight_query": {"match_all": {}}}}}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("search", "more"), OPTIONS)
def test_an_option_makes_this_request(search: Search[Any], more: dict[str, Any]) -> None:
    assert search.body() == {"query": {"match_all": {}}, **more}


def test_what_is_fetched_is_what_the_models_have() -> None:
    assert "_source" not in Search(Kinds).body()
    assert Search(KindCard).body()["_source"] == {
        "includes": ["code", "size.unit", "size.width", "title"]
    }
    # One of them reads everything.
    assert "_source" not in Search(KindCard, Others).body()
    projected = Search(KindCard).filter_nested(P.bits.matching())
    assert "parts" in projected.body()["_source"]["includes"]


def test_a_search_is_not_changed_by_its_methods() -> None:
    search = Search(Kinds)
    search.filter(OPEN).size(5).sort(K.id.asc())
    assert search.body() == {"query": {"match_all": {}}}
