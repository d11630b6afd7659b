"""What a check finds: one thing, where it is, and how it is cured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

Severity = Literal["error", "warning"]


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
    file: str = ""
    line: int = 0
    """Counted from 1; 0 when it is not known."""
    column: int = 0

    @property
    def where(self) -> str:
        """`index.field`, or the subject."""
        return ".".join(part for part in (self.index, self.field) if part) or self.subject


def failed(found: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(item.severity == "error" for item in found)


def text(statement: sql.Composable) -> str:
    """A statement as it is pasted into psql."""
    return f"{statement.as_string(None)};"
