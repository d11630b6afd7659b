"""The generations of a deployment by the names of its consumer groups, where their records cannot be read.  Pure.

A group is named after its generation.  Which state that has, and which of several queries see, is on record alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_worker.generations.record import Generation

_NUMBER = re.compile(r"[1-9][0-9]*")
_UNKNOWN = Lineage("", "", "")


def assumed(
    plan: Plan, index_prefix: str, topic_prefix: str, groups: Iterable[str]
) -> list[Generation]:
    """Per index of the plan the newest generation of its schema that has a group; none where there is no such group."""
    names = list(groups)
    found = (_newest(index, index_prefix, topic_prefix, names) for index in plan.indexes)
    return [generation for generation in found if generation is not None]


def _newest(
    index: IndexPlan, index_prefix: str, topic_prefix: str, groups: Iterable[str]
) -> Generation | None:
    start = f"{topic_prefix}.{index_prefix}{index.name}_{index.hash}_"
    endings = (group.removeprefix(start) for group in groups if group.startswith(start))
    numbers = [int(ending) for ending in endings if _NUMBER.fullmatch(ending)]
    if not numbers:
        return None
    name = GenerationName(index.name, index.hash, max(numbers), index_prefix)
    return Generation(name, "live", _UNKNOWN, index, starts={})
