"""How far something is that takes longer than two seconds: bars on a terminal, lines elsewhere.

Both have the rate and the time left.  Nothing is imported, and nothing shown, before the two seconds are over.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from flusso_shared.status import Progress

_FIRST_SECONDS = 2.0
_REFRESH_SECONDS = 0.5
_FIRST_INTERVAL_SECONDS = 5.0
_LONGEST_INTERVAL_SECONDS = 60.0

Steps = Callable[[], Mapping[str, Progress]]
"""What is in progress now, by name.  A total of 0 is not known."""


@dataclass(slots=True)
class _Seen:
    """One step, from when it was seen first."""

    at: float
    done: int
    line_at: float
    """When its next line is due."""
    interval: float = _FIRST_INTERVAL_SECONDS


class LineSchedule:
    """The lines that are due: for each step one after two seconds, and others at intervals that double up to a minute.

    Pure: `now` is given, in seconds.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def due(self, steps: Mapping[str, Progress], now: float) -> list[str]:
        """The lines to be written now."""
        for name in [name for name in self._seen if name not in steps]:
            del self._seen[name]
        lines: list[str] = []
        for name, step in steps.items():
            seen = self._seen.setdefault(name, _Seen(now, step.done, now + _FIRST_SECONDS))
            if now < seen.line_at:
                continue
            seen.line_at = now + seen.interval
            seen.interval = min(2 * seen.interval, _LONGEST_INTERVAL_SECONDS)
            lines.append(f"{name}: {_text(step, step.done - seen.done, now - seen.at)}")
        return lines


def _text(step: Progress, advanced: int, seconds: float) -> str:
    """`advanced` since the step was seen first, `seconds` ago."""
    if not step.total:
        return f"not done after {_duration(seconds)}"
    share = 100 * step.done // step.total
    text = f"{step.done:,} of {step.total:,} ({share} %)"
    if advanced <= 0 or seconds <= 0:
        return text
    left = max(0, step.total - step.done) * seconds / advanced
    return f"{text}, {advanced / seconds:,.0f}/s, about {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ProgressDisplay:
    """Shows `steps` while the block runs, in a thread of its own."""

    def __init__(
        self, steps: Steps, write: Callable[[str], None], *, terminal: bool | None = None
    ) -> None:
        """`write` is called with each line where stderr is no terminal."""
        self._steps = steps
        self._write = write
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        schedule = LineSchedule()
        if not self._terminal:
            while not self._stop.wait(_REFRESH_SECONDS):
                for line in schedule.due(self._steps(), time.monotonic()):
                    self._write(line)
        elif not self._stop.wait(_FIRST_SECONDS):
            from flusso_shared.process.progress_bars import show

            show(self._steps, self._stop, _REFRESH_SECONDS)


class Waiting(ProgressDisplay):
    """The same for a command, whose steps are reported to it."""

    def __init__(self, what: str, *, terminal: bool | None = None) -> None:
        """`what` is shown while no step is known."""
        self._lock = threading.Lock()
        self._what = what
        self._known: dict[str, Progress] = {}
        super().__init__(self._now, _to_stderr, terminal=terminal)

    def advance(self, step: str, done: int, total: int) -> None:
        """Report a step.  One that is done is not shown any more."""
        with self._lock:
            self._known[step] = Progress(done, total)

    def _now(self) -> dict[str, Progress]:
        with self._lock:
            open_steps = {
                name: step for name, step in self._known.items() if step.done < step.total
            }
        return open_steps or {self._what: Progress(0, 0)}


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
