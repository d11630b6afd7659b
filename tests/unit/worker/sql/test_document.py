"""Parameters and ids; what the statements return is tested on a server."""

from __future__ import annotations

import pytest

from flusso_shared.names import TableName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.postgres.catalog import Catalog, Column, Table
from flusso_worker.sql.document import compose
from flusso_worker.sql.parameters import array_literal

THINGS = TableName("public", "things")


@pytest.mark.parametrize(
    ("values", "literal"),
    [
        ([], "{}"),
        (["1", "20"], "{1,20}"),
        (["-1", "1.5"], '{"-1","1.5"}'),
        (["", " "], '{""," "}'),
        (["NULL", None, "null"], '{"NULL",NULL,"null"}'),
        (['a"b', "c\\d", "{e}", "f,g", "h'i", "j\nk"], '{"a\\"b","c\\\\d","{e}","f,g","h\'i","j\nk"}'),
        (["größe", "²"], '{"größe","²"}'),
    ],
)  # fmt: skip
def test_array_literals_hold_any_text(values: list[str | None], literal: str) -> None:
    assert array_literal(values) == literal.encode()


def test_an_undeclared_key_is_the_catalogs() -> None:
    columns = {name: Column(name, "boolean", True) for name in ("b", "a")}
    table = Table(THINGS, columns, ("b", "a"), "d", frozenset("ab"), owned=True)
    plan = IndexPlan("things", "00000000", THINGS, (), (), None, (), ())
    sql = compose(plan, Catalog({THINGS: table}))
    assert sql.id_of(("t", "f")) == "true:false"
    assert sql.all_keys == b'SELECT "b"::text, "a"::text FROM "public"."things" ORDER BY "b", "a"'
