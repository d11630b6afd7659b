"""A bulk request's reply -> what became of each item (I8).  Pure.

409                                  done: the destination has something newer, or is told as a conflict
404 on a delete (no error)           done: there is nothing left to delete
408, 429, 502, 503, 504              passes: retry this item
cluster_block_exception              passes: a full disk, a read-only index
404 but the index is there           passes: a shard is on its way
500 and other 5xx                    doubtful: mostly passes, but may be a document that trips the server
index_not_found, index_closed        fatal: the generation is gone
401, 403, an ingest pipeline missing fatal: somebody has to set something right
400 and other 4xx                    poison: this document will never be accepted
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from flusso_shared.errors import RetryableError
from flusso_shared.seams import Conflict, Operation, Rejection

Verdict = Literal["conflict", "retry", "doubtful", "gone", "refused", "poison"]

_PASSING = frozenset({404, 408, 429, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_STORED = re.compile(r"current version \[(\d+)\]")
_GONE = frozenset({"index_not_found_exception", "index_closed_exception"})
_PIPELINE = re.compile(r"pipeline with id \[.*\] does not exist")
_HEAD = 200


@dataclass(slots=True)
class Verdicts:
    """What became of the operations of one request; those in no list are done."""

    retry: list[Operation] = field(default_factory=list)
    doubtful: list[tuple[Operation, Rejection]] = field(default_factory=list)
    """To be retried a few times; then they are refused like this."""
    reason: str = ""
    """Of the last that is to be retried."""
    rejected: list[Rejection] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    gone: str = ""
    """Why the index cannot be written at all, if so."""
    refused: str = ""
    """What somebody has to set right before anything can be written, if so."""


def judge(operations: Sequence[Operation], text: str) -> Verdicts:
    """Read the reply to `operations`; only one that tells of errors is parsed.

    Raises `RetryableError` when it is no bulk reply at all.
    """
    verdicts = Verdicts()
    if '"errors":false' in text[:_HEAD]:
        return verdicts
    for operation, answer in zip(operations, _answers(text, len(operations)), strict=True):
        if "error" in answer:
            _judge_one(operation, answer, verdicts)
    return verdicts


def classify(status: int, kind: str, reason: str) -> Verdict:
    """What one item's error means; the table above."""
    if status == HTTPStatus.CONFLICT:
        return "conflict"
    if kind in _GONE or "require_alias" in reason:
        return "gone"
    if status in _PASSING or kind == "cluster_block_exception":
        return "retry"
    if status in _REFUSED or _PIPELINE.search(reason):
        return "refused"
    return "doubtful" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "poison"


def is_error(text: str) -> bool:
    """Whether it is OpenSearch that refused a whole request, in its own words."""
    try:
        return isinstance(json.loads(text)["error"], Mapping)
    except (ValueError, TypeError, KeyError):
        return False


def _answers(text: str, count: int) -> list[Mapping[str, Any]]:
    try:
        items = json.loads(text)["items"]
        answers = [next(iter(item.values())) for item in items]
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise RetryableError(f"the answer is none to a bulk request: {text[:_HEAD]!r}") from error
    # One more is the guard of a request that only deletes.
    if len(answers) not in (count, count + 1):
        raise RetryableError(f"the answer has {len(answers)} items to {count} operations")
    return answers[:count]


def _judge_one(operation: Operation, answer: Mapping[str, Any], verdicts: Verdicts) -> None:
    status, error = int(answer.get("status", HTTPStatus.INTERNAL_SERVER_ERROR)), answer["error"]
    if not isinstance(error, Mapping):
        error = {"type": "", "reason": str(error)}
    kind, reason = str(error.get("type", "")), _reason(error)
    told = f"{kind}: {reason}"
    match classify(status, kind, reason):
        case "conflict":
            found = _STORED.search(reason)
            stored = int(found[1]) if found else operation.version
            if stored > operation.version:
                verdicts.conflicts.append(Conflict(operation.id, operation.version, stored))
        case "retry":
            verdicts.retry.append(operation)
            verdicts.reason = f"{status} {told}"
        case "doubtful":
            verdicts.doubtful.append((operation, Rejection(operation.id, status, told)))
            verdicts.reason = f"{status} {told}"
        case "gone":
            verdicts.gone = reason
        case "refused":
            verdicts.refused = f"{status} {told}"
        case "poison":
            verdicts.rejected.append(Rejection(operation.id, status, told))


def _reason(error: Mapping[str, Any]) -> str:
    """The reason and what caused it, which names the field."""
    reason = str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        return f"{reason}: {cause['reason']}"
    return reason
