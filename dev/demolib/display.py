"""Prints for a reader who sees this for the first time."""

from __future__ import annotations

import difflib
import json
from typing import Any

from rich.console import Console
from rich.markup import escape

_WIDTH = 96

console = Console(highlight=False)


def heading(text: str) -> None:
    """A line between two parts."""
    console.print()
    console.rule(f"[bold]{escape(text)}", align="left", style="cyan")


def say(text: str) -> None:
    """A sentence; `text` may have rich's markup."""
    console.print(text, soft_wrap=True)


def sql(text: str) -> None:
    """A statement that is run."""
    for line in text.strip().splitlines():
        console.print(f"  [cyan]{escape(line)}", soft_wrap=True)


def document(value: Any) -> None:
    """A whole document."""
    for line in _lines(value):
        console.print(f"  {escape(line)}", soft_wrap=True)


def changed(before: Any, after: Any) -> None:
    """The document as it is now, with a mark at each line that is different."""
    old, new = _lines(before), _lines(after)
    for line in difflib.ndiff(old, new):
        match line[:2]:
            case "+ ":
                console.print(f"[bold green]> {escape(line[2:])}", soft_wrap=True)
            case "  ":
                console.print(f"  {escape(line[2:])}", soft_wrap=True)
            case _:
                continue  # what was, and the hints of difflib


def differences(name: str, before: Any, after: Any) -> None:
    """Only the values that are different."""
    for path, old, new in _differences(before, after, name):
        console.print(f"  {escape(path)}: {escape(old)} -> [bold green]{escape(new)}")


def _differences(before: Any, after: Any, path: str) -> list[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key, value in after.items()
            for found in _differences(before.get(key), value, f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            found
            for place, (old, new) in enumerate(zip(before, after, strict=True))
            for found in _differences(old, new, f"{path}[{place}]")
        ]
    return [] if before == after else [(path, json.dumps(before), json.dumps(after))]


def _lines(value: Any, indent: str = "", key: str = "", end: str = "") -> list[str]:
    """JSON with everything on one line that has room there."""
    start = f"{indent}{json.dumps(key)}: " if key else indent
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(start + flat) <= _WIDTH:
        return [f"{start}{flat}{end}"]
    inner = indent + "  "
    lines = []
    if isinstance(value, dict):
        opening, closing = "{", "}"
        children = [(name, item) for name, item in value.items()]
    else:
        opening, closing = "[", "]"
        children = [("", item) for item in value]
    for place, (name, item) in enumerate(children):
        comma = "," if place < len(children) - 1 else ""
        lines += _lines(item, inner, name, comma)
    return [f"{start}{opening}", *lines, f"{indent}{closing}{end}"]
