"""What `flusso plan` announces, as values and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

Action = Literal["create", "rebuild", "update", "keep", "remove", "leave"]
"""What happens to an index: `update` changes options without building anything; `remove` ends its maintenance, and `leave` is
one that is not maintained already."""
RUNNING = ("create", "rebuild", "update", "remove")
"""The actions that a deployment of the files leads to."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what runs and the files."""

    path: str
    """Dotted path of the field in the document; empty for the index itself."""
    attribute: str
    """What of it; empty for the whole field."""
    before: str | None
    """None where there was none."""
    after: str | None
    rebuilds: bool
    """Whether the documents or the mapping change with it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The size of a table."""

    number: int
    counted: bool
    """Else it is the planner's estimate."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a seeding takes, by the rate of an earlier one."""

    seconds: float
    rate: float
    """Changes per second."""
    measured_at: str
    """The index whose last seeding had that rate."""


@dataclass(frozen=True, slots=True)
class IndexAnnouncement:
    """What happens to one index."""

    index: str
    action: Action
    reason: str = ""
    generation: str | None = None
    """The physical index that queries see now, or will see."""
    next_generation: str | None = None
    """The physical index that is made."""
    table: str = ""
    """The root table."""
    rows: Rows | None = None
    duration: Duration | None = None
    """None where no rate is known."""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that the database needs."""

    sql: str
    reason: str
    by_capture: bool
    """Whether capture runs it; otherwise an administrator has to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A table whose rows capture publishes."""

    table: str
    reason: str
    rows: Rows | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """Everything that a deployment of the files leads to."""

    indexes: tuple[IndexAnnouncement, ...]
    statements: tuple[Statement, ...] = ()
    """In the order in which they are run."""
    topics: tuple[str, ...] = ()
    """Those that capture creates."""
    readings: tuple[Reading, ...] = ()
    problems: tuple[str, ...] = ()
    """What would stop an index, or capture."""

    @property
    def something_to_do(self) -> bool:
        """Whether a deployment changes anything."""
        acting = any(item.action in RUNNING for item in self.indexes)
        return acting or bool(self.statements or self.topics or self.readings)

    def summary(self) -> dict[str, int]:
        """The number of indexes per action, of statements and of topics."""
        counted = Counter(item.action for item in self.indexes)
        return {
            "rebuild": counted["rebuild"],
            "create": counted["create"],
            "update": counted["update"],
            "remove": counted["remove"],
            "unchanged": counted["keep"] + counted["leave"],
            "statements": len(self.statements),
            "topics": len(self.topics),
        }

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "summary": self.summary()}
