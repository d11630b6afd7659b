"""Plans as JSON: for the lock file and for a generation's bookkeeping.  Lossless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from flusso_shared.plan.model import IndexPlan

_ADAPTER: TypeAdapter[IndexPlan] = TypeAdapter(IndexPlan)


def plan_to_json(plan: IndexPlan) -> dict[str, Any]:
    """Plain JSON values."""
    value: dict[str, Any] = _ADAPTER.dump_python(plan, mode="json")
    return value


def plan_from_json(value: Mapping[str, Any]) -> IndexPlan:
    """The inverse of `plan_to_json`.  Raises `pydantic.ValidationError` on anything else."""
    return _ADAPTER.validate_python(value)
