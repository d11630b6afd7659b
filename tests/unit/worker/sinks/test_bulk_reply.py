"""What a bulk reply means for each document.  The errors are what OpenSearch 2.19 and 3.5 answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.errors import RetryableError
from flusso_shared.seams import Conflict, Operation, Rejection
from flusso_worker.sinks import bulk_reply

ONE = [Operation("1", 10, b"{}")]


def item(status: int, error: Any = None, action: str = "index") -> dict[str, Any]:
    answer: dict[str, Any] = {"_id": "1", "status": status}
    if error is not None:
        answer["error"] = error
    return {action: answer}


def error(kind: str, reason: str) -> dict[str, str]:
    return {"type": kind, "reason": reason}


def reply(*items: dict[str, Any]) -> str:
    return json.dumps({"took": 1, "errors": True, "items": list(items)})


def test_a_reply_without_errors_is_not_parsed() -> None:
    assert bulk_reply.judge(ONE, '{"took":3,"errors":false,"items":[ not json') == (
        bulk_reply.Verdicts()
    )


def test_a_newer_stored_version_is_reported_and_an_equal_one_is_not() -> None:
    reason = "[1]: version conflict, current version [{}] is higher than the one provided [10]"
    kind = "version_conflict_engine_exception"
    newer = bulk_reply.judge(ONE, reply(item(409, error(kind, reason.format(12)))))
    assert newer.conflicts == [Conflict("1", 10, 12)]
    for text in (reason.format(10), "worded otherwise"):
        assert bulk_reply.judge(ONE, reply(item(409, error(kind, text)))) == bulk_reply.Verdicts()


def test_a_delete_of_nothing_is_done() -> None:
    deletes = [Operation("1", 10, None)]
    guard = item(
        400, error("illegal_argument_exception", "if _id is specified it must not be empty")
    )
    assert bulk_reply.judge(deletes, reply(item(404, action="delete"), guard)) == (
        bulk_reply.Verdicts()
    )


@pytest.mark.parametrize(
    ("status", "kind", "reason", "verdict"),
    [
        (429, "rejected_execution_exception", "rejected execution", "retry"),
        (429, "cluster_block_exception", "disk usage exceeded flood-stage watermark", "retry"),
        (403, "cluster_block_exception", "blocked by: [FORBIDDEN/5/index read-only]", "retry"),
        (502, "", "", "retry"),
        (503, "unavailable_shards_exception", "primary shard is not active", "retry"),
        (504, "", "", "retry"),
        (404, "shard_not_found_exception", "no such shard", "retry"),
        (500, "null_pointer_exception", "", "uncertain"),
        (404, "index_not_found_exception", "no such index [a]", "gone"),
        (400, "index_closed_exception", "closed", "gone"),
        (403, "security_exception", "no permissions for [indices:data/write/bulk[s]]", "refused"),
        (400, "illegal_argument_exception", "pipeline with id [p] does not exist", "refused"),
        (400, "mapper_parsing_exception", "failed to parse field [a]", "poison"),
        (400, "strict_dynamic_mapping_exception", "introduction of [b] is not allowed", "poison"),
        (413, "", "", "poison"),
        (409, "version_conflict_engine_exception", "", "conflict"),
    ],
)
def test_the_table_of_errors(status: int, kind: str, reason: str, verdict: str) -> None:
    assert bulk_reply.classify(status, kind, reason) == verdict


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (429, "rejected_execution_exception", []),
        (503, "unavailable_shards_exception", ONE),
        (404, "shard_not_found_exception", ONE),
        (500, "internal_error", ONE),
        (400, "mapper_parsing_exception", []),
    ],
)
def test_a_shard_that_may_have_gone_is_told(status: int, kind: str, told: list[Operation]) -> None:
    assert bulk_reply.judge(ONE, reply(item(status, error(kind, "")))).unavailable == told


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        (429, "rejected_execution_exception", "busy"),
        (429, "cluster_block_exception", "blocked"),
        (403, "cluster_block_exception", "blocked"),
        (503, "unavailable_shards_exception", "unavailable"),
        (500, "internal_error", "error"),
    ],
)
def test_what_is_sent_again_says_why(status: int, kind: str, why: str) -> None:
    assert bulk_reply.judge(ONE, reply(item(status, error(kind, "told")))).wait == (
        why,
        f"{status} {kind}: told",
    )


def test_the_reason_names_the_cause() -> None:
    told = error("mapper_parsing_exception", "failed to parse field [a]") | {
        "caused_by": error("number_format_exception", 'For input string: "x"')
    }
    (found,) = bulk_reply.judge(ONE, reply(item(400, told))).rejected
    assert found == Rejection(
        "1", 400, 'mapper_parsing_exception: failed to parse field [a]: For input string: "x"'
    )


@pytest.mark.parametrize(
    "text",
    ["", "<html>504</html>", "{}", '{"items":[{}]}', '{"items":[1]}', "[]", reply(), "null"],
)
def test_a_text_that_is_no_bulk_reply_is_retried(text: str) -> None:
    with pytest.raises(RetryableError):
        bulk_reply.judge(ONE, text)


statuses = st.sampled_from([200, 201, 400, 403, 404, 408, 409, 413, 418, 429, 500, 502, 503, 504])
kinds = st.sampled_from(
    ["", "mapper_parsing_exception", "cluster_block_exception", "security_exception", "other"]
)


@given(st.lists(st.tuples(statuses, kinds), max_size=30))
def test_every_item_gets_exactly_one_verdict(given_: list[tuple[int, str]]) -> None:
    operations = [Operation(str(n), n, b"{}") for n in range(len(given_))]
    items = [
        item(status, error(kind, f"current version [{n + 5}]") if status >= 400 else None)
        for n, (status, kind) in enumerate(given_)
    ]
    verdicts = bulk_reply.judge(operations, reply(*items))
    told = (
        [operation.id for operation in verdicts.retry]
        + [operation.id for operation, _ in verdicts.uncertain]
        + [rejection.id for rejection in verdicts.rejected]
        + [conflict.id for conflict in verdicts.conflicts]
    )
    assert len(told) == len(set(told))
    expected = {
        str(n)
        for n, (status, kind) in enumerate(given_)
        if status >= 400 and bulk_reply.classify(status, kind, "") != "refused"
    }
    assert set(told) == expected
    assert bool(verdicts.refused) == any(
        status >= 400 and bulk_reply.classify(status, kind, "") == "refused"
        for status, kind in given_
    )
