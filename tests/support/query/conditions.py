"""Each operator and option of the fields that are no array: request and result."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from flusso_query import Distance, Point
from support.query.case import Case, phrase, words
from support.query.kinds import Kinds

K = Kinds.f
_TOKEN = UUID(int=5 * 7919)
_AT = datetime(2024, 3, 6, 4, 5, 6, 5000, tzinfo=UTC)
_BOX = (Point(60, -100), Point(-20, 100))
_CORNERS = [Point(50, -90), Point(50, 90), Point(-40, 90), Point(-40, -90)]


def _in_box(
    spot: dict[str, float] | None, top: float, left: float, bottom: float, right: float
) -> bool:
    return spot is not None and bottom <= spot["lat"] <= top and left <= spot["lon"] <= right


def _kilometers(spot: dict[str, float]) -> float:
    """From the place 0, 0 on the surface of the earth."""
    lat, lon = math.radians(spot["lat"]), math.radians(spot["lon"])
    return 6371.0 * math.acos(math.cos(lat) * math.cos(lon))


KEYWORDS = [
    Case("eq", K.code.eq("A-004"), {"term": {"code": "A-004"}}, lambda d: d["code"] == "A-004"),
    Case(
        "eq, without case",
        K.code.eq("a-004", case_insensitive=True),
        {"term": {"code": {"value": "a-004", "case_insensitive": True}}},
        lambda d: d["code"].lower() == "a-004",
    ),
    Case(
        "any of",
        K.code.any_of(["A-004", "b-002", "C-003"]),
        {"terms": {"code": ["A-004", "b-002", "C-003"]}},
        lambda d: d["code"] in ("A-004", "b-002", "C-003"),
    ),
    Case("any of none", K.code.any_of([]), {"terms": {"code": []}}, lambda d: False),
    Case("prefix", K.code.prefix("A-"), {"prefix": {"code": "A-"}}, lambda d: d["code"][0] == "A"),
    Case(
        "prefix, options",
        K.code.prefix("a-", case_insensitive=True, rewrite="constant_score"),
        {
            "prefix": {
                "code": {"value": "a-", "case_insensitive": True, "rewrite": "constant_score"}
            }
        },
        lambda d: d["code"][0] == "A",
    ),
    Case(
        "wildcard",
        K.code.wildcard("*-?1*"),
        {"wildcard": {"code": "*-?1*"}},
        lambda d: d["code"][3] == "1",
    ),
    Case(
        "wildcard, options",
        K.code.wildcard("A*", case_insensitive=True, rewrite="scoring_boolean"),
        {
            "wildcard": {
                "code": {"value": "A*", "case_insensitive": True, "rewrite": "scoring_boolean"}
            }
        },
        lambda d: d["code"][0] == "A",
    ),
    Case(
        "regexp",
        K.code.regexp("[Ab]-0[0-3]."),
        {"regexp": {"code": "[Ab]-0[0-3]."}},
        lambda d: re.fullmatch("[Ab]-0[0-3].", d["code"]) is not None,
    ),
    Case(
        "regexp, options",
        K.code.regexp(
            "a-0.*",
            case_insensitive=True,
            flags="ALL",
            max_determinized_states=20000,
            rewrite="constant_score",
        ),
        {
            "regexp": {
                "code": {
                    "value": "a-0.*",
                    "case_insensitive": True,
                    "flags": "ALL",
                    "max_determinized_states": 20000,
                    "rewrite": "constant_score",
                }
            }
        },
        lambda d: d["code"].startswith("A-0"),
    ),
    Case(
        "fuzzy",
        K.state.fuzzy("opan"),
        {"fuzzy": {"state": "opan"}},
        lambda d: d["state"] == "open",
    ),
    Case(
        "fuzzy, options",
        K.state.fuzzy(
            "oepn",
            fuzziness=1,
            prefix_length=1,
            max_expansions=10,
            transpositions=True,
            rewrite="constant_score",
        ),
        {
            "fuzzy": {
                "state": {
                    "value": "oepn",
                    "fuzziness": 1,
                    "prefix_length": 1,
                    "max_expansions": 10,
                    "transpositions": True,
                    "rewrite": "constant_score",
                }
            }
        },
        lambda d: d["state"] == "open",
    ),
    Case(
        "exists",
        K.size.unit.exists(),
        {"exists": {"field": "size.unit"}},
        lambda d: d["size"]["unit"] is not None,
    ),
    Case(
        "its words",
        K.code.text.match("004"),
        {"match": {"code.text": "004"}},
        lambda d: d["code"].endswith("-004"),
    ),
    Case(
        "its lower case",
        K.code.keyword_lowercase.prefix("a-"),
        {"prefix": {"code.keyword_lowercase": "a-"}},
        lambda d: d["code"][0] == "A",
    ),
    Case("enum", K.state.eq("open"), {"term": {"state": "open"}}, lambda d: d["state"] == "open"),
    Case(
        "enum, any of",
        K.state.any_of(["open", "done"]),
        {"terms": {"state": ["open", "done"]}},
        lambda d: d["state"] != "new",
    ),
    Case("uuid", K.token.eq(_TOKEN), {"term": {"token": str(_TOKEN)}}, lambda d: d["id"] == 5),
    Case(
        "address",
        K.address.eq("10.0.0.0/29"),
        {"term": {"address": "10.0.0.0/29"}},
        lambda d: d["address"] is not None and int(d["address"].split(".")[3]) < 8,
    ),
    Case(
        "boost and name",
        K.code.eq("A-004").boost(2).named("n"),
        {"term": {"code": {"value": "A-004", "boost": 2, "_name": "n"}}},
        lambda d: d["code"] == "A-004",
    ),
    Case(
        "any of, boost and name",
        K.code.any_of(["A-004"]).boost(2).named("n"),
        {"terms": {"code": ["A-004"], "boost": 2, "_name": "n"}},
        lambda d: d["code"] == "A-004",
    ),
]

TEXTS = [
    Case(
        "match",
        K.title.match("tide lamp"),
        {"match": {"title": "tide lamp"}},
        lambda d: bool({"tide", "lamp"} & {*words(d["title"])}),
    ),
    Case(
        "match, all words",
        K.title.match("tide lamp", operator="AND"),
        {"match": {"title": {"query": "tide lamp", "operator": "AND"}}},
        lambda d: {"tide", "lamp"} <= {*words(d["title"])},
    ),
    Case(
        "match, options",
        K.title.match(
            "tibe lamp stone",
            minimum_should_match=2,
            fuzziness="AUTO",
            prefix_length=1,
            max_expansions=20,
            analyzer="standard",
            zero_terms_query="all",
            lenient=True,
        ),
        {
            "match": {
                "title": {
                    "query": "tibe lamp stone",
                    "minimum_should_match": 2,
                    "fuzziness": "AUTO",
                    "prefix_length": 1,
                    "max_expansions": 20,
                    "analyzer": "standard",
                    "zero_terms_query": "all",
                    "lenient": True,
                }
            }
        },
        lambda d: len({"tide", "lamp", "stone"} & {*words(d["title"])}) >= 2,
    ),
    Case(
        "match, wrong letters",
        K.title.match_fuzzy("rivver"),
        {"match": {"title": {"query": "rivver", "fuzziness": "AUTO"}}},
        lambda d: "river" in words(d["title"]),
    ),
    Case(
        "phrase",
        K.title.match_phrase("red tide"),
        {"match_phrase": {"title": "red tide"}},
        lambda d: phrase(d["title"], "red tide"),
    ),
    Case(
        "phrase, options",
        K.title.match_phrase("red tide", slop=0, analyzer="standard", zero_terms_query="none"),
        {
            "match_phrase": {
                "title": {
                    "query": "red tide",
                    "slop": 0,
                    "analyzer": "standard",
                    "zero_terms_query": "none",
                }
            }
        },
        lambda d: phrase(d["title"], "red tide"),
    ),
    Case(
        "unfinished phrase",
        K.title.match_phrase_prefix("red ti"),
        {"match_phrase_prefix": {"title": "red ti"}},
        lambda d: phrase(d["title"], "red tide"),
    ),
    Case(
        "unfinished phrase, options",
        K.title.match_phrase_prefix(
            "red ti", slop=0, max_expansions=5, analyzer="standard", zero_terms_query="none"
        ),
        {
            "match_phrase_prefix": {
                "title": {
                    "query": "red ti",
                    "slop": 0,
                    "max_expansions": 5,
                    "analyzer": "standard",
                    "zero_terms_query": "none",
                }
            }
        },
        lambda d: phrase(d["title"], "red tide"),
    ),
    Case(
        "unfinished word",
        K.title.match_bool_prefix("la"),
        {"match_bool_prefix": {"title": "la"}},
        lambda d: "lamp" in words(d["title"]),
    ),
    Case(
        "unfinished word, options",
        K.title.match_bool_prefix(
            "tibe la",
            operator="OR",
            minimum_should_match=2,
            fuzziness=1,
            prefix_length=1,
            max_expansions=9,
            analyzer="standard",
        ),
        {
            "match_bool_prefix": {
                "title": {
                    "query": "tibe la",
                    "operator": "OR",
                    "minimum_should_match": 2,
                    "fuzziness": 1,
                    "prefix_length": 1,
                    "max_expansions": 9,
                    "analyzer": "standard",
                }
            }
        },
        lambda d: {"tide", "lamp"} <= {*words(d["title"])},
    ),
    Case(
        "text exists",
        K.title.exists(),
        {"exists": {"field": "title"}},
        lambda d: d["title"] is not None,
    ),
    Case(
        "whole text",
        K.title.any_of(["Tide", "Lamp"]),
        {"terms": {"title.keyword": ["Tide", "Lamp"]}},
        lambda d: d["title"] in ("Tide", "Lamp"),
    ),
    Case(
        "whole text in lower case",
        K.title.keyword_lowercase.eq("tide"),
        {"term": {"title.keyword_lowercase": "tide"}},
        lambda d: d["title"] == "Tide",
    ),
]

ORDERED = [
    Case("bool", K.active.eq(True), {"term": {"active": True}}, lambda d: d["active"]),
    Case("bool exists", K.active.exists(), {"exists": {"field": "active"}}, lambda d: True),
    Case("number", K.small.eq(-3), {"term": {"small": -3}}, lambda d: d["small"] == -3),
    Case(
        "number, any of",
        K.small.any_of([1, 2]),
        {"terms": {"small": [1, 2]}},
        lambda d: d["small"] in (1, 2),
    ),
    Case("less", K.small.lt(0), {"range": {"small": {"lt": 0}}}, lambda d: d["small"] < 0),
    Case(
        "less or equal", K.small.lte(0), {"range": {"small": {"lte": 0}}}, lambda d: d["small"] <= 0
    ),
    Case(
        "greater",
        K.medium.gt(0),
        {"range": {"medium": {"gt": 0}}},
        lambda d: (d["medium"] or 0) > 0,
    ),
    Case(
        "greater or equal",
        K.large.gte((1 << 53) + 9),
        {"range": {"large": {"gte": (1 << 53) + 9}}},
        lambda d: d["id"] >= 9,
    ),
    Case(
        "between",
        K.ratio.between(1.25, 2.5),
        {"range": {"ratio": {"gte": 1.25, "lte": 2.5}}},
        lambda d: 1.25 <= d["ratio"] <= 2.5,
    ),
    Case(
        "decimal",
        K.price.eq(Decimal("7.250")),
        {"term": {"price": "7.250"}},
        lambda d: d["price"] == 7.25,
    ),
    Case(
        "decimals",
        K.price.any_of([Decimal("7.25"), Decimal("1E+1")]),
        {"terms": {"price": ["7.25", "10"]}},
        lambda d: d["price"] == 7.25,
    ),
    Case(
        "decimals between",
        K.price.between(Decimal("7.25"), Decimal("9")),
        {"range": {"price": {"gte": "7.25", "lte": "9"}}},
        lambda d: 7.25 <= d["price"] <= 9,
    ),
    Case(
        "scaled",
        K.scaled.lt(Decimal("4.5")),
        {"range": {"scaled": {"lt": "4.5"}}},
        lambda d: d["scaled"] is not None and d["scaled"] < 4.5,
    ),
    Case(
        "number exists",
        K.medium.exists(),
        {"exists": {"field": "medium"}},
        lambda d: d["medium"] is not None,
    ),
    Case(
        "ranges that overlap",
        K.span.between(10, 20, relation="INTERSECTS").boost(2),
        {"range": {"span": {"gte": 10, "lte": 20, "relation": "INTERSECTS", "boost": 2}}},
        lambda d: d["span"] is not None and d["span"]["gte"] <= 20 and d["span"]["lte"] >= 10,
    ),
    Case(
        "ranges that contain",
        K.span.between(10, 20, relation="CONTAINS"),
        {"range": {"span": {"gte": 10, "lte": 20, "relation": "CONTAINS"}}},
        lambda d: d["span"] is not None and d["span"]["gte"] <= 10 and d["span"]["lte"] >= 20,
    ),
    Case(
        "ranges within",
        K.span.between(10, 40, relation="WITHIN"),
        {"range": {"span": {"gte": 10, "lte": 40, "relation": "WITHIN"}}},
        lambda d: d["span"] is not None and d["span"]["gte"] >= 10 and d["span"]["lte"] <= 40,
    ),
    Case(
        "a range with a value",
        K.span.eq(15),
        {"term": {"span": 15}},
        lambda d: d["span"] is not None and d["span"]["gte"] <= 15 <= d["span"]["lte"],
    ),
    Case(
        "date",
        K.day.eq(date(2024, 6, 16)),
        {"term": {"day": "2024-06-16"}},
        lambda d: d["day"] == "2024-06-16",
    ),
    Case(
        "dates before",
        K.day.lt(date(2024, 3, 5)),
        {"range": {"day": {"lt": "2024-03-05"}}},
        lambda d: d["day"] is not None and d["day"] < "2024-03-05",
    ),
    Case(
        "dates up to",
        K.day.lte("2024-03-05"),
        {"range": {"day": {"lte": "2024-03-05"}}},
        lambda d: d["day"] is not None and d["day"] <= "2024-03-05",
    ),
    Case(
        "dates after",
        K.day.gt(date(2024, 3, 5)),
        {"range": {"day": {"gt": "2024-03-05"}}},
        lambda d: d["day"] is not None and d["day"] > "2024-03-05",
    ),
    Case(
        "date math",
        K.day.gte("2024-03-05||-1M/M"),
        {"range": {"day": {"gte": "2024-03-05||-1M/M"}}},
        lambda d: d["day"] is not None and d["day"] >= "2024-02-01",
    ),
    Case(
        "moment",
        K.at.eq(_AT),
        {"term": {"at": "2024-03-06T04:05:06.005000+00:00"}},
        lambda d: d["at"] == "2024-03-06T04:05:06.005+00:00",
    ),
    Case(
        "moments between",
        K.at.between(
            _AT,
            "10.03.2024 00:00",
            format="strict_date_optional_time||dd.MM.yyyy HH:mm",
            time_zone="+02:00",
        ),
        {
            "range": {
                "at": {
                    "gte": "2024-03-06T04:05:06.005000+00:00",
                    "lte": "10.03.2024 00:00",
                    "format": "strict_date_optional_time||dd.MM.yyyy HH:mm",
                    "time_zone": "+02:00",
                }
            }
        },
        lambda d: "2024-03-06T04:05:06.005" <= d["at"][:23] <= "2024-03-09T22:00:59.999",
    ),
    Case(
        "periods within",
        K.period.between(date(2024, 1, 1), date(2024, 2, 10), relation="WITHIN"),
        {"range": {"period": {"gte": "2024-01-01", "lte": "2024-02-10", "relation": "WITHIN"}}},
        lambda d: d["period"] is not None and d["period"]["lte"] <= "2024-02-10",
    ),
    Case(
        "date exists", K.day.exists(), {"exists": {"field": "day"}}, lambda d: d["day"] is not None
    ),
]

OTHERS = [
    Case("object exists", K.size.exists(), {"exists": {"field": "size"}}, lambda d: True),
    Case(
        "in an object",
        K.size.width.gt(5),
        {"range": {"size.width": {"gt": 5}}},
        lambda d: d["size"]["width"] > 5,
    ),
    Case("binary exists", K.blob.exists(), {"exists": {"field": "blob"}}, None),
    Case("json exists", K.extra.exists(), {"exists": {"field": "extra"}}, lambda d: False),
    Case("json, raw", K.rank.raw("rank_feature", None), {"rank_feature": {"rank": None}}, None),
    Case(
        "within a distance",
        K.spot.within(
            Distance(3000, "km"), Point(0, 0), distance_type="arc", validation_method="STRICT"
        ),
        {
            "geo_distance": {
                "distance": "3000km",
                "spot": {"lat": 0, "lon": 0},
                "distance_type": "arc",
                "validation_method": "STRICT",
            }
        },
        lambda d: d["spot"] is not None and _kilometers(d["spot"]) <= 3000,
    ),
    Case(
        "in a box",
        K.spot.within_box(*_BOX, validation_method="COERCE"),
        {
            "geo_bounding_box": {
                "spot": {
                    "top_left": {"lat": 60, "lon": -100},
                    "bottom_right": {"lat": -20, "lon": 100},
                },
                "validation_method": "COERCE",
            }
        },
        lambda d: _in_box(d["spot"], 60, -100, -20, 100),
    ),
    Case(
        "in a polygon",
        K.spot.within_polygon(_CORNERS, validation_method="IGNORE_MALFORMED"),
        {
            "geo_polygon": {
                "spot": {
                    "points": [
                        {"lat": 50, "lon": -90},
                        {"lat": 50, "lon": 90},
                        {"lat": -40, "lon": 90},
                        {"lat": -40, "lon": -90},
                    ]
                },
                "validation_method": "IGNORE_MALFORMED",
            }
        },
        lambda d: _in_box(d["spot"], 50, -90, -40, 90),
    ),
    Case(
        "point exists",
        K.spot.exists(),
        {"exists": {"field": "spot"}},
        lambda d: d["spot"] is not None,
    ),
    Case(
        "shape",
        K.area.shape({"type": "envelope", "coordinates": [[-1.0, 21.0], [21.0, -1.0]]}, "WITHIN"),
        {
            "geo_shape": {
                "area": {
                    "shape": {"type": "envelope", "coordinates": [[-1.0, 21.0], [21.0, -1.0]]},
                    "relation": "WITHIN",
                }
            }
        },
        lambda d: d["area"] is not None and all(value <= 21 for value in d["area"]["coordinates"]),
    ),
    Case(
        "nearest vectors",
        K.vector.knn([1.0, 2.0], 3, filter=K.active.eq(True)),
        {"knn": {"vector": {"vector": [1.0, 2.0], "k": 3, "filter": {"term": {"active": True}}}}},
        None,
    ),
]

CONDITIONS = [*KEYWORDS, *TEXTS, *ORDERED, *OTHERS]
