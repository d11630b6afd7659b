"""Which cure a table's replica identity needs (I4)."""

from __future__ import annotations

from typing import Literal

from flusso_capture.replica_identity import UniqueIndex, decide
from flusso_shared.catalog import Table
from flusso_shared.names import TableName

LINKS = frozenset({"order_id"})


def table(identity: Literal["d", "n", "f", "i"] = "d", *columns: str, owned: bool = True) -> Table:
    return Table(
        name=TableName("public", "items"),
        columns={},
        primary_key=("id",),
        replica_identity=identity,
        identity_columns=frozenset(columns or ("id",)),
        owned=owned,
    )


def test_an_identity_that_holds_all_is_left_alone() -> None:
    assert decide(table("d"), frozenset({"id"}), [], manage=True) is None
    assert decide(table("f", "id", "order_id", "x"), LINKS, [], manage=True) is None
    assert decide(table("i", "id", "order_id"), LINKS, [], manage=True) is None


def test_without_an_index_it_becomes_full() -> None:
    cure = decide(table(), LINKS, [UniqueIndex("other", frozenset({"id"}))], manage=True)
    assert cure is not None
    assert cure.statement.as_string(None) == 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL'
    assert (cure.missing, cure.allowed, cure.fatal) == (("order_id",), True, False)


def test_a_fitting_index_is_preferred() -> None:
    fitting = UniqueIndex("items_id_order", frozenset({"id", "order_id"}))
    cure = decide(table(), LINKS, [fitting], manage=True)
    assert cure is not None
    assert cure.statement.as_string(None).endswith('REPLICA IDENTITY USING INDEX "items_id_order"')


def test_it_is_not_done_unless_managed_and_owned() -> None:
    for cure in (
        decide(table(), LINKS, [], manage=False),
        decide(table(owned=False), LINKS, [], manage=True),
    ):
        assert cure is not None
        assert not cure.allowed
        assert 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL;' in cure.advice
        assert (
            'CREATE UNIQUE INDEX CONCURRENTLY "items_replica_identity"'
            ' ON "public"."items" ("id", "order_id")' in cure.advice
        )
        assert "goes stale" in cure.advice


def test_an_identity_without_the_key_is_fatal() -> None:
    for without in (table("n", ""), table("i", "order_id")):
        cure = decide(without, LINKS, [], manage=False)
        assert cure is not None
        assert cure.fatal
