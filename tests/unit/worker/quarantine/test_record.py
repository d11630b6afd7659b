"""What is stored of a document that cannot be written, and what is logged of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import pytest

from flusso_shared.change import Change, Op, Position, Record
from flusso_shared.names import GenerationName, TableName
from flusso_worker.documents.built import Failure, Key
from flusso_worker.quarantine.causes import BatchCauses, last_reaching
from flusso_worker.quarantine.quarantine import without_values
from flusso_worker.quarantine.record import MAX_DOCUMENT_CHARACTERS, Entry, entry_id

NAME = GenerationName("users", "0a1b2c3d", 3, "p_")
USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")


def record(table: TableName, key: str, offset: int, lsn: int = 0) -> Record:
    change = Change(Op.UPDATE, table, (key,), None, {"secret": "value"}, lsn=lsn)
    return Record(Position("t." + table.name, 0, offset), change)


def test_an_entry_survives_its_json() -> None:
    failure = Failure(("7",), "7", 42, "400: no", b'{"id": 7}', "primary")
    entry = Entry.of(NAME, failure, {"table": "public.users"}, 0.5)
    assert Entry.from_json(entry.to_json()) == entry
    assert entry.at == "1970-01-01T00:00:00.500+00:00"
    assert not entry.truncated


def test_a_huge_document_is_truncated() -> None:
    failure = Failure(("7",), "7", 42, "no", b"x" * (MAX_DOCUMENT_CHARACTERS + 1), "primary")
    entry = Entry.of(NAME, failure, None, 0.0)
    assert entry.document is not None
    assert len(entry.document) == MAX_DOCUMENT_CHARACTERS
    assert entry.document_bytes == MAX_DOCUMENT_CHARACTERS + 1
    assert entry.truncated


def test_entries_have_ids_of_one_length() -> None:
    assert len(entry_id("g", "x" * 5000)) == len(entry_id("g", "")) == 40
    assert entry_id("g", "1") != entry_id("g_", "1")


def test_the_cause_is_the_last_change_that_leads_to_the_document() -> None:
    records = [
        record(USERS, str(number % 10), number, 0x100000000 + number) for number in range(50)
    ]
    records.append(record(ORDERS, "1", 9))
    rounds: list[int] = []

    def reached(part: Sequence[Record], keys: Collection[Key]) -> set[Key]:
        rounds.append(len(part))
        return {key for key in keys if key in {item.change.key for item in part}}

    causes = BatchCauses(records, partial(last_reaching, reached=reached))
    found = causes.of([("7",), ("8",), ("unreached",)])
    assert found["7",] == {
        "table": "public.users",
        "key": ["7"],
        "op": "update",
        "topic": "t.users",
        "partition": 0,
        "offset": 47,
        "lsn": "1/2F",
    }
    assert (found["8",] or {})["offset"] == 48
    assert found["unreached",] == {
        "one_of": 51,
        "offsets": [
            {"topic": "t.orders", "partition": 0, "first": 9, "last": 9},
            {"topic": "t.users", "partition": 0, "first": 0, "last": 49},
        ],
    }
    assert len(rounds) < 20


def test_the_only_change_of_a_batch_is_the_cause() -> None:
    causes = BatchCauses([record(ORDERS, "1", 9)], lambda *_: pytest.fail("nothing to look for"))
    found = causes.of([("8",)])["8",]
    assert found is not None
    assert (found["table"], found["offset"]) == ("public.orders", 9)


@pytest.mark.parametrize(
    "reason",
    [
        "400: mapper_parsing_exception: failed to parse field [age] of type [integer] in document with id '1'."
        " Preview of field's value: 'SECRET': For input string: \"SECRET\"",
        'number_format_exception: For input string: "SECRET"',
        "failed to parse date field [SECRET] with format [strict_date_optional_time]",
        "Value [SECRET] is out of range for a short",
        "Numeric value (5SECRET) out of range of int",
        "immense term in field=\"name\". The prefix of the first immense term is: '[SECRET]'",
    ],
)
def test_no_value_of_a_row_reaches_the_log(reason: str) -> None:
    assert "SECRET" not in without_values(reason)


def test_the_reason_is_still_logged() -> None:
    told = without_values(
        "failed to parse field [age] of type [integer]. Preview of field's value: '5x'"
    )
    assert told == "failed to parse field [age] of type [integer]. ..."
