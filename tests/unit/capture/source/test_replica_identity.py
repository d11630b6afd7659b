"""Which cure a table's replica identity needs (I4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from flusso_capture.source.replica_identity import decide
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Column, Generated, Table

LINKS = frozenset({"order_id"})


def table(
    identity: Literal["d", "n", "f", "i"] = "d",
    *columns: str,
    owned: bool = True,
    order_id: bool = False,
) -> Table:
    """`order_id` is whether that column is NOT NULL."""
    return Table(
        name=TableName("public", "items"),
        columns={
            "id": Column("id", "integer", True),
            "order_id": Column("order_id", "integer", order_id),
        },
        primary_key=("id",),
        replica_identity=identity,
        identity_columns=frozenset(columns or ("id",)),
        owned=owned,
    )


def test_an_identity_with_all_columns_is_not_changed() -> None:
    assert decide(table("d"), frozenset({"id"}), manage=True) is None
    assert decide(table("f", "id", "order_id", "x"), LINKS, manage=True) is None
    assert decide(table("i", "id", "order_id"), LINKS, manage=True) is None


def test_it_becomes_full() -> None:
    cure = decide(table(), LINKS, manage=True)
    assert cure is not None
    assert cure.statement.as_string(None) == 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL'
    assert (cure.missing, cure.allowed, cure.fatal) == (("order_id",), True, False)


def test_an_index_is_advised_where_postgres_takes_it() -> None:
    whole = table(order_id=True)
    cure = decide(whole, LINKS, manage=False)
    assert cure is not None
    full, by_index = cure.by_hand
    assert full == 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL;'
    assert by_index == (
        'CREATE UNIQUE INDEX "items_replica_identity" ON "public"."items" ("id", "order_id"); '
        'ALTER TABLE "public"."items" REPLICA IDENTITY USING INDEX "items_replica_identity";'
    )
    assert by_index in cure.advice
    nullable = decide(table(order_id=False), LINKS, manage=False)
    partition = decide(whole, LINKS, manage=False, partition=True)
    partitioned = decide(replace(whole, partitioned=True), LINKS, manage=False)
    long = decide(replace(whole, name=TableName("public", "é" * 31)), LINKS, manage=False)
    for other in (nullable, partition, partitioned):
        assert other is not None
        assert other.by_hand == (full,)
    assert long is not None
    assert f'INDEX "{"é" * 23}_replica_identity" ON' in long.by_hand[1]


def test_a_missing_index_is_reported() -> None:
    gone = decide(replace(table("i"), identity_columns=frozenset()), LINKS, manage=True)
    assert gone is not None
    assert gone.lost
    assert gone.fatal
    short = decide(table("i", "id"), LINKS, manage=True)
    assert short is not None
    assert not short.lost


def test_it_is_not_done_unless_managed_and_owned() -> None:
    for cure in (
        decide(table(), LINKS, manage=False),
        decide(table(owned=False), LINKS, manage=True),
    ):
        assert cure is not None
        assert not cure.allowed
        assert 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL;' in cure.advice
        assert "goes stale" in cure.advice


def test_an_identity_without_the_key_is_fatal() -> None:
    for without in (table("n", ""), table("i", "order_id")):
        cure = decide(without, LINKS, manage=False)
        assert cure is not None
        assert cure.fatal


def test_what_generated_columns_are_computed_from_is_needed_instead() -> None:
    """An identity holds generated columns, the log does not."""
    key = Column("id", "text", True, generated=Generated("lower(code)", ("code",)))
    link = Column("order_id", "text", False, generated=Generated("lower(name)", ("name",)))
    plain = {name: Column(name, "text", False) for name in ("code", "name")}
    known = replace(table("d"), columns={"id": key, "order_id": link, **plain})
    cure = decide(known, LINKS, manage=True)
    assert cure is not None
    assert (cure.missing, cure.fatal) == (("code", "name"), True)
    whole = frozenset(known.columns)
    assert decide(replace(known, identity_columns=whole), LINKS, manage=True) is None
