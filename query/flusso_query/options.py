"""Options of queries that have a closed set of values, and how options are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Direction = Literal["asc", "desc"]
DistanceType = Literal["arc", "plane"]
Fuzziness = int | Literal["AUTO"] | str
"""A number of edits, `"AUTO"`, or `"AUTO:3:6"`."""
MinimumMatch = int | str
"""A number of clauses, a percentage such as `"75%"`, or a combination such as `"2<-25%"`."""
MultiMatchType = Literal[
    "best_fields", "most_fields", "cross_fields", "phrase", "phrase_prefix", "bool_prefix"
]
NestedScoreMode = Literal["avg", "sum", "min", "max", "none"]
NumericType = Literal["long", "double", "date", "date_nanos"]
Operator = Literal["AND", "OR"]
Relation = Literal["INTERSECTS", "CONTAINS", "WITHIN"]
Rewrite = (
    Literal[
        "constant_score",
        "scoring_boolean",
        "constant_score_boolean",
        "top_terms_N",
        "top_terms_boost_N",
    ]
    | str
)
"""`N` stands for a number."""
SortMode = Literal["min", "max", "sum", "avg", "median"]
Unit = Literal["km", "m", "cm", "mm", "mi", "yd", "ft", "in", "nmi"]
ValidationMethod = Literal["STRICT", "COERCE", "IGNORE_MALFORMED"]
ZeroTerms = Literal["none", "all"]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not asked for."""
    return {name: value for name, value in options.items() if value is not None}
