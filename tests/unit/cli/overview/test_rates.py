"""Rates between looks, and when an index has caught up."""

from __future__ import annotations

import pytest

from flusso_cli.overview.rates import WINDOW_SECONDS, Look, Looks, Position, eta


def looks(*points: tuple[float, int, int]) -> Looks:
    """Looks of one group, as (time, applied, end)."""
    made = Looks()
    for at, applied, end in points:
        made.add(Look(at, {"users": Position(applied, end)}))
    return made


def test_one_look_gives_no_rate() -> None:
    assert looks((0, 10, 20)).applied_per_second("users") is None
    assert Looks().applied_per_second("users") is None


def test_a_rate_is_the_difference_over_the_time() -> None:
    found = looks((0, 100, 100), (2, 120, 150))
    assert found.applied_per_second("users") == 10
    assert found.published_per_second("users") == 25


def test_a_rate_is_a_mean_over_the_window_and_forgets_what_is_older() -> None:
    found = looks((0, 0, 0), (WINDOW_SECONDS, 0, 0), (2 * WINDOW_SECONDS, 30, 0))
    assert found.applied_per_second("users") == 30 / WINDOW_SECONDS


def test_looks_that_are_far_apart_give_a_rate() -> None:
    assert looks((0, 0, 0), (1000, 500, 0)).applied_per_second("users") == 0.5


def test_a_time_that_is_too_short_gives_no_rate() -> None:
    assert looks((0, 0, 0), (0.1, 500, 0)).applied_per_second("users") is None


def test_a_look_without_the_group_is_passed_over() -> None:
    found = looks((0, 0, 0))
    found.add(Look(1))
    found.add(Look(2, {"users": Position(8, 0)}))
    assert found.applied_per_second("users") == 4


def test_a_counter_that_began_again_counts_from_there() -> None:
    made = Looks()
    for at, captured in ((0, 900), (1, 1000), (2, 10), (4, 30)):
        made.add(Look(at, captured={"p": captured}, committed={"p": 0}))
    assert made.captured_per_second("p") == 10
    assert made.committed_per_second("p") == 0
    assert made.committed_per_second("other") is None


@pytest.mark.parametrize(
    ("lag", "applied", "published", "expected"),
    [
        (None, 10.0, 0.0, None),
        (0, None, None, 0.0),
        (100, None, 0.0, None),
        (100, 10.0, 0.0, 10.0),
        (100, 10.0, None, 10.0),
        (100, 30.0, 10.0, 5.0),
        (100, 10.0, 10.0, None),
        (100, 0.0, 0.0, None),
    ],
)
def test_an_index_has_caught_up_when_its_lag_shrinks_to_nothing(
    lag: int | None, applied: float | None, published: float | None, expected: float | None
) -> None:
    assert eta(lag, applied, published) == expected
