"""A finding of a check: what is wrong, where, and how to correct it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from flusso_shared.errors import ConfigError
from flusso_shared.problems import Problems

Severity = Literal["error", "warning"]
Format = Literal["human", "json", "sarif"]
"""Output formats."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.  Only errors fail the check."""

    severity: Severity
    rule: str
    """A stable name for the kind of finding, e.g. `unknown-column`."""
    message: str
    index: str = ""
    field: str = ""
    """Dotted path in the document, or `filters`, `soft_delete`, `primary_key`; empty for the index as a whole."""
    subject: str = ""
    """What it is about, where that is no index: `table public.users`, `sink primary`."""
    cure: str = ""
    """What to do, in words."""
    sql: tuple[str, ...] = ()
    """Statements that cure it; of several ways the first is the best."""
    name: str = ""
    """The word of the schema file that it is about, where that is narrower than the field."""
    file: str = ""
    line: int = 0
    """Counted from 1; 0 when it is not known."""
    column: int = 0

    @property
    def where(self) -> str:
        """`index.field`, or the subject."""
        return ".".join(part for part in (self.index, self.field) if part) or self.subject

    def to_json(self) -> dict[str, Any]:
        """For programs; what does not apply is an empty string, a place that is not known null."""
        value = dataclasses.asdict(self)
        del value["name"]
        for name in ("line", "column", "file"):
            value[name] = value[name] or None
        return value


def load_errors(error: ConfigError) -> list[Diagnostic]:
    """What kept the files from being loaded."""
    if isinstance(error, Problems):
        return [
            Diagnostic(
                "error", "load", item.message, file=item.file, line=item.line, column=item.column
            )
            for item in error.problems
        ]
    return [Diagnostic("error", "load", str(error))]


def failed(found: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(item.severity == "error" for item in found)


def text(statement: sql.Composable) -> str:
    """A statement as it is pasted into psql."""
    return f"{statement.as_string(None)};"
