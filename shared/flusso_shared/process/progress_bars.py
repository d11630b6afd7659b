"""The bars of `progress_bar`, which only a terminal gets: `rich` takes long to import."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Display
from rich.text import Text

from flusso_shared.status import Progress


class _Numbers(ProgressColumn):
    """Done, total and rate, where the total is known."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        return Text(f"{task.completed:,.0f}/{task.total:,.0f} {task.speed or 0:,.0f}/s")


class _Time(ProgressColumn):
    """The time left; that elapsed where the total is not known."""

    def __init__(self) -> None:
        super().__init__()
        self._left, self._elapsed = TimeRemainingColumn(), TimeElapsedColumn()

    def render(self, task: Task) -> Text:
        return (self._elapsed if task.total is None else self._left).render(task)


def show(steps: Callable[[], Mapping[str, Progress]], stop: threading.Event, every: float) -> None:
    """A bar per step on stderr until `stop`, refreshed `every` so many seconds."""
    columns = (TextColumn("{task.description}"), BarColumn(), _Numbers(), _Time())
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        tasks: dict[str, TaskID] = {}
        while True:
            shown = steps()
            for name in [name for name in tasks if name not in shown]:
                display.remove_task(tasks.pop(name))
            for name, step in shown.items():
                total = step.total or None
                if name not in tasks:
                    tasks[name] = display.add_task(name, total=total)
                display.update(tasks[name], completed=step.done, total=total)
            if stop.wait(every):
                return
