"""What the views of a deployment say of a fault: `faults.json`, which `tests/failure/operator/test_ten_faults.py` records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("faults.json")


def recorded() -> dict[str, Any]:
    """By fault: `views` (by name `seconds` and `said`), and `well_after_seconds`."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def table(fault: str) -> str:
    """One row per view: what it said, and after how many seconds."""
    found = recorded()[fault]
    rows = [
        f"| {view} | {_time(seen['seconds'])} | {'<br>'.join(map(_code, seen['said']))} |"
        for view, seen in found["views"].items()
    ]
    head = ["| view | after | what it says |", "|---|---|---|"]
    after = f"All views were well {_time(found['well_after_seconds'])} after the cure."
    return "\n".join([*head, *rows, "", after])


def overview() -> str:
    """One row per fault: the seconds until each view says it."""
    found = recorded()
    views = list(dict.fromkeys(view for fault in found.values() for view in fault["views"]))
    head = [f"| fault | {' | '.join(views)} |", f"|---{'|---' * len(views)}|"]
    rows = [
        f"| [{_title(name)}](#{name}) | {' | '.join(_seconds(fault, view) for view in views)} |"
        for name, fault in found.items()
    ]
    return "\n".join([*head, *rows])


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize().replace("Opensearch", "OpenSearch")


def _seconds(fault: dict[str, Any], view: str) -> str:
    seen = fault["views"].get(view)
    return "-" if seen is None else _time(seen["seconds"])


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"


def _code(line: str) -> str:
    return f"`` {line} ``" if "`" in line else f"`{line}`"
