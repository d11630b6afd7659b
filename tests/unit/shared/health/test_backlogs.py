"""What waits to be acknowledged."""

from __future__ import annotations

import time

from flusso_shared.health.backlogs import Backlog, Backlogs
from flusso_shared.names import GenerationName

FIRST, SECOND = (GenerationName("users", "01234567", number) for number in (1, 2))


class Now:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_waiting_counts_from_its_begin_and_from_each_acknowledgement() -> None:
    now = Now()
    backlog = Backlog("index users", now)
    assert backlog.waiting() is None
    backlog.set(5, None)
    now.seconds = 110.0
    backlog.set(4, None)
    found = backlog.waiting()
    assert found is not None
    assert (found.records, found.since) == (4, 100.0)
    backlog.acknowledge()
    found = backlog.waiting()
    assert found is not None
    assert found.since == 110.0
    backlog.set(0, None)
    assert backlog.waiting() is None


def test_an_acknowledgement_of_long_ago_does_not_count_for_what_began_to_wait_after_it() -> None:
    now = Now()
    backlog = Backlog("index users", now)
    backlog.acknowledge()
    now.seconds = 5000.0
    backlog.set(1, None)
    found = backlog.waiting()
    assert found is not None
    assert found.since == 5000.0


def test_the_lag_is_that_of_the_generation_that_queries_see() -> None:
    backlogs = Backlogs()
    assert backlogs.lag("users") is None
    backlogs.of_generation(SECOND).set(100, None)
    backlogs.of_generation(FIRST).set(3, time.time() - 50)
    lag = backlogs.lag("users")
    assert lag is not None
    assert lag.records == 3
    assert lag.seconds is not None
    assert 50 <= lag.seconds < 60
    backlogs.keep_only("users", {SECOND})
    lag = backlogs.lag("users")
    assert lag is not None
    assert (lag.records, lag.seconds) == (100, None)


def test_the_time_of_the_oldest_change_is_kept_while_something_waits() -> None:
    backlogs = Backlogs()
    backlog = backlogs.of_generation(FIRST)
    backlog.set(3, time.time() - 50)
    backlog.set(2, None)
    lag = backlogs.lag("users")
    assert lag is not None
    assert lag.seconds is not None
    backlog.set(0, None)
    lag = backlogs.lag("users")
    assert lag is not None
    assert lag.seconds == 0


def test_an_index_that_has_stopped_is_not_waited_for() -> None:
    backlogs = Backlogs()
    backlogs.of_generation(FIRST).set(3, None)
    backlogs.of_capture().set(9, None)
    assert [item.what for item in backlogs.waiting(set())] == ["index users", "capture"]
    assert [item.what for item in backlogs.waiting({"users"})] == ["capture"]
