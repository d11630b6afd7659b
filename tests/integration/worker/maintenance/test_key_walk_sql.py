"""The walk over a root table: every key once, in whatever order its types have, a page at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.maintenance import key_walk_sql
from flusso_worker.sql import document as document_sql
from flusso_worker.sql.parameters import array_literal
from support.documents import plan_of, run
from support.kits.own_database import OwnDatabase

pytestmark = pytest.mark.services

_SCHEMA = """
    table: things
    primary_key: {key}
    fields:
      - {{ integer: id }}
"""


KEYS = ["id", "[id]", "['\"Name\"', id]", "[flag, at, id]", "['\"odd name\"', id]"]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_comes_once(key: str, database: str, tmp_path: Path) -> None:
    run(
        database,
        'CREATE TABLE things (id int, "Name" text, flag bool, at timestamptz, "odd name" text,'
        " PRIMARY KEY (id))",
        "INSERT INTO things SELECT n, chr(64 + n % 7) || ' \"x\" ' || n % 3, n % 2 = 0,"
        " '2024-01-01'::timestamptz + n % 5 * interval '1 hour', 'o' || n % 4"
        " FROM generate_series(-3, 120) n",
    )
    plan = plan_of(tmp_path, _SCHEMA.format(key=key))
    connection = OwnDatabase(database, "test", SystemClock(threading.Event()))
    try:
        catalog = read_catalog(connection.connection(), plan.tables)
        documents = document_sql.compose(plan, catalog)
        sql = key_walk_sql.compose(plan, catalog, documents, page=10)
        found = page = connection.rows(sql.first)
        while len(page) == 10:
            page = connection.rows(sql.after, [value.encode() for value in page[-1]])
            found = [*found, *page]
        assert sorted(int(key[-1]) for key in found) == list(range(-3, 121))
        assert len(connection.rows(sql.sample, [b"7"])) == 7
        keys = [array_literal(column) for column in zip(found[50], strict=True)]
        assert connection.rows(documents.rows, keys) == [(documents.id_of(found[50]), *found[50])]
        assert int(connection.rows(sql.estimate)[0][0]) >= 0
    finally:
        connection.close()
