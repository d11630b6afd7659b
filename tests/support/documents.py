"""Schema text -> plan -> documents, in one call: what tests of the compiler and of the document SQL start from."""

from __future__ import annotations

import json
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from flusso_shared.plan.bind import read_bound
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.plan.requirements import missing_things
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.connection import connect
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema
from flusso_worker.sql.document import compose
from flusso_worker.sql.parameters import array_literal


def plan_of(folder: Path, schema: str, name: str = "things") -> IndexPlan:
    """The plan of a schema given as (indented) text."""
    path = folder / f"{name}.schema.yml"
    path.write_text(textwrap.dedent(schema), encoding="utf-8")
    return compile_index(name, load_schema(path, name), path.name)


def run(url: str, *statements: str) -> None:
    """Run SQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def built(url: str, plan: IndexPlan) -> dict[str, Any]:
    """Every document of the plan by id, built for all root keys at once; numbers as `int` and `Decimal`."""
    with connect(url, "flusso-test") as connection:
        bound = read_bound(connection, Plan((plan,)))
        (plan,) = bound.indexes
        catalog = read_catalog(connection, plan.tables)
        assert missing_things(bound, catalog) == []
        sql = compose(plan, catalog)
        keys = _rows(connection.pgconn, sql.all_keys, [])
        columns = [array_literal(column) for column in zip(*keys, strict=True)]
        rows = _rows(connection.pgconn, sql.build, columns) if keys else []
    return {str(key): json.loads(str(text), parse_float=Decimal) for key, text in rows}


def _rows(
    pgconn: pq.abc.PGconn, sql: bytes, parameters: list[bytes]
) -> list[tuple[str | None, ...]]:
    result = pgconn.exec_params(sql, parameters)
    assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message.decode()
    values = [
        [result.get_value(row, column) for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    return [tuple(None if item is None else item.decode() for item in row) for row in values]
