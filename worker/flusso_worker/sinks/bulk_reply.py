"""The reply to a bulk request -> the result of each item (I8).  Pure.

409                                  done: the index has a newer version; reported as a conflict
404 on a delete (no error)           done: there is nothing to delete
408, 429, 502, 503, 504              transient: retry this item
cluster_block_exception              transient: a full disk, a read-only index
404 but the index exists             transient: a shard is being started or moved
500 and other 5xx                    uncertain: mostly transient, but the document may cause the error
index_not_found, index_closed        fatal: the generation was deleted or closed
401, 403, missing ingest pipeline    fatal: an operator has to repair something
400 and other 4xx                    permanent: this document will never be accepted
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from flusso_shared.errors import RetryableError
from flusso_shared.seams import Conflict, Operation, Rejection

Verdict = Literal["conflict", "retry", "uncertain", "gone", "refused", "poison"]
RetryReason = Literal["unanswered", "busy", "blocked", "unavailable", "error", "refused"]
"""Why something is sent again, as `flusso_sink_retries_total` counts it."""


class Wait(NamedTuple):
    """What to wait for before the next attempt."""

    reason: RetryReason
    text: str


_TRANSIENT = frozenset({404, 408, 429, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_STORED = re.compile(r"current version \[(\d+)\]")
_GONE = frozenset({"index_not_found_exception", "index_closed_exception"})
_PIPELINE = re.compile(r"pipeline with id \[.*\] does not exist")
_HEAD_CHARACTERS = 200
"""Of a reply, in which `errors` is, and which messages quote."""


@dataclass(slots=True)
class Verdicts:
    """The results of the operations of one request; those in no list are done."""

    retry: list[Operation] = field(default_factory=list)
    unavailable: list[Operation] = field(default_factory=list)
    """Of those to retry, the ones whose shard may have gone meanwhile.  A full queue (429) says nothing about it."""
    uncertain: list[tuple[Operation, Rejection]] = field(default_factory=list)
    """Operations to retry a few times, and their rejections if that does not help."""
    wait: Wait | None = None
    """Of the last operation that has to be retried."""
    rejected: list[Rejection] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    gone: str = ""
    """Why the index does not exist or is closed; else empty."""
    refused: str = ""
    """What an operator has to repair before anything can be written; else empty."""


def judge(operations: Sequence[Operation], text: str) -> Verdicts:
    """Read the reply to `operations`; only a reply that reports errors is parsed.

    Raises `RetryableError` when the text is not a bulk reply.
    """
    verdicts = Verdicts()
    if '"errors":false' in text[:_HEAD_CHARACTERS]:
        return verdicts
    for operation, answer in zip(operations, _answers(text, len(operations)), strict=True):
        if "error" in answer:
            _judge_one(operation, answer, verdicts)
    return verdicts


def classify(status: int, kind: str, reason: str) -> Verdict:
    """The meaning of the error of one item, by the table above."""
    if status == HTTPStatus.CONFLICT:
        return "conflict"
    if kind in _GONE or "require_alias" in reason:
        return "gone"
    if status in _TRANSIENT or kind == "cluster_block_exception":
        return "retry"
    if status in _REFUSED or _PIPELINE.search(reason):
        return "refused"
    return "uncertain" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "poison"


def is_error(text: str) -> bool:
    """Whether the text is an error of OpenSearch itself, not of a proxy before it."""
    try:
        return isinstance(json.loads(text)["error"], Mapping)
    except (ValueError, TypeError, KeyError):
        return False


def _answers(text: str, count: int) -> list[Mapping[str, Any]]:
    try:
        items = json.loads(text)["items"]
        answers = [next(iter(item.values())) for item in items]
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise RetryableError(
            f"the answer is not the reply to a bulk request: {text[:_HEAD_CHARACTERS]!r}"
        ) from error
    # A request that only deletes has one item more, the guard.
    if len(answers) not in (count, count + 1):
        raise RetryableError(f"the answer has {len(answers)} items to {count} operations")
    return answers[:count]


def _judge_one(operation: Operation, answer: Mapping[str, Any], verdicts: Verdicts) -> None:
    status, error = int(answer.get("status", HTTPStatus.INTERNAL_SERVER_ERROR)), answer["error"]
    if not isinstance(error, Mapping):
        error = {"type": "", "reason": str(error)}
    kind, reason = str(error.get("type", "")), _reason(error)
    text = f"{kind}: {reason}"
    match classify(status, kind, reason):
        case "conflict":
            found = _STORED.search(reason)
            stored = int(found[1]) if found else operation.version
            if stored > operation.version:
                verdicts.conflicts.append(Conflict(operation.id, operation.version, stored))
        case "retry":
            verdicts.retry.append(operation)
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                verdicts.unavailable.append(operation)
            verdicts.wait = Wait(_why(status, kind), f"{status} {text}")
        case "uncertain":
            verdicts.uncertain.append((operation, Rejection(operation.id, status, text)))
            verdicts.unavailable.append(operation)
            verdicts.wait = Wait("error", f"{status} {text}")
        case "gone":
            verdicts.gone = reason
        case "refused":
            verdicts.refused = f"{status} {text}"
        case "poison":
            verdicts.rejected.append(Rejection(operation.id, status, text))


def _why(status: int, kind: str) -> RetryReason:
    if kind == "cluster_block_exception":
        return "blocked"
    return "busy" if status == HTTPStatus.TOO_MANY_REQUESTS else "unavailable"


def _reason(error: Mapping[str, Any]) -> str:
    """The reason and its cause, which names the field."""
    reason = str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        return f"{reason}: {cause['reason']}"
    return reason
