"""Positions of the write-ahead log in the query client."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flusso_query.client.wait import is_applied, position

PAGE, SEGMENT = 8192, 1 << 24


@dataclass
class Change:
    commit_lsn: int


def test_positions_are_numbers_text_or_changes() -> None:
    assert position(5) == 5
    assert position("0/16B3748") == 0x16B3748
    assert position("1F/A0") == (0x1F << 32) + 0xA0
    assert position(Change(100)) == 101


@pytest.mark.parametrize("text", ["", "5", "0/", "/5", "x/5", "0/5/6"])
def test_other_text_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match="no LSN"):
        position(text)


@pytest.mark.parametrize(
    ("applied", "wanted", "is_there"),
    [
        (100, 100, True),
        (100, 101, False),
        (101, 100, True),
        # The next record is placed after the header of the page, or of the segment.
        (3 * PAGE, 3 * PAGE + 24, True),
        (3 * PAGE, 3 * PAGE + 25, False),
        (3 * SEGMENT, 3 * SEGMENT + 40, True),
        (3 * SEGMENT, 3 * SEGMENT + 41, False),
        (3 * PAGE + 8, 3 * PAGE + 24, False),
    ],
)
def test_what_is_applied(applied: int, wanted: int, is_there: bool) -> None:
    assert is_applied(applied, wanted) is is_there
