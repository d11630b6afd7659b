"""A bulk request's reply -> each item done, to be retried, refused, or its index gone (I8).  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flusso_shared.seams import Conflict, Operation, Rejection

_PASSING = frozenset({408, 429, 502, 503, 504})
_STORED = re.compile(r"current version \[(\d+)\]")
_GONE = ("index_not_found_exception", "index_closed_exception")
_HEAD = 200


@dataclass(slots=True)
class Verdicts:
    """What became of the operations of one request; those in no list are done."""

    retry: list[Operation] = field(default_factory=list)
    retry_reason: str = ""
    rejected: list[Rejection] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    gone: str = ""
    """Why the index cannot be written at all, if so."""


def judge(operations: Sequence[Operation], text: str) -> Verdicts:
    """Read the reply to `operations`; only one that tells of errors is parsed."""
    verdicts = Verdicts()
    if '"errors":false' in text[:_HEAD]:
        return verdicts
    items = json.loads(text)["items"]
    for operation, item in zip(operations, items, strict=True):
        (answer,) = item.values()
        if "error" in answer:
            _judge_one(operation, answer, verdicts)
    return verdicts


def _judge_one(operation: Operation, answer: Mapping[str, Any], verdicts: Verdicts) -> None:
    status, error = int(answer["status"]), answer["error"]
    kind, reason = str(error.get("type", "")), _reason(error)
    if status == 409:
        found = _STORED.search(reason)
        stored = int(found[1]) if found else operation.version
        if stored > operation.version:
            verdicts.conflicts.append(Conflict(operation.id, operation.version, stored))
    elif kind in _GONE or "require_alias" in reason:
        verdicts.gone = reason
    elif status in _PASSING or kind == "cluster_block_exception":
        verdicts.retry.append(operation)
        verdicts.retry_reason = f"{status} {kind}: {reason}"
    else:
        verdicts.rejected.append(Rejection(operation.id, status, f"{kind}: {reason}"))


def _reason(error: Mapping[str, Any]) -> str:
    """The reason and what caused it, which names the field."""
    reason = str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        return f"{reason}: {cause['reason']}"
    return reason
