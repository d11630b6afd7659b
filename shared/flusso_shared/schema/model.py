"""A `*.schema.yml` as values: one document over one root table."""

from __future__ import annotations

from dataclasses import dataclass

from flusso_shared.names import TableName
from flusso_shared.plan.model import Columns, Condition, Field, SoftDelete


@dataclass(frozen=True, slots=True)
class Schema:
    """What one schema file declares."""

    root: TableName
    key: Columns
    """The columns that name the document: `doc_id`, else the root's declared primary key.

    Empty when neither is declared: the catalog's primary key is used then.
    """
    fields: tuple[Field, ...]
    soft_delete: SoftDelete | None = None
    filters: tuple[Condition, ...] = ()
    version: int = 1
    verify_every: float = 0.0
    """Seconds between two verifications with repair; 0 is never."""
    description: str = ""
