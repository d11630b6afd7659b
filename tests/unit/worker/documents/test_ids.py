"""Document ids back to root keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Column, Table, TypeShape
from flusso_worker.documents.ids import candidate_keys
from flusso_worker.sql.keys import id_possible


def texts(*shapes: str) -> list[Callable[[str], object]]:
    columns = {
        f"c{at}": Column(f"c{at}", name, True, shape=TypeShape(name))
        for at, name in enumerate(shapes)
    }
    row = Table(
        TableName("public", "t"), columns, tuple(columns), "d", frozenset(columns), owned=True
    )
    return [id_possible(name, row) for name in columns]


def test_a_single_key_column_is_the_id_itself() -> None:
    assert candidate_keys(["7", "a:b", ""], texts("text")) == [("7",), ("a:b",), ("",)]


def test_a_composite_id_is_split() -> None:
    assert candidate_keys(["7:x"], texts("int4", "text")) == [("7", "x")]


def test_every_way_to_split_an_ambiguous_id_is_tried() -> None:
    assert candidate_keys(["a:b:c"], texts("text", "text")) == [("a", "b:c"), ("a:b", "c")]
    assert candidate_keys(["7:12:30:00"], texts("int4", "time")) == [("7", "12:30:00")]


def test_an_id_that_no_key_can_have_has_no_candidates() -> None:
    assert candidate_keys(["abc"], texts("text", "text")) == []


@pytest.mark.parametrize(
    ("shape", "printed", "never"),
    [
        ("int4", ["0", "-1", "2147483647", "-2147483648"], ["007", "+7", " 7", "2147483648", "-0", "a", "", "7.0", "\u0667"]),
        ("int2", ["32767"], ["32768"]),
        ("int8", ["9223372036854775807"], ["9223372036854775808", "99999999999999999999"]),
        ("bool", ["true", "false"], ["t", "TRUE"]),
        ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"]),
        ("numeric", ["1.00", "-0.5", "NaN", "Infinity", "-Infinity"], ["1e3", ".5", "1.", "x"]),
        ("date", ["2024-02-03", "0044-03-15 BC", "10000-01-01", "infinity"], ["20240203", "today"]),
        ("text", ["anything"], []),
        ("", ["a type of a user"], []),
    ],
)  # fmt: skip
def test_ids_that_a_type_prints(shape: str, printed: list[str], never: list[str]) -> None:
    (possible,) = texts(shape)
    assert [bool(possible(text)) for text in printed] == [True] * len(printed)
    assert [bool(possible(text)) for text in never] == [False] * len(never)
