"""Document ids back to root keys."""

from __future__ import annotations

from flusso_worker.truncate import candidate_keys


def test_a_single_key_column_is_the_id_itself() -> None:
    assert candidate_keys(["7", "a:b", ""], 1) == [("7",), ("a:b",), ("",)]


def test_a_composite_id_is_split() -> None:
    assert candidate_keys(["7:x"], 2) == [("7", "x")]


def test_every_way_to_split_an_ambiguous_id_is_tried() -> None:
    assert candidate_keys(["a:b:c"], 2) == [("a", "b:c"), ("a:b", "c")]


def test_an_id_that_no_such_key_can_give_has_no_candidates() -> None:
    assert candidate_keys(["abc"], 2) == []
