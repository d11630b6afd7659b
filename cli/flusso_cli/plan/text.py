"""The announcement for people, in the manner of `terraform plan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from flusso_cli.plan.announcement import (
    Action,
    Announcement,
    Change,
    IndexAnnouncement,
    Reading,
    Rows,
)

_SYMBOLS: dict[Action, tuple[str, str]] = {
    "create": ("+", "green"),
    "rebuild": ("~", "yellow"),
    "update": ("~", "cyan"),
    "remove": ("-", "red"),
    "leave": (" ", "dim"),
    "keep": (" ", "dim"),
}
"""The symbol and its colour."""
_MINUTE, _HOUR = 60, 3600


def lines(announced: Announcement) -> Iterator[Text]:
    """Line by line."""
    for item in announced.indexes:
        yield from _index(item)
    yield from _section("SQL that capture runs", _statements(announced, by_capture=True))
    yield from _section(
        "SQL that an administrator has to run", _statements(announced, by_capture=False)
    )
    yield from _section("Topics that are created", (Text(topic) for topic in announced.topics))
    yield from _section("Tables that capture reads", map(_reading, announced.readings))
    yield from _section("Problems", (Text(each, "bold red") for each in announced.problems))
    yield Text()
    yield Text(_summary(announced), "bold")


def _index(item: IndexAnnouncement) -> Iterator[Text]:
    symbol, colour = _SYMBOLS[item.action]
    yield Text.assemble(
        (f"{symbol} ", f"bold {colour}"), (item.index, "bold"), f"  {_happens(item)}"
    )
    if item.next_generation is not None and (size := _size(item)):
        yield Text(f"    {size}")
    for change in item.changes:
        yield _change(change)
    for note in item.notes:
        yield Text(f"    {note}", "dim")


def _happens(item: IndexAnnouncement) -> str:
    match item.action:
        case "create":
            return f"is built as {item.next_generation}: {item.reason}"
        case "rebuild":
            return f"is built again as {item.next_generation}, in place of {item.generation}: {item.reason}"
        case "keep":
            return f"stays as it is ({item.generation})"
        case _:
            return f"{item.generation}: {item.reason}"


def _size(item: IndexAnnouncement) -> str:
    parts = [] if item.rows is None else [_rows(item.rows, item.table)]
    if item.duration is not None:
        given = item.duration
        whose = (
            "its last seeding"
            if given.measured_at == item.index
            else f"the last seeding of {given.measured_at}"
        )
        parts.append(f"about {_span(given.seconds)}, at {given.rate:,.0f}/s as in {whose}")
    elif item.rows is not None:
        parts.append("for how long is unknown: no seeding was measured yet")
    return "; ".join(parts)


def _change(change: Change) -> Text:
    symbol = "+" if change.before is None else "-" if change.after is None else "~"
    colour = {"+": "green", "-": "red", "~": "yellow"}[symbol]
    what = " ".join(part for part in (change.path, change.attribute) if part)
    told = " -> ".join(each for each in (change.before, change.after) if each is not None)
    line = Text.assemble("    ", (symbol, colour), f" {what}{': ' if told else ''}{told}")
    if not change.rebuilds:
        line.append("  (builds nothing)", "dim")
    return line


def _statements(announced: Announcement, *, by_capture: bool) -> Iterator[Text]:
    for item in announced.statements:
        if item.by_capture == by_capture:
            yield Text.assemble(f"{item.sql};", (f"  -- {item.reason}", "dim"))


def _reading(item: Reading) -> Text:
    what = item.table if item.rows is None else _rows(item.rows, item.table)
    return Text.assemble(what, (f"  {item.reason}", "dim"))


def _section(title: str, found: Iterable[Text]) -> Iterator[Text]:
    body = list(found)
    if body:
        yield Text()
        yield Text(title, "bold")
        for line in body:
            yield Text.assemble("    ", line)


def _summary(announced: Announcement) -> str:
    if not announced.something_to_do:
        return "Nothing to do: what runs is what the files say."
    counts = announced.summary()
    told = {
        "rebuild": "{} to rebuild",
        "create": "{} new",
        "update": "{} to change without a rebuild",
        "remove": "{} no longer kept",
    }
    parts = [text.format(counts[name]) for name, text in told.items() if counts[name]]
    indexes = ", ".join([*parts, f"{counts['unchanged']} unchanged"])
    return f"Plan: {indexes}; {_number(counts['statements'], 'statement')}, {_number(counts['topics'], 'topic')}."


def _rows(rows: Rows, table: str) -> str:
    return f"{rows.number:,} rows of {table} ({'counted' if rows.counted else 'estimated'})"


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{max(1.0, seconds):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
