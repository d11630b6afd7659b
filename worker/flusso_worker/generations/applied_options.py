"""What a worker applies to an index beyond its documents: a change of it builds nothing again.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flusso_shared.config.model import OnError
from flusso_shared.plan.field_paths import walk
from flusso_shared.plan.model import AggregateField, ColumnField, Field, IndexPlan
from flusso_shared.schema.hash import canonical_hash


@dataclass(frozen=True, slots=True)
class AppliedOptions:
    """The options of one index, as its workers have them."""

    on_error: OnError
    quarantine_limit: int
    verify_every: float
    details: str
    """A hash over what the schema says that only checks and clients look at."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AppliedOptions:
        return cls(**value)


def applied_options(index: IndexPlan, on_error: OnError, quarantine_limit: int) -> AppliedOptions:
    """The options of an index in one configuration."""
    told = [[path, *_details(field)] for path, field, _ in walk(index.fields)]
    details = canonical_hash([index.description, told])
    return AppliedOptions(on_error, quarantine_limit, index.verify_every, details)


def _details(field: Field) -> list[Any]:
    """What is not part of the schema's hash."""
    found: list[Any] = [field.description, getattr(field, "nullable", None)]
    match field:
        case ColumnField():
            return [*found, field.kind, field.postgres, field.values, field.array]
        case AggregateField():
            return [*found, field.value_type]
        case _:
            return found
