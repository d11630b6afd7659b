"""Located problems in files that users write, and the error that carries all of them at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flusso_shared.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file.  `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    source: str = ""
    """The offending line, shown with a caret."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}"
        if self.source:
            # Tabs stay, so that the caret stands right whatever their width.
            before = re.sub(r"[^\t]", " ", self.source[: self.column - 1])
            text += f"\n    {self.source}\n    {before}^"
        return text


class Problems(ConfigError):
    """Everything that is wrong in one or more files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean `x`?)`, or nothing when no allowed name is near."""
    near = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.7)
    return f" (did you mean `{near[0]}`?)" if near else ""


def listed(names: Iterable[str]) -> str:
    """Names as a readable list."""
    return ", ".join(f"`{name}`" for name in names)
