"""The comparison that the end-to-end tests stand on finds what is wrong, and only that."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from support.expected.compare import compare, differences, report
from support.expected.oracle import AnyOrder, Average

EQUAL: list[tuple[Any, Any]] = [
    (Decimal("12.50"), Decimal("12.5")),
    (Decimal("12.00"), 12),
    (None, None),
    (True, True),
    ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}),
    (AnyOrder([1, 2, 2]), [2, 1, 2]),
    (AnyOrder([{"n": AnyOrder([1, 2])}, {"n": AnyOrder([])}]), [{"n": []}, {"n": [2, 1]}]),
    (
        AnyOrder([{"at": 2, "x": 1}, {"at": 2, "x": 0}], by="at"),
        [{"at": 2, "x": 0}, {"at": 2, "x": 1}],
    ),
    (Average(Fraction(10, 3)), Decimal("3.3333333333333333")),
    (Average(Fraction(0)), Decimal("0E-20")),
]

DIFFERENT: list[tuple[Any, Any, str]] = [
    (Decimal("12.50"), Decimal("12.51"), "at: expected"),
    (Decimal("9007199254740993"), Decimal("9007199254740992"), "at: expected"),
    (1, True, "at: expected 1, is True"),
    (0, None, "at: expected 0, is None"),
    (1, "1", "at: expected 1, is '1'"),
    ("a ", "a", "at: expected 'a ', is 'a'"),
    ({"a": None}, {}, "at.a: missing"),
    ({}, {"a": None}, "at.a: too many"),
    ({"a": 1}, None, "at: expected an object"),
    ([1, 2], [2, 1], "at[0]: expected 1, is 2"),
    ([1], [1, 1], "at: expected 1 elements, has 2"),
    (AnyOrder([1, 2, 2]), [1, 1, 2], "at[1]: expected 2, is 1"),
    (AnyOrder([]), None, "at: expected an array"),
    (AnyOrder([{"at": 2}, {"at": 1}], by="at"), [{"at": 1}, {"at": 2}], "at: in the wrong order"),
    (Average(Fraction(10, 3)), Decimal("3.3333"), "at: expected"),
    (Average(Fraction(1)), None, "at: expected"),
]


@pytest.mark.parametrize(("expected", "actual"), EQUAL)
def test_equal_values_have_no_differences(expected: Any, actual: Any) -> None:
    assert list(compare(expected, actual, "at")) == []


@pytest.mark.parametrize(("expected", "actual", "message"), DIFFERENT)
def test_a_difference_is_told_with_its_path(expected: Any, actual: Any, message: str) -> None:
    found = list(compare(expected, actual, "at"))

    assert found
    assert found[0].startswith(message)


def test_missing_and_superfluous_documents_are_told() -> None:
    found = differences(
        {"users": {"1": {"id": 1}, "2": {"id": 2}}, "orders": {}},
        {"users": {"2": {"id": 2}, "10": {}}},
    )

    assert found == [
        "orders: there is no such index or alias",
        "users/1: missing",
        "users/10: too many",
    ]


def test_a_long_report_is_cut() -> None:
    assert report([str(number) for number in range(5)], limit=2).splitlines() == [
        "5 differences:",
        "0",
        "1",
        "... and 3 more",
    ]
