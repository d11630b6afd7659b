"""Queries on arrays and maps, of several fields, and made of queries: request and result."""

from __future__ import annotations

from datetime import UTC, date, datetime

from flusso_query import (
    Distance,
    Function,
    Point,
    boosting,
    combined_fields,
    constant_score,
    dis_max,
    distance_feature,
    function_score,
    ids,
    match_all,
    match_none,
    more_like_this,
    multi_match,
    query_string,
    rank_feature,
    raw,
    script,
    script_score,
    simple_query_string,
)
from support.query.case import Case, Json, parts, phrase, words
from support.query.kinds import Kinds

K = Kinds.f
P = K.parts
_RED = P.bits.color.eq("red")
_BOLT = P.kind.eq("bolt")


def _bits(document: Json, **wanted: str) -> bool:
    return any(
        all(bit[key] == value for key, value in wanted.items())
        for part in document["parts"]
        for bit in part["bits"]
    )


NESTED = [
    Case(
        "any",
        P.any(_BOLT),
        {"nested": {"path": "parts", "query": {"term": {"parts.kind": "bolt"}}}},
        lambda d: any(parts(d, kind="bolt")),
    ),
    Case(
        "any, options",
        P.any(_BOLT, score_mode="max", ignore_unmapped=True).boost(2).named("n"),
        {
            "nested": {
                "path": "parts",
                "query": {"term": {"parts.kind": "bolt"}},
                "score_mode": "max",
                "ignore_unmapped": True,
                "boost": 2,
                "_name": "n",
            }
        },
        lambda d: any(parts(d, kind="bolt")),
    ),
    Case(
        "of one element",
        P.any(_BOLT & P.count.gt(4)),
        {
            "nested": {
                "path": "parts",
                "query": {
                    "bool": {
                        "must": [
                            {"term": {"parts.kind": "bolt"}},
                            {"range": {"parts.count": {"gt": 4}}},
                        ]
                    }
                },
            }
        },
        lambda d: any(part["count"] > 4 for part in parts(d, kind="bolt")),
    ),
    Case(
        "of two elements",
        P.any(_BOLT) & P.any(P.count.gt(4)),
        {"bool": {"must": [P.any(_BOLT).dsl(), P.any(P.count.gt(4)).dsl()]}},
        lambda d: any(parts(d, kind="bolt")) and any(part["count"] > 4 for part in d["parts"]),
    ),
    Case(
        "all",
        P.all(_BOLT),
        {
            "bool": {
                "must_not": [
                    {
                        "nested": {
                            "path": "parts",
                            "query": {"bool": {"must_not": [{"term": {"parts.kind": "bolt"}}]}},
                        }
                    }
                ]
            }
        },
        lambda d: all(part["kind"] == "bolt" for part in d["parts"]),
    ),
    Case(
        "array exists",
        P.exists(),
        {"nested": {"path": "parts", "query": {"match_all": {}}}},
        lambda d: bool(d["parts"]),
    ),
    Case(
        "array is empty",
        ~P.exists(),
        {"bool": {"must_not": [P.exists().dsl()]}},
        lambda d: not d["parts"],
    ),
    Case(
        "array in an array",
        P.any(P.bits.any(_RED)),
        {
            "nested": {
                "path": "parts",
                "query": {
                    "nested": {"path": "parts.bits", "query": {"term": {"parts.bits.color": "red"}}}
                },
            }
        },
        lambda d: _bits(d, color="red"),
    ),
    Case(
        "array in an array of the same element",
        P.any(_BOLT & P.bits.any(_RED)),
        {
            "nested": {
                "path": "parts",
                "query": {"bool": {"must": [_BOLT.dsl(), P.bits.any(_RED).dsl()]}},
            }
        },
        lambda d: any(
            bit["color"] == "red" for part in parts(d, kind="bolt") for bit in part["bits"]
        ),
    ),
    Case(
        "array in an array exists",
        P.any(P.bits.exists()),
        {
            "nested": {
                "path": "parts",
                "query": {"nested": {"path": "parts.bits", "query": {"match_all": {}}}},
            }
        },
        lambda d: any(part["bits"] for part in d["parts"]),
    ),
    Case(
        "array in an object in an array",
        P.any(P.maker.sites.any(P.maker.sites.town.eq("oslo")) & P.maker.name.eq("acme")),
        {
            "nested": {
                "path": "parts",
                "query": {
                    "bool": {
                        "must": [
                            {
                                "nested": {
                                    "path": "parts.maker.sites",
                                    "query": {"term": {"parts.maker.sites.town": "oslo"}},
                                }
                            },
                            {"term": {"parts.maker.name": "acme"}},
                        ]
                    }
                },
            }
        },
        lambda d: any(
            part["maker"]["name"] == "acme" and {"town": "oslo"} in part["maker"]["sites"]
            for part in d["parts"]
        ),
    ),
    Case(
        "text in an array",
        P.any(P.note.match_phrase("red tide")),
        {"nested": {"path": "parts", "query": {"match_phrase": {"parts.note": "red tide"}}}},
        lambda d: any(phrase(part["note"], "red tide") for part in d["parts"]),
    ),
    Case(
        "date in an array",
        P.any(P.due.gte(date(2024, 6, 15))),
        {"nested": {"path": "parts", "query": {"range": {"parts.due": {"gte": "2024-06-15"}}}}},
        lambda d: any((part["due"] or "") >= "2024-06-15" for part in d["parts"]),
    ),
    Case(
        "no value in an array",
        P.any(~P.due.exists()),
        {
            "nested": {
                "path": "parts",
                "query": {"bool": {"must_not": [{"exists": {"field": "parts.due"}}]}},
            }
        },
        lambda d: any(part["due"] is None for part in d["parts"]),
    ),
]

MAPS = [
    Case(
        "key of a map of texts",
        K.names.key("de").match("tide"),
        {"match": {"names.de": "tide"}},
        lambda d: "tide" in words((d["names"] or {}).get("de")),
    ),
    Case(
        "whole text of a map",
        K.names.key("de").any_of(["tide"]),
        {"terms": {"names.de.keyword": ["tide"]}},
        lambda d: (d["names"] or {}).get("de") == "tide",
    ),
    Case(
        "has key",
        K.names.has_key("fr"),
        {"exists": {"field": "names.fr"}},
        lambda d: "fr" in (d["names"] or {}),
    ),
    Case(
        "map exists",
        K.names.exists(),
        {"exists": {"field": "names"}},
        lambda d: d["names"] is not None,
    ),
    Case(
        "search in a map",
        K.names.search("tide"),
        {"multi_match": {"query": "tide", "fields": ["names.*"], "type": "best_fields"}},
        lambda d: any("tide" in words(text) for text in (d["names"] or {}).values()),
    ),
    Case(
        "search in a map, options",
        K.names.search(
            "tibe",
            prefer={"de": 3, "en": 1.5},
            only_preferred=True,
            operator="AND",
            fuzziness=1,
            tie_breaker=0.2,
        ),
        {
            "multi_match": {
                "query": "tibe",
                "fields": ["names.de^3", "names.en^1.5"],
                "type": "best_fields",
                "operator": "AND",
                "fuzziness": 1,
                "tie_breaker": 0.2,
            }
        },
        lambda d: any("tide" in words((d["names"] or {}).get(key)) for key in ("de", "en")),
    ),
    Case(
        "key of a map of keywords",
        K.labels.key("size").eq("m"),
        {"term": {"labels.size.keyword": "m"}},
        lambda d: (d["labels"] or {}).get("size") == "m",
    ),
    Case(
        "key of a map of numbers",
        K.amounts.key("usd").lt(4),
        {"range": {"amounts.usd": {"lt": 4}}},
        lambda d: (d["amounts"] or {}).get("usd", 9) < 4,
    ),
    Case(
        "key of a map of moments",
        K.moments.key("made").gte(datetime(2024, 5, 10, tzinfo=UTC)),
        {"range": {"moments.made": {"gte": "2024-05-10T00:00:00+00:00"}}},
        lambda d: (d["moments"] or {}).get("made", "") >= "2024-05-10",
    ),
]

WORDS = [
    Case(
        "several fields",
        multi_match("tide", [K.title, K.code.text]),
        {"multi_match": {"query": "tide", "fields": ["title", "code.text"]}},
        lambda d: "tide" in words(d["title"]),
    ),
    Case(
        "several fields, options",
        multi_match(
            "tibe lamp",
            [K.title.boosted(3), K.code.text],
            type="best_fields",
            operator="OR",
            minimum_should_match="50%",
            fuzziness=1,
            prefix_length=1,
            max_expansions=9,
            tie_breaker=0.5,
            slop=1,
            analyzer="standard",
            zero_terms_query="none",
            lenient=True,
        ),
        {
            "multi_match": {
                "query": "tibe lamp",
                "fields": ["title^3", "code.text"],
                "type": "best_fields",
                "operator": "OR",
                "minimum_should_match": "50%",
                "fuzziness": 1,
                "prefix_length": 1,
                "max_expansions": 9,
                "tie_breaker": 0.5,
                "slop": 1,
                "analyzer": "standard",
                "zero_terms_query": "none",
                "lenient": True,
            }
        },
        lambda d: bool({"tide", "lamp"} & {*words(d["title"])}),
    ),
    *(
        Case(
            f"several fields, {kind}",
            multi_match("red tide", [K.title], type=kind),
            {"multi_match": {"query": "red tide", "fields": ["title"], "type": kind}},
            (lambda d: phrase(d["title"], "red tide"))
            if kind.startswith("phrase")
            else (lambda d: bool({"red", "tide"} & {*words(d["title"])})),
        )
        for kind in ("most_fields", "cross_fields", "phrase", "phrase_prefix", "bool_prefix")
    ),
    Case(
        "fields as one",
        combined_fields("tide lamp", [K.title], operator="OR", minimum_should_match=2),
        {
            "combined_fields": {
                "query": "tide lamp",
                "fields": ["title"],
                "operator": "OR",
                "minimum_should_match": 2,
            }
        },
        lambda d: {"tide", "lamp"} <= {*words(d["title"])},
        newest_only=True,
    ),
    Case(
        "Lucene's language",
        query_string(
            "tide lamp stone",
            [K.title],
            default_operator="OR",
            analyze_wildcard=True,
            fuzziness="AUTO",
            lenient=True,
            minimum_should_match=2,
            tie_breaker=0.1,
        ),
        {
            "query_string": {
                "query": "tide lamp stone",
                "fields": ["title"],
                "default_operator": "OR",
                "analyze_wildcard": True,
                "fuzziness": "AUTO",
                "lenient": True,
                "minimum_should_match": 2,
                "tie_breaker": 0.1,
            }
        },
        lambda d: len({"tide", "lamp", "stone"} & {*words(d["title"])}) >= 2,
    ),
    Case(
        "language for users",
        simple_query_string(
            "tide lamp stone",
            [K.title],
            default_operator="OR",
            flags="ALL",
            analyze_wildcard=False,
            lenient=True,
            minimum_should_match=2,
        ),
        {
            "simple_query_string": {
                "query": "tide lamp stone",
                "fields": ["title"],
                "default_operator": "OR",
                "flags": "ALL",
                "analyze_wildcard": False,
                "lenient": True,
                "minimum_should_match": 2,
            }
        },
        lambda d: len({"tide", "lamp", "stone"} & {*words(d["title"])}) >= 2,
    ),
    Case(
        "more like this",
        more_like_this(
            [K.title],
            ["tide"],
            min_term_freq=1,
            min_doc_freq=1,
            max_query_terms=5,
            minimum_should_match=1,
        ),
        {
            "more_like_this": {
                "fields": ["title"],
                "like": ["tide"],
                "min_term_freq": 1,
                "min_doc_freq": 1,
                "max_query_terms": 5,
                "minimum_should_match": 1,
            }
        },
        lambda d: "tide" in words(d["title"]),
    ),
    Case(
        "in elements",
        P.any(multi_match("tide", [P.note, P.kind.text])),
        {
            "nested": {
                "path": "parts",
                "query": {
                    "multi_match": {"query": "tide", "fields": ["parts.note", "parts.kind.text"]}
                },
            }
        },
        lambda d: any("tide" in words(part["note"]) for part in d["parts"]),
    ),
    Case(
        "ids",
        ids(["3", "5", "x/y"]),
        {"ids": {"values": ["3", "5", "x/y"]}},
        lambda d: d["id"] in (3, 5),
    ),
]

_TIDE = K.title.match("tide")
_ACTIVE = K.active.eq(True)

COMPOUND = [
    Case("everything", match_all(), {"match_all": {}}, lambda d: True),
    Case("nothing", match_none(), {"match_none": {}}, lambda d: False),
    Case(
        "constant score",
        constant_score(_TIDE).boost(3),
        {"constant_score": {"filter": _TIDE.dsl(), "boost": 3}},
        lambda d: "tide" in words(d["title"]),
    ),
    Case(
        "best of",
        dis_max(_TIDE, _ACTIVE, tie_breaker=0.3),
        {"dis_max": {"queries": [_TIDE.dsl(), _ACTIVE.dsl()], "tie_breaker": 0.3}},
        lambda d: d["active"] or "tide" in words(d["title"]),
    ),
    Case(
        "boosting",
        boosting(_TIDE, _ACTIVE, 0.2),
        {"boosting": {"positive": _TIDE.dsl(), "negative": _ACTIVE.dsl(), "negative_boost": 0.2}},
        lambda d: "tide" in words(d["title"]),
    ),
    Case(
        "functions",
        function_score(
            _TIDE,
            [
                Function(2.0),
                Function(3.0, _ACTIVE),
                Function(body={"field_value_factor": {"field": "ratio"}}),
            ],
            score_mode="sum",
            boost_mode="replace",
            max_boost=9.0,
            min_score=3.0,
        ),
        {
            "function_score": {
                "query": _TIDE.dsl(),
                "functions": [
                    {"weight": 2.0},
                    {"weight": 3.0, "filter": _ACTIVE.dsl()},
                    {"field_value_factor": {"field": "ratio"}},
                ],
                "score_mode": "sum",
                "boost_mode": "replace",
                "max_boost": 9.0,
                "min_score": 3.0,
            }
        },
        lambda d: "tide" in words(d["title"]) and (d["active"] or d["ratio"] >= 1),
    ),
    Case(
        "script",
        script("doc['small'].size() > 0 && doc['small'].value > params.least", least=2),
        {
            "script": {
                "script": {
                    "source": "doc['small'].size() > 0 && doc['small'].value > params.least",
                    "params": {"least": 2},
                }
            }
        },
        lambda d: d["small"] > 2,
    ),
    Case(
        "script's score",
        script_score(_TIDE, "doc['ratio'].value", min_score=2.0),
        {
            "script_score": {
                "query": _TIDE.dsl(),
                "script": {"source": "doc['ratio'].value"},
                "min_score": 2.0,
            }
        },
        lambda d: "tide" in words(d["title"]) and d["ratio"] >= 2,
    ),
    Case(
        "near a date",
        distance_feature(K.day, date(2024, 6, 1), "30d"),
        {"distance_feature": {"field": "day", "origin": "2024-06-01", "pivot": "30d"}},
        lambda d: d["day"] is not None,
    ),
    Case(
        "near a place",
        distance_feature(K.spot, Point(0, 0), Distance(100, "km")),
        {"distance_feature": {"field": "spot", "origin": {"lat": 0, "lon": 0}, "pivot": "100km"}},
        lambda d: d["spot"] is not None,
    ),
    Case(
        "rank",
        rank_feature(K.rank),
        {"rank_feature": {"field": "rank"}},
        lambda d: d["rank"] is not None,
    ),
    Case(
        "rank, saturation",
        rank_feature(K.rank, saturation=8).boost(2),
        {"rank_feature": {"field": "rank", "saturation": {"pivot": 8}, "boost": 2}},
        lambda d: d["rank"] is not None,
    ),
    Case(
        "rank, logarithm",
        rank_feature(K.rank, log=4),
        {"rank_feature": {"field": "rank", "log": {"scaling_factor": 4}}},
        lambda d: d["rank"] is not None,
    ),
    Case(
        "rank, sigmoid",
        rank_feature(K.rank, sigmoid=(7, 0.6)),
        {"rank_feature": {"field": "rank", "sigmoid": {"pivot": 7, "exponent": 0.6}}},
        lambda d: d["rank"] is not None,
    ),
    Case("raw", raw({"term": {"small": 1}}), {"term": {"small": 1}}, lambda d: d["small"] == 1),
]

COMPOSITIONS = [*NESTED, *MAPS, *WORDS, *COMPOUND]
