"""Bulk bodies: bounded, complete, in order, and never able to create an index."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flusso_shared.seams import Operation
from flusso_worker.sinks import bulk

UNBOUNDED = 1 << 40

operations = st.lists(
    st.builds(
        Operation,
        st.text(min_size=1, max_size=20),
        st.integers(0, 1 << 62),
        st.none()
        | st.dictionaries(st.text(), st.text()).map(lambda value: json.dumps(value).encode()),
    ),
    max_size=40,
)


def read(body: bytes) -> list[tuple[str, dict[str, Any], Any]]:
    """(action, metadata, source) per item, as OpenSearch would read it."""
    assert body.endswith(b"\n")
    lines = iter(body.split(b"\n")[:-1])
    found = []
    for line in lines:
        ((action, meta),) = json.loads(line).items()
        found.append((action, meta, None if action == "delete" else json.loads(next(lines))))
    return found


@given(operations, st.integers(1, 7), st.integers(1, 300))
def test_every_operation_is_sent_once_and_in_order(
    given_: list[Operation], batch_size: int, max_bytes: int
) -> None:
    chunks = list(bulk.chunks(given_, batch_size, max_bytes))
    assert [operation for chunk in chunks for operation in chunk.operations] == given_
    for chunk in chunks:
        items = read(chunk.body)
        for operation, (action, meta, source) in zip(chunk.operations, items, strict=False):
            assert meta == {
                "_id": operation.id,
                "version": operation.version,
                "version_type": "external_gte",
            }
            assert action == ("delete" if operation.document is None else "index")
            assert source == (operation.document and json.loads(operation.document))


@given(operations, st.integers(1, 7), st.integers(60, 300))
def test_requests_stay_within_their_limits_unless_one_document_is_larger(
    given_: list[Operation], batch_size: int, max_bytes: int
) -> None:
    for chunk in bulk.chunks(given_, batch_size, max_bytes):
        assert 1 <= len(chunk.operations) <= batch_size
        size = len(chunk.body) - (len(bulk.GUARD) if chunk.body.endswith(bulk.GUARD) else 0)
        assert len(chunk.operations) == 1 or size <= max_bytes


@given(operations)
def test_every_request_contains_an_index_item(given_: list[Operation]) -> None:
    """`require_alias` has no effect on a request of deletes, which would create the index."""
    for chunk in [*bulk.chunks(given_, 3, UNBOUNDED), *([bulk.whole(given_)] if given_ else [])]:
        items = read(chunk.body)
        assert any(action == "index" for action, _, _ in items)
        extra = items[len(chunk.operations) :]
        assert extra in ([], [("index", {"_id": ""}, {})])


def test_line_breaks_between_tokens_do_not_break_the_body() -> None:
    chunk = bulk.whole([Operation("1", 1, b'{"a":\n 1}\n')])
    assert read(chunk.body)[0][2] == {"a": 1}


def test_no_operations_make_no_request() -> None:
    assert list(bulk.chunks([], 10, 10)) == []


def test_invalid_ids_are_refused_alone() -> None:
    longest, too_long = "é" * 256, "é" * 256 + "x"
    fine = [Operation(longest, 1, b"{}"), Operation("1", 1, None)]
    sound, refused = bulk.sort_out(
        [
            *fine,
            Operation(too_long, 1, b"{}"),
            Operation("", 1, b"{}"),
            Operation(too_long, 1, None),
        ]
    )
    assert sound == fine
    assert [(item.id, item.status) for item in refused] == [(too_long, 400), ("", 400)]
    assert "512 bytes" in refused[0].reason
