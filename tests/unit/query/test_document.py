"""How values of documents are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from opensearchpy.exceptions import SerializationError
from pydantic import BaseModel, ValidationError

from flusso_query import ExactSerializer, Point


class Place(BaseModel):
    at: Point


@pytest.mark.parametrize(
    "value",
    [
        {"lat": 1.5, "lon": 2},
        [2, 1.5],
        "1.5, 2",
        {"type": "Point", "coordinates": [2, 1.5]},
        {"lat": Decimal("1.5"), "lon": Decimal(2)},
    ],
)
def test_a_point_has_the_forms_that_opensearch_reads(value: Any) -> None:
    read = Place.model_validate({"at": value})
    assert read.at == Point(1.5, 2.0)
    assert read.model_dump() == {"at": {"lat": 1.5, "lon": 2.0}}


@pytest.mark.parametrize("value", ["1.5", [1], {"lat": 1}, "a,b", None])
def test_other_values_are_no_points(value: Any) -> None:
    with pytest.raises(ValidationError):
        Place.model_validate({"at": value})


def test_exact_numbers() -> None:
    text = '{"a": 12345678901234567890.123456789, "b": 5}'
    assert ExactSerializer().loads(text) == {"a": Decimal("12345678901234567890.123456789"), "b": 5}
    with pytest.raises(SerializationError):
        ExactSerializer().loads("{")
