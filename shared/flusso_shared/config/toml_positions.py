"""Where keys stand in a TOML file: tomllib checks the syntax, this finds the lines for messages.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=")
_HARMLESS = re.compile(
    r"\s*(true|false|[+-]?\d[\d_.]*|\{\s*(env|file)\s*=\s*\S+\s*\}|[\[{]\s*)?\s*(#.*)?"
)


class KeyPositions:
    """Line and column (from 1) of each key of a document, by its path; list items count from 0."""

    def __init__(self, text: str) -> None:
        self.lines: Sequence[str] = text.splitlines()
        self._places: dict[Path, tuple[int, int]] = {}
        self._scan()

    def of(self, path: Path) -> tuple[int, int]:
        """The place of `path`, or of the nearest thing around it that has one; (0, 0) for the file."""
        while path:
            if path in self._places:
                return self._places[path]
            path = path[:-1]
        return (0, 0)

    def source(self, line: int) -> str:
        """The text of a line, to be shown: of a value only what can be no secret, whatever its key is (misspelt, say)."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        if assignment := _ASSIGNMENT.match(text):
            value = text[assignment.end() :]
            return text if _HARMLESS.fullmatch(value) else f"{assignment[0]} ..."
        # Not the inside of a text of several lines, such as a key in PEM.
        return text if _HEADER.match(text) else ""

    def _scan(self) -> None:
        base: Path = ()
        counts: dict[Path, int] = {}
        for number, line in enumerate(self.lines, 1):
            if header := _HEADER.match(line):
                base = _parts(header[2])
                if header[1] == "[[":
                    counts[base] = counts.get(base, -1) + 1
                    base = (*base, counts[base])
                self._note(base, number, header.start(2) + 1)
            elif assignment := _ASSIGNMENT.match(line):
                self._note((*base, *_parts(assignment[1])), number, assignment.start(1) + 1)

    def _note(self, path: Path, line: int, column: int) -> None:
        self._places.setdefault(path, (line, column))


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))
