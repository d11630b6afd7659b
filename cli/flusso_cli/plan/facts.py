"""What the decision needs, as values; `gather` asks for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flusso_cli.plan.announcement import Reading, Rows, Statement
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import TableName
from flusso_shared.plan.model import IndexPlan
from flusso_worker.generations.applied_options import AppliedOptions
from flusso_worker.generations.decide import Damage
from flusso_worker.generations.record import Known


@dataclass(frozen=True, slots=True)
class Wanted:
    """An enabled index of the files."""

    plan: IndexPlan
    """With the names of the database."""
    options: AppliedOptions


@dataclass(frozen=True, slots=True)
class Recorded:
    """What `flusso_meta` and the clusters have of an index."""

    known: Known
    damaged: Mapping[str, Damage] = field(default_factory=dict)
    """By physical name."""
    highest: int = 0
    """The highest number of its physical indexes, recorded or not."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What capture would find and do."""

    lineage: Lineage | None
    """None before the first start."""
    new_history: str | None
    """Why capture begins a new history; None where it resumes."""
    statements: Sequence[Statement] = ()
    readings: Sequence[Reading] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the announcement follows from."""

    prefix: str
    """Of the names of indexes."""
    wanted: Sequence[Wanted]
    disabled: Collection[str]
    """Indexes of the files with `enabled = false`."""
    recorded: Mapping[str, Recorded]
    settings: Mapping[str, Mapping[str, Any]]
    """Per OpenSearch sink what an index that is made now gets."""
    source: SourceFacts
    topics: Sequence[str]
    """Those that do not exist yet."""
    rows: Mapping[TableName, Rows]
    """Of root tables."""
    durable: bool = True
    """Whether changes go through Kafka.  In `flusso run` each index that is made reads its root table."""
