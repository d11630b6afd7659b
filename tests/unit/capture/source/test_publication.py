"""Which statements a publication needs."""

from __future__ import annotations

from flusso_capture.source.publication import Publication, decide
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Column, Generated, Table

A, B = TableName("public", "a"), TableName("Shop", 'b"c')


def tables(*names: TableName, partitioned: bool = False) -> dict[TableName, Table]:
    return {
        name: Table(name, {}, ("id",), "d", frozenset({"id"}), owned=True, partitioned=partitioned)
        for name in names
    }


def statements(current: Publication | None, wanted: dict[TableName, Table]) -> list[str]:
    return [step.statement.as_string(None) for step in decide("p", current, wanted)]


def test_it_is_created_over_all_tables() -> None:
    assert statements(None, tables(A, B)) == [
        'CREATE PUBLICATION "p" FOR TABLE "Shop"."b""c", "public"."a"'
        " WITH (publish_via_partition_root = true)"
    ]


def test_nothing_is_done_when_it_covers_everything() -> None:
    current = Publication(frozenset({A, B, TableName("public", "other")}))
    assert decide("p", current, tables(A, B)) == []


def test_only_missing_tables_are_added() -> None:
    assert statements(Publication(frozenset({A})), tables(A, B)) == [
        'ALTER PUBLICATION "p" ADD TABLE "Shop"."b""c"'
    ]


def test_kinds_of_changes_that_are_left_out_are_added() -> None:
    assert statements(Publication(frozenset({A}), complete=False), tables(A)) == [
        "ALTER PUBLICATION \"p\" SET (publish = 'insert, update, delete, truncate')"
    ]


def test_a_partitioned_table_is_published_by_its_root() -> None:
    leaves = Publication(frozenset({TableName("public", "a_1")}), via_root=False)
    assert statements(leaves, tables(A, partitioned=True)) == [
        'ALTER PUBLICATION "p" SET (publish_via_partition_root = true)'
    ]
    assert statements(Publication(frozenset({A}), via_root=False), tables(A)) == []


def test_generated_columns_are_published_where_the_server_can() -> None:
    column = Column("id", "text", True, generated=Generated("lower(name)", ("name",)))
    wanted = {A: Table(A, {"id": column}, ("id",), "f", frozenset({"id"}), owned=True)}
    (made,) = decide("p", None, wanted, 180000)
    assert made.statement.as_string(None).endswith(", publish_generated_columns = stored)")
    without = Publication(frozenset({A}), generated=False)
    (step,) = decide("p", without, wanted, 180000)
    assert step.statement.as_string(None) == (
        'ALTER PUBLICATION "p" SET (publish_generated_columns = stored)'
    )
    assert decide("p", without, wanted, 170000) == []
    assert decide("p", without, tables(A), 180000) == []
