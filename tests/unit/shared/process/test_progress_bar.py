"""What is shown of something that takes longer than two seconds."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from flusso_shared.process import progress_bar
from flusso_shared.process.progress_bar import LineSchedule, ProgressDisplay, Waiting
from flusso_shared.status import Progress


def test_lines_begin_after_two_seconds_and_get_rarer() -> None:
    schedule = LineSchedule()
    due = {
        second: lines
        for second in range(200)
        if (lines := schedule.due({"rows": Progress(10 * second, 10_000)}, float(second)))
    }
    assert list(due) == [2, 7, 17, 37, 77, 137, 197]
    assert due[2] == ["rows: 20 of 10,000 (0 %), 10/s, about 16 min 38 s left"]
    assert due[197] == ["rows: 1,970 of 10,000 (19 %), 10/s, about 13 min 23 s left"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Progress(0, 0), "not done after 2 s"),
        (Progress(0, 50), "0 of 50 (0 %)"),
        (Progress(40, 50), "40 of 50 (80 %), 20/s, about 0 s left"),
        (Progress(2, 30_000), "2 of 30,000 (0 %), 1/s, about 8 h 19 min left"),
    ],
)
def test_the_time_left_is_known_once_something_is_done(step: Progress, said: str) -> None:
    schedule = LineSchedule()
    assert schedule.due({"it": Progress(0, step.total)}, 0.0) == []
    assert schedule.due({"it": step}, 2.0) == [f"it: {said}"]


def test_a_step_that_was_over_begins_again() -> None:
    schedule = LineSchedule()
    schedule.due({"a": Progress(0, 9)}, 0.0)
    assert schedule.due({}, 5.0) == []
    assert schedule.due({"a": Progress(5, 9)}, 6.0) == []
    assert schedule.due({"a": Progress(6, 9)}, 8.0) == ["a: 6 of 9 (66 %), 0/s, about 6 s left"]


def test_what_ends_at_once_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for terminal in (True, False):
        with Waiting("checking", terminal=terminal) as display:
            display.advance("rows", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_lines_are_written_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "_FIRST_SECONDS", 0.0)
    written: list[str] = []
    some = threading.Event()

    def write(line: str) -> None:
        written.append(line)
        some.set()

    with ProgressDisplay(lambda: {"rows": Progress(1, 4)}, write, terminal=False):
        assert some.wait(30)
    assert written == ["rows: 1 of 4 (25 %)"]


def test_bars_are_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rate and the time left; a step without a total has the time that passed."""
    monkeypatch.setattr(progress_bar, "_FIRST_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    drawn = threading.Event()

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            done = super().write(text)
            if "rows" in self.getvalue() and "waiting" in self.getvalue():
                drawn.set()
            return done

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    steps = {"rows": Progress(1000, 4000), "waiting": Progress(0, 0)}
    with ProgressDisplay(lambda: steps, lambda _line: None, terminal=True):
        assert drawn.wait(30)
    assert "1,000/4,000" in screen.getvalue()
    assert "0:00:0" in screen.getvalue()


def test_a_step_that_is_done_gives_way_to_what_is_waited_for() -> None:
    display = Waiting("checking", terminal=False)
    display.advance("indexes", 1, 3)
    assert display._now() == {"indexes": Progress(1, 3)}
    display.advance("indexes", 3, 3)
    assert display._now() == {"checking": Progress(0, 0)}
