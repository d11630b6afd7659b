"""Numbers as an operator reads them."""

from __future__ import annotations

import pytest

from flusso_cli.overview.model import Index
from flusso_cli.status import words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "?"),
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (192, "3 m 12 s"),
        (3_600, "1 h 00 m"),
        (90_000, "1 d 01 h"),
    ],
)
def test_a_duration_has_two_units(seconds: float | None, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (52_480, "52.5 kB"),
        (123_456_789, "123 MB"),
        (5 * 10**18, "5,000 PB"),
    ],
)
def test_a_size_has_few_digits(value: int | None, expected: str) -> None:
    assert words.size(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "-"), (0.0, "0"), (0.25, "0.2"), (9.96, "10.0"), (1234.5, "1,234")],
)
def test_a_rate_is_a_round_number(value: float | None, expected: str) -> None:
    assert words.rate(value) == expected


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (Index("users", "seeded", lag=None), "-"),
        (Index("users", "seeded", lag=0, eta_seconds=0.0), "-"),
        (Index("users", "seeded", lag=9, lag_seconds=60.0, eta_seconds=75.0), "1 m 15 s"),
        (Index("users", "seeded", lag=9, lag_seconds=60.0, rate=3.0), "lag grows"),
        (Index("users", "seeded", lag=9, lag_seconds=60.0, rate=0.0), "stands still"),
        (Index("users", "seeded", lag=9, lag_seconds=None, rate=0.0), "stands still"),
        (Index("users", "seeded", lag=9, lag_seconds=60.0, rate=None), "-"),
        # What is being applied now is no backlog.
        (Index("users", "seeded", lag=9, lag_seconds=1.0, rate=3.0, eta_seconds=20.0), "-"),
    ],
)
def test_the_end_of_a_lag(index: Index, expected: str) -> None:
    assert words.eta(index) == expected
