"""How values of documents are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from flusso_query import Document, Fragment, Point, source_includes


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


class Item(Fragment):
    n: int


class Order(Fragment):
    items: list[Item]


class Profile(Fragment):
    bio: str | None
    places: list[Item]


class Card(Document, index="users", hash="0"):
    name: str
    extra: Any
    profile: Profile | None
    orders: list[Order]
    account: Order
    lines: list[Item] = Field(alias="class")


def test_only_what_a_model_reads_is_fetched() -> None:
    assert source_includes(Card) == [
        "account.items.n",
        "class.n",
        "extra",
        "name",
        # Of an order of which nothing is read but an empty array, nothing would be left.
        "orders",
        "profile.bio",
        "profile.places.n",
    ]


def test_what_opensearch_leaves_out_of_a_part_is_read_as_it_was() -> None:
    card = Card.model_validate({"name": "a", "extra": None, "profile": {"bio": None}})
    assert card.profile == Profile(bio=None, places=[])
    assert (card.orders, card.account.items, card.lines) == ([], [], [])
    assert Card.model_validate({"name": "a", "extra": None}).profile is None
    whole = {"name": "a", "extra": 1, "profile": None, "orders": [], "account": {"items": []}}
    made = Card.model_validate(whole | {"lines": [{"n": 1}]})
    assert made.lines == [Item(n=1)]


def test_a_leaf_that_is_missing_is_missing() -> None:
    with pytest.raises(ValidationError, match="name"):
        Card.model_validate({"extra": 1})
