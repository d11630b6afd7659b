"""The SQL of the three dev documents builds what the oracle expects, for every row of an edited store."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.connection import connect
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema
from flusso_worker.sql.document import compose
from flusso_worker.sql.parameters import array_literal
from support.expected import compare, oracle
from support.expected.oracle import Documents
from support.stores import dev as store

pytestmark = pytest.mark.services

INDEXES = ("users", "products", "orders")


def test_every_document_is_what_the_oracle_expects(database: str) -> None:
    store.load_store(database)
    store.run_changes(database)
    store.simulate_production(database, 100)
    with store.Editor(database, seed=11) as editor:
        editor.edit_everything()
        for _ in range(200):
            editor.edit()

    built = {index: build_all(database, index) for index in INDEXES}

    found = compare.differences(oracle.expected(database), built)
    assert not found, compare.report(found)


def build_all(database_url: str, index: str) -> Documents:
    """Every document of `index` in one statement, by id."""
    path = store.ROOT / "dev" / "schemas" / f"{index}.schema.yml"
    plan = compile_index(index, load_schema(path, index), str(path))
    with connect(database_url, "flusso-test") as connection:
        rows = connection.execute(f"SELECT id::text FROM {index}".encode())
        keys = [row[0] for row in rows]
        sql = compose(plan, read_catalog(connection, plan.tables))
        result = connection.pgconn.exec_params(sql.build, [array_literal(keys)])
        found = [(result.get_value(n, 0), result.get_value(n, 1)) for n in range(result.ntuples)]
    return {
        (key or b"").decode(): json.loads(document or b"null", parse_float=Decimal)
        for key, document in found
    }
