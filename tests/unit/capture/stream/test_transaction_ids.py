"""Widening transaction ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flusso_capture.stream.transaction_ids import TransactionIds, widen

_EPOCH = 1 << 32


@pytest.mark.parametrize(
    ("xid", "reference", "expected"),
    [
        (740, 741, 740),
        (745, 741, 745),
        (3, _EPOCH - 5, _EPOCH + 3),
        (_EPOCH - 5, _EPOCH + 3, _EPOCH - 5),
        (_EPOCH - 5, 3, _EPOCH - 5),
        (7, 5 * _EPOCH + 9, 5 * _EPOCH + 7),
    ],
)
def test_the_nearest_is_taken(xid: int, reference: int, expected: int) -> None:
    assert widen(xid, reference) == expected


@given(st.integers(3, 1 << 62), st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_every_id_in_use_is_found_again(xid: int, distance: int) -> None:
    assert widen(xid % _EPOCH, max(0, xid + distance)) == xid


def test_a_stream_crosses_the_epoch() -> None:
    xids = TransactionIds(_EPOCH - 2)
    assert [xids.widen(xid) for xid in (_EPOCH - 1, 3, _EPOCH - 1, 9)] == [
        _EPOCH - 1,
        _EPOCH + 3,
        _EPOCH - 1,
        _EPOCH + 9,
    ]
