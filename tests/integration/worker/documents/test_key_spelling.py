"""Keys that are spelled unlike the row's own, and texts that are no key at all: which documents are written and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flusso_shared.change import Change, Op
from flusso_shared.config.model import OnError
from flusso_shared.errors import PoisonError, SchemaChangedError
from flusso_shared.names import TableName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import Batch, Rejection, Written
from support.documents import plan_of, run
from support.kits.build_kit import BuildKit
from support.stores.small import change

pytestmark = pytest.mark.services

ROOTS, PARTS = TableName("public", "roots"), TableName("public", "parts")

_SCHEMA = """
table: roots
primary_key: {key}
filters: [{{ raw: "100 / size > 0" }}]
fields:
  - integer: size
  - count: parts
    table: parts
    foreign_key: {ref}
"""


class Kit(BuildKit):
    def __init__(self, url: str, plan: IndexPlan, on_error: OnError = "skip") -> None:
        super().__init__(url, plan, on_error)

    def outcome(self, *changes: Change) -> tuple[list[str], list[str], list[str]]:
        """Ids that are written, deleted and failed."""
        chunks = self.build(*changes)
        operations = [item for chunk in chunks for item in chunk.operations]
        return (
            sorted({item.id for item in operations if item.document is not None}),
            sorted({item.id for item in operations if item.document is None}),
            sorted({item.id for chunk in chunks for item in chunk.failed}),
        )

    def swept(self, *ids: str) -> tuple[list[str], list[str], list[str]]:
        """The same, for an index that holds `ids` when its table was truncated or is read again."""
        self.indexed = [list(ids)]
        return self.outcome(change(ROOTS, [], op=Op.TRUNCATE))


def tables(url: str, key: str, *more: str, ref: str = "") -> None:
    run(
        url,
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION citext SCHEMA extensions",
        *more,
        f"CREATE TABLE roots (key {key} PRIMARY KEY, size int NOT NULL DEFAULT 1)",
        f"CREATE TABLE parts (id int PRIMARY KEY, ref {ref or key})",
    )


@pytest.fixture
def plan(tmp_path: Path) -> IndexPlan:
    return plan_of(tmp_path, _SCHEMA.format(key="key", ref="ref"), "roots")


@pytest.fixture
def citext(database: str, plan: IndexPlan) -> Iterator[Kit]:
    tables(database, "extensions.citext")
    run(database, "INSERT INTO roots VALUES ('abc', 1), ('Bad', 0), ('other', 1)")
    kit = Kit(database, plan)
    yield kit
    kit.close()


def test_a_row_is_written_under_its_own_spelling_only(citext: Kit) -> None:
    assert citext.outcome(change(ROOTS, ["ABC"], op=Op.DELETE)) == (["abc"], ["ABC"], [])
    assert citext.outcome(change(ROOTS, ["ABC"]), change(ROOTS, ["abc"])) == (["abc"], ["ABC"], [])
    moved = change(PARTS, ["1"], {"ref": "ABC"}, {"ref": "OTHER"})
    assert citext.outcome(moved) == (["abc", "other"], [], [])
    # What cannot be built is the document that there is, and never the other spelling's.
    assert citext.outcome(change(ROOTS, ["BAD"])) == ([], ["BAD"], ["Bad"])
    assert citext.outcome(change(PARTS, ["1"], None, {"ref": "BAD"})) == ([], [], ["Bad"])


def test_a_refused_document_is_found_under_another_spelling(citext: Kit) -> None:
    def refuse(batch: Batch) -> Written:
        return Written(rejected=(Rejection("abc", 400, "mapper_parsing_exception"),))

    flusher, sink = citext.flusher(refuse, refuse)
    for built in citext.build(change(ROOTS, ["ABC"])):
        flusher.flush(built)
    assert citext.status.to_json()["documents_quarantined"] == 1
    assert ("ABC", None) in [(item.id, item.document) for item in sink.batches[0].operations]


def test_an_index_whose_key_has_another_type_now(database: str, plan: IndexPlan) -> None:
    tables(database, "int")
    run(database, "INSERT INTO roots VALUES (7, 1), (8, 1), (9, 0)")
    kit = Kit(database, plan)
    ids = ["007", "7", "a", "8:9", "9", "09", "99999999999", "10", ""]
    written, deleted, failed = kit.swept(*ids)
    assert (written, failed) == (["7"], ["9"])
    assert deleted == sorted(set(ids) - {"7", "9"})
    # What the log says of keys of the old type leads to the rows that equal them, if any.
    changes = [change(ROOTS, [key]) for key in ("007", "x", "7", "99999999999", "9")]
    written, deleted, failed = kit.outcome(*changes)
    assert (written, failed) == (["7"], ["9"])
    assert deleted == ["007", "99999999999", "x"]
    kit.close()


def test_nothing_is_taken_for_no_key_by_types_of_before(database: str, plan: IndexPlan) -> None:
    """A statement that was composed before the migration knows nothing of what the columns can hold now."""
    tables(database, "int")
    kit = Kit(database, plan)
    moved = change(PARTS, [1], {"ref": "3000000000"}, {"ref": "1" + 30 * "0"})
    run(database, "ALTER TABLE roots ALTER key TYPE bigint")
    with pytest.raises(SchemaChangedError):
        kit.swept("3000000000", "x")
    kit.close()
    kit = Kit(database, plan)
    run(
        database,
        "ALTER TABLE roots ALTER key TYPE numeric",
        "ALTER TABLE parts ALTER ref TYPE numeric",
        "INSERT INTO roots VALUES (3000000000), (1e30)",
    )
    with pytest.raises(SchemaChangedError):
        kit.outcome(moved)
    kit.close()
    kit = Kit(database, plan)
    assert kit.outcome(moved) == (["1" + 30 * "0", "3000000000"], [], [])
    kit.close()


def test_ids_of_a_key_of_other_columns(database: str, tmp_path: Path) -> None:
    run(
        database,
        "CREATE TABLE roots (key text, at timestamptz, size int DEFAULT 1, PRIMARY KEY (key, at))",
        "CREATE TABLE parts (id int PRIMARY KEY, ref text, at timestamptz)",
        "INSERT INTO roots VALUES ('a:b', '2024-01-01 12:30:00+00')",
    )
    schema = _SCHEMA.format(key="[key, at]", ref="[ref, at]")
    kit = Kit(database, plan_of(tmp_path, schema, "roots"))
    held = "a:b:2024-01-01 12:30:00+00"
    assert kit.swept("a", "a:b", held, "a:2024-01-01 12:30:00+00") == (
        [held],
        ["a", "a:2024-01-01 12:30:00+00", "a:b"],
        [],
    )
    kit.close()


def test_a_stale_chunk_of_ids_is_rebuilt_by_its_ids(database: str, plan: IndexPlan) -> None:
    tables(database, "int")
    run(database, "INSERT INTO roots VALUES (7)")
    kit = Kit(database, plan)
    kit.indexed = [["7", "a"]]
    (built,) = kit.build(change(ROOTS, [], op=Op.TRUNCATE))
    run(database, "DELETE FROM roots", "INSERT INTO roots VALUES (8)")

    def stale(batch: Batch) -> Written:
        return Written(again=frozenset(item.id for item in batch.operations))

    flusher, sink = kit.flusher(stale)
    flusher.flush(built)
    assert [item.id for batch in sink.batches[1:] for item in batch.operations] == ["7", "a"]
    assert sink.documents == {}
    kit.close()


def test_link_values_that_their_column_cannot_contain_lead_to_no_row(
    database: str, plan: IndexPlan
) -> None:
    tables(database, "numeric", ref="int")
    run(database, "INSERT INTO roots SELECT n FROM generate_series(1, 40) n")
    kit = Kit(database, plan, "stop")
    changes = [
        change(PARTS, [n], {"ref": str(n)}, {"ref": "none" if n % 20 == 0 else str(n)})
        for n in range(1, 41)
    ]
    written, deleted, failed = kit.outcome(*changes)
    assert sorted(map(int, written)) == list(range(1, 41))
    assert (deleted, failed) == ([], [])
    kit.close()


def test_a_link_value_that_fails_to_compare_is_isolated(
    database: str, plan: IndexPlan, caplog: pytest.LogCaptureFixture
) -> None:
    tables(database, "double precision", ref="numeric")
    run(database, "INSERT INTO roots SELECT n FROM generate_series(1, 40) n")
    # The row itself is gone: it would spoil every document, in Postgres' own join as well.
    changes = [
        change(PARTS, [n], {"ref": "1e400" if n == 17 else str(n)}, op=Op.DELETE)
        for n in range(1, 41)
    ]
    kit = Kit(database, plan)
    written, deleted, failed = kit.outcome(*changes)
    assert sorted(map(int, written)) == [n for n in range(1, 41) if n != 17]
    assert (deleted, failed) == ([], [])
    assert (
        "index roots: cannot find the documents of `ref` of table `public.parts`, key '17': "
        in (caplog.text)
    )
    kit.close()
    kit = Kit(database, plan, "stop")
    with pytest.raises(PoisonError, match=r"table `public\.parts`, key '17'"):
        kit.build(*changes)
    kit.close()
