"""What is OpenSearch's own in a reply has the same type with each serializer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer

from flusso_query import (
    Aggregation,
    ExactSerializer,
    FastSerializer,
    avg,
    cardinality,
    histogram,
    max_,
    percentiles,
    ranges,
    stats,
    sum_,
    terms,
)
from flusso_query.serializers import optional_float
from searchlib.documents import Products

p = Products.f
_AT = '{"value": 1.7015616E12, "value_as_string": "2023-12-03"}'
REPLIES: list[tuple[Aggregation[Any, Any], str]] = [
    (avg(p.avgRating), '{"value": 3.5}'),
    (avg(p.avgRating), '{"value": null}'),
    (sum_(p.pricing.amount), '{"value": 10.25}'),
    (max_(p.createdAt), _AT),
    (cardinality(p.sku), '{"value": 5}'),
    (stats(p.avgRating), '{"count": 1, "min": 1.5, "max": 1.5, "avg": 1.5, "sum": 1.5}'),
    (stats(p.avgRating), '{"count": 0, "min": null, "max": null, "avg": null, "sum": 0.0}'),
    (percentiles(p.avgRating), '{"values": {"50.0": 1.5, "99.0": null}}'),
    (histogram(p.pricing.amount, 5), '{"buckets": [{"key": 5.0, "doc_count": 1}]}'),
    (terms(p.pricing.amount), '{"buckets": [{"key": 5.5, "doc_count": 1}]}'),
    (
        ranges(p.pricing.amount, [(None, Decimal(5))]),
        '{"buckets": [{"to": 5.0, "doc_count": 1}]}',
    ),
]


@pytest.mark.parametrize(("aggregation", "reply"), REPLIES)
def test_results_are_the_same_with_each_serializer(
    aggregation: Aggregation[Any, Any], reply: str
) -> None:
    plain, exact, fast = (
        without_rest(aggregation.read(serializer.loads(reply)))
        for serializer in (JSONSerializer(), ExactSerializer(), FastSerializer())
    )
    assert plain == exact == fast


def without_rest(value: Any) -> str:
    """With the types of numbers, and without what OpenSearch sent."""
    if hasattr(value, "buckets"):
        return repr([(bucket.key, bucket.count) for bucket in value])
    return repr(value)


def test_documents_keep_all_digits() -> None:
    text = '{"a": 12345678901234567890.123456789, "b": 5}'
    assert ExactSerializer().loads(text) == {"a": Decimal("12345678901234567890.123456789"), "b": 5}
    with pytest.raises(SerializationError):
        ExactSerializer().loads("{")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -0.0, 1e400, 1.7976931348623157e308, 5e-324, 0.1], "a": {"": "\\u00e9\\ud83d\\ude00"}}',
        f"[{2**63}, -{2**200}, true, false, null]",
        '"\\ud800"',
        "NaN",
        " [] ",
    ],
)
def test_the_fast_one_reads_what_python_reads(text: str) -> None:
    found, expected = (each.loads(text) for each in (FastSerializer(), JSONSerializer()))
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("text", ["{", "", "[1,]", '{"a": 01}'])
def test_the_fast_one_refuses_what_python_refuses(text: str) -> None:
    with pytest.raises(SerializationError):
        FastSerializer().loads(text)


def test_a_score_is_a_float() -> None:
    assert repr(optional_float(Decimal("1.5"))) == "1.5"
    assert optional_float(None) is None
