from __future__ import annotations

import pytest

from flusso_worker.sinks.pace import LEAST, REQUEST_SECONDS, Pace


def requests(pace: Pace, many: int, rate: float) -> list[int]:
    """The sizes of so many requests to a cluster that writes `rate` documents per second."""
    sizes = []
    for _ in range(many):
        sizes.append(pace.operations)
        pace.learn(pace.operations, pace.operations / rate)
    return sizes


def test_requests_grow_up_to_the_limit_while_they_are_quick() -> None:
    assert requests(Pace(1000), 6, rate=1_000_000) == [100, 200, 400, 800, 1000, 1000]


@pytest.mark.parametrize("rate", [4_000, 10_000])
def test_requests_take_as_long_as_they_should(rate: float) -> None:
    sizes = requests(Pace(1000), 10, rate)
    assert sizes[-1] == pytest.approx(rate * REQUEST_SECONDS, abs=1)


def test_requests_to_a_slow_cluster_have_at_least_so_many() -> None:
    pace = Pace(1000)
    requests(pace, 5, rate=100_000)
    assert set(requests(pace, 5, rate=10)[1:]) == {LEAST}


def test_a_small_limit_is_kept() -> None:
    assert set(requests(Pace(3), 5, rate=1_000_000)) == {3}


def test_a_small_request_tells_nothing() -> None:
    pace = Pace(1000)
    pace.learn(1, 30.0)
    assert pace.operations == LEAST
    pace.learn(LEAST, 0.0)
    pace.learn(1, 30.0)
    assert pace.operations == 2 * LEAST
