"""Waits until the three indexes are there, and shows how far they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from demolib import display
from demolib.programs import Program
from demolib.search import Search
from stacklib.problem import Problem

INDEXES = ("orders", "products", "users")
_DEADLINE = 240.0
_POLL = 0.2
_REPEAT = 5.0


def wait_until_live(programs: Sequence[Program], search: Search) -> None:
    """Wait until every index has its alias and every worker follows all of them."""
    end = time.monotonic() + _DEADLINE
    told, told_at = "", 0.0
    with display.console.status("starting") as spinner:
        while True:
            for program in programs:
                program.check()
            statuses = {program.name: program.status() for program in programs}
            if _live(statuses) and all(search.generation(index) for index in INDEXES):
                return
            now = _told(statuses)
            spinner.update(now)
            late = time.monotonic() - told_at > _REPEAT
            if late and now != told and not display.console.is_terminal:
                display.say(f"  {now}")
                told, told_at = now, time.monotonic()
            if time.monotonic() > end:
                raise Problem(
                    f"The indexes were not there within {_DEADLINE:.0f} s: {now}\n"
                    "  The logs are in .dev/demo/*/log."
                )
            time.sleep(_POLL)


def _live(statuses: dict[str, dict[str, Any]]) -> bool:
    workers = [status for name, status in statuses.items() if name.startswith("worker")]
    return all(
        set(INDEXES) <= status.get("indexes", {}).keys()
        and all(status["indexes"][index] == "seeded" for index in INDEXES)
        for status in workers
    )


def _told(statuses: dict[str, dict[str, Any]]) -> str:
    return "; ".join(f"{name}: {_of_one(status)}" for name, status in statuses.items())


def _of_one(status: dict[str, Any]) -> str:
    if not status:
        return "starting"
    if status.get("waiting_for"):
        return f"waiting for {status['waiting_for']}"
    told = str(status["phase"])
    if status.get("documents_built"):
        told += f", {status['documents_built']} documents"
    for name, part in status.get("progress", {}).items():
        told += f", {name} {part['done']}/{part['total']}"
    return told
