"""How queries combine."""

from __future__ import annotations

from typing import Any

import pytest

from flusso_query import Query, and_, match_all, not_, or_, raw, when
from flusso_query.errors import ScopeError
from support.query.users import Products, Users

U = Users.f
A, B, C = (U.email.eq(letter) for letter in "abc")


def term(value: str) -> dict[str, Any]:
    return {"term": {"email": value}}


@pytest.mark.parametrize(
    ("query", "dsl"),
    [
        (A & B & C, {"bool": {"must": [term("a"), term("b"), term("c")]}}),
        (A & (B & C), {"bool": {"must": [term("a"), term("b"), term("c")]}}),
        (A | B | C, {"bool": {"should": [term("a"), term("b"), term("c")]}}),
        (
            A & (B | C),
            {"bool": {"must": [term("a"), {"bool": {"should": [term("b"), term("c")]}}]}},
        ),
        (~A, {"bool": {"must_not": [term("a")]}}),
        (A & None, term("a")),
        (None & A, term("a")),
        (None | A, term("a")),
        (and_(A, None, B), {"bool": {"must": [term("a"), term("b")]}}),
        (and_(A, None), term("a")),
        (or_(None, A, B), {"bool": {"should": [term("a"), term("b")]}}),
        (
            or_(A, B, C, minimum=2),
            {"bool": {"should": [term("a"), term("b"), term("c")], "minimum_should_match": 2}},
        ),
        (not_(A), {"bool": {"must_not": [term("a")]}}),
        (
            (A & B).boost(2.0) & C,
            {
                "bool": {
                    "must": [{"bool": {"must": [term("a"), term("b")], "boost": 2.0}}, term("c")]
                }
            },
        ),
        (A.boost(2).named("x"), {"term": {"email": {"value": "a", "boost": 2, "_name": "x"}}}),
        (raw({"knn": {}}), {"knn": {}}),
        (raw({"knn": {}}).named("x"), {"bool": {"must": [{"knn": {}}], "_name": "x"}}),
        (match_all().boost(3), {"match_all": {"boost": 3}}),
    ],
)
def test_a_combination_makes_this_request(query: Query[Any], dsl: dict[str, Any]) -> None:
    assert query.dsl() == dsl


def test_nothing_stays_nothing() -> None:
    assert and_(None, None) is None
    assert or_(None) is None
    assert or_(None, minimum=1) is None
    assert not_(None) is None
    assert when(None, U.email.eq) is None
    assert U.orders.any(None) is None
    assert U.orders.all(None) is None


def test_a_value_that_is_there_makes_its_condition() -> None:
    found = when("a", U.email.eq)
    assert found is not None
    assert found.dsl() == term("a")


def test_levels_do_not_mix() -> None:
    status = U.orders.status.eq("paid")
    with pytest.raises(ScopeError, match="elements of `orders`"):
        A & status  # type: ignore[operator]
    with pytest.raises(ScopeError, match="its root"):
        U.orders.any(A)  # type: ignore[arg-type]
    with pytest.raises(ScopeError, match=r"elements of `orders\.items`"):
        U.orders.any(U.orders.items.quantity.gt(1))  # type: ignore[arg-type]
    assert (U.orders.any(status) & A).reach.levels == ()


def test_fields_of_several_indexes_combine_at_the_root() -> None:
    both = A | Products.f.sku.eq("x")
    assert both.reach.indexes == {"users", "products"}


def test_a_query_that_fits_every_level_combines_with_any() -> None:
    assert (raw({}) & A).reach == A.reach
    assert (U.orders.status.eq("paid") & raw({})).reach.levels == ("orders",)


def test_a_query_is_not_true_or_false() -> None:
    with pytest.raises(TypeError, match="combine queries with"):
        bool(A)


def test_no_value_is_an_error() -> None:
    with pytest.raises(TypeError, match="Leave the condition out"):
        U.email.eq(None)  # type: ignore[arg-type]
