"""The samples of the last 30 minutes."""

from __future__ import annotations

from flusso_shared.process.page.history import WINDOW_SECONDS, History, Sample
from support.views.overview import AT, overview


def test_a_sample_has_what_the_charts_show() -> None:
    assert Sample.of(overview("orders", "users")).to_json() == {
        "at": AT,
        "slot_bytes": 1024,
        "lag": {"orders": 3, "users": 3},
        "rate": {"orders": 9.5, "users": 9.5},
    }


def test_frequent_looks_leave_a_sample_every_five_seconds() -> None:
    history = History()
    for second in range(0, 21, 2):
        history.add(overview(at=AT + second))
    assert [sample.at - AT for sample in history.since(0)] == [0, 6, 12, 18]
    assert [sample.at - AT for sample in history.since(AT + 6)] == [12, 18]


def test_it_holds_thirty_minutes_and_no_more() -> None:
    history = History()
    for number in range(1000):
        history.add(overview(at=AT + 5 * number))
    found = history.since(0)
    assert len(found) == WINDOW_SECONDS / 5
    assert found[-1].at - found[0].at < WINDOW_SECONDS


def test_a_pause_of_the_process_leaves_no_older_samples() -> None:
    history = History()
    history.add(overview(at=AT))
    history.add(overview(at=AT + WINDOW_SECONDS + 1))
    assert [sample.at for sample in history.since(0)] == [AT + WINDOW_SECONDS + 1]
    assert History().since(0) == []
