"""A line per index or table that is being seeded, with rate and time left, where stderr is a terminal."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flusso_shared.status import Status

_REFRESH_SECONDS = 0.5


class _Rate(ProgressColumn):
    """Changes per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


class ProgressLine:
    """Shows `Status.progress()`; use it as a context manager where stderr is a terminal."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> ProgressLine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        columns = (
            TextColumn("seeding {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as display:
            tasks: dict[str, TaskID] = {}
            while not self._stop.wait(_REFRESH_SECONDS):
                shown = self._status.progress()
                for name in [name for name in tasks if name not in shown]:
                    display.remove_task(tasks.pop(name))
                for name, item in shown.items():
                    if name not in tasks:
                        tasks[name] = display.add_task(name, total=item.total)
                    display.update(tasks[name], completed=item.done, total=item.total)
