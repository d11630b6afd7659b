"""Relations and changes: what a row's key is, and what goes into its images."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flusso_capture.stream import pgoutput
from flusso_capture.stream.change_builder import ChangeBuilder
from flusso_capture.stream.pgoutput import (
    UNCHANGED,
    Begin,
    Delete,
    Insert,
    Relation,
    RelationColumn,
    Update,
)
from flusso_capture.stream.relations import Relations, Signals
from flusso_capture.stream.transaction_ids import TransactionIds
from flusso_shared.change import Op, Origin
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Column, Table

ITEMS = TableName("public", "items")


def table(*columns: str, key: tuple[str, ...]) -> Table:
    return Table(
        name=ITEMS,
        columns={name: Column(name, "text", False) for name in columns},
        primary_key=key,
        replica_identity="d",
        identity_columns=frozenset(key),
        owned=True,
    )


def relation(*columns: str, identity: tuple[str, ...] = (), name: str = "items") -> Relation:
    described = tuple(RelationColumn(column, column in identity, 25, -1) for column in columns)
    return Relation(1, "public", name, "d", described)


def relations(
    now: Table | None,
    known: Table,
    *links: str,
    link_missing: Callable[[TableName], None] = lambda _: None,
) -> Relations:
    signals = Signals(link_missing=link_missing)
    return Relations({ITEMS: known}, {ITEMS: frozenset(links)}, lambda _: now, signals)


def changes(of: Relations, limit: int = 100) -> ChangeBuilder:
    made = ChangeBuilder(of, TransactionIds(10), Origin("7", 1), limit)
    made.begin_transaction(Begin(50, 60, 9))
    return made


def test_the_key_has_the_catalogs_order() -> None:
    known = table("a", "b", "c", key=("c", "a"))
    made = relations(known, known)
    made.learn(relation("a", "b", "c"))
    (change,) = changes(made).build(Insert(1, ["1", "2", "3"]), 40, 10)
    assert change.key == ("3", "1")
    assert (change.lsn, change.commit_lsn, change.commit_time, change.xid) == (40, 50, 60, 9)


def test_a_table_outside_the_plan_is_ignored() -> None:
    known = table("a", key=("a",))
    made = relations(known, known)
    made.learn(relation("a", name="other"))
    assert made.ignored == {1}
    assert changes(made).build(Insert(1, ["1"]), 1, 10) == ()


def test_a_row_of_an_unknown_relation_is_refused() -> None:
    known = table("a", key=("a",))
    with pytest.raises(pgoutput.DecodeError, match="never described"):
        changes(relations(known, known)).build(Insert(5, ["1"]), 1, 10)


def test_a_row_of_another_width_is_refused() -> None:
    known = table("a", key=("a",))
    made = relations(known, known)
    made.learn(relation("a"))
    with pytest.raises(pgoutput.DecodeError, match="2 columns"):
        changes(made).build(Insert(1, ["1", "2"]), 1, 10)


def test_a_changed_key_is_read_again() -> None:
    known, now = table("id", "link", key=("id",)), table("id", "no", "link", key=("no",))
    made = relations(now, known, "link")
    made.learn(relation("id", "no", "link"))
    (change,) = changes(made).build(Insert(1, ["1", "2", "3"]), 1, 10)
    assert change.key == ("2",)


@pytest.mark.parametrize("gone_for_good", [True, False])
def test_rows_without_a_link_are_published_and_signalled(gone_for_good: bool) -> None:
    """The column may be back in the catalog by the time that this part of the log is read."""
    known, now = table("id", "link", key=("id",)), table("id", key=("id",))
    told: list[TableName] = []
    made = relations(now if gone_for_good else known, known, "link", link_missing=told.append)
    made.learn(relation("id", "link"))
    assert told == []
    made.learn(relation("id"))
    (change,) = changes(made).build(Insert(1, ["1"]), 1, 10)
    assert change.after == {"id": "1"}
    assert told == [ITEMS]


def test_rows_without_a_primary_key_are_passed_over_until_there_is_one() -> None:
    known, now = table("id", key=("id",)), table("id", "x", key=())
    catalog, told = [now], list[TableName]()
    made = Relations({ITEMS: known}, {}, lambda _: catalog[0], Signals(passed_over=told.append))
    made.learn(relation("id", "x"))
    assert (made.ignored, told) == ({1}, [ITEMS])
    assert changes(made).build(Insert(1, ["1", "2"]), 1, 10) == ()
    catalog[0] = table("id", "x", key=("id",))
    made.learn(relation("id", "x"))
    (change,) = changes(made).build(Insert(1, ["1", "2"]), 1, 10)
    assert (change.key, made.ignored, told) == (("1",), set(), [ITEMS])


def test_links_and_keys_are_kept_however_large() -> None:
    known = table("id", "link", "note", key=("id",))
    made = relations(known, known, "link")
    made.learn(relation("id", "link", "note"))
    long = "ä" * 60  # 120 bytes
    (change,) = changes(made).build(Insert(1, [long, long, long]), 1, 400)
    assert change.after == {"id": long, "link": long}
    assert change.omitted == ("note",)


def test_an_unchanged_link_is_taken_from_the_old_row() -> None:
    known = table("id", "link", "note", key=("id",))
    made = relations(known, known, "link")
    made.learn(relation("id", "link", "note"))
    update = Update(1, ["1", "old", "n"], True, ["1", UNCHANGED, UNCHANGED])
    (change,) = changes(made).build(update, 1, 10)
    assert change.before == {"id": "1", "link": "old", "note": "n"}
    assert change.after == {"id": "1", "link": "old"}
    assert change.omitted == ("note",)


def test_an_old_row_by_index_holds_its_columns_only() -> None:
    known = table("id", "link", "note", key=("id",))
    made = relations(known, known, "link")
    made.learn(relation("id", "link", "note", identity=("id", "link")))
    update = Update(1, ["1", "old", None], False, ["1", "new", "n"])
    (change,) = changes(made).build(update, 1, 10)
    assert (change.op, change.before) == (Op.UPDATE, {"id": "1", "link": "old"})


def test_a_moved_key_is_two_changes_of_one_transaction() -> None:
    known = table("id", "note", key=("id",))
    made = relations(known, known)
    made.learn(relation("id", "note", identity=("id",)))
    deleted, created = changes(made).build(Update(1, ["1", None], False, ["2", "n"]), 1, 10)
    assert (deleted.op, deleted.key, deleted.after) == (Op.DELETE, ("1",), None)
    assert (created.op, created.key, created.before) == (Op.CREATE, ("2",), None)
    assert (deleted.xid, deleted.sequence, created.sequence) == (9, 0, 1)


def test_a_deleted_row_without_its_key_names_the_remedy() -> None:
    known = table("id", "code", key=("id",))
    made = relations(known, known)
    made.learn(relation("id", "code", identity=("code",)))
    with pytest.raises(FatalError, match="REPLICA IDENTITY FULL"):
        changes(made).build(Delete(1, [None, "x"], False), 1, 10)
