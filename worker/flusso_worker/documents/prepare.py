"""Reads the catalog for one plan, checks it, and composes the SQL of its documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from flusso_shared.errors import FatalError
from flusso_shared.plan import link_columns
from flusso_shared.plan.bind import bind, read_bound
from flusso_shared.plan.model import IndexPlan, Plan
from flusso_shared.plan.requirements import altered_only, missing_things
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.errors import translate
from flusso_shared.postgres.privileges import unreadable
from flusso_shared.postgres.row_security import require_visible
from flusso_worker.documents import filter_reads
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.sql.document import DocumentSql, compose

T = TypeVar("T")


def prepare_sql(plan: IndexPlan, database: Database) -> tuple[Catalog, DocumentSql]:
    """The catalog of the plan's tables, and the SQL that is composed from both.

    Raises `FatalError` for anything that the plan needs and the database lacks or refuses, `RetryableError` when the
    database does not answer.
    """
    catalog = checked_catalog(Plan((plan,)), database)
    _read(database, lambda connection: require_visible(connection, catalog.tables))
    _require_comparable(plan, catalog, database)
    _require_followable(plan, catalog, database)
    sql = compose(plan, catalog)
    _require_valid(plan.name, sql, database)
    return catalog, sql


def checked_plan(plan: Plan, database: Database) -> Plan:
    """The bound plan.

    Raises `FatalError` naming everything that is missing of indexes that lack more than columns and keys of existing
    tables.
    """
    bound = _read(database, lambda connection: read_bound(connection, plan))
    catalog = _read(database, lambda connection: read_catalog(connection, bound.tables))
    _require([index for index in bound.indexes if not altered_only(index, catalog)], catalog)
    return bound


def checked_catalog(plan: Plan, database: Database) -> Catalog:
    """The catalog of a bound plan's tables.  Raises `FatalError` naming everything that is missing."""
    catalog = _read(database, lambda connection: read_catalog(connection, plan.tables))
    _require(plan.indexes, catalog)
    return catalog


def require_readable(plan: Plan, database: Database) -> None:
    """Raises `FatalError` naming everything of a bound plan that is missing, or that the role may not read."""
    checked_catalog(plan, database)
    if denied := _read(database, lambda connection: unreadable(connection, plan.tables)):
        raise FatalError("\n".join(denied))


def _require_comparable(index: IndexPlan, catalog: Catalog, database: Database) -> None:
    """Raises `FatalError` naming all columns that are compared and have types without an `=`."""
    bound = bind(index, catalog)
    refusals = _read(database, lambda connection: link_columns.refused(connection, bound, catalog))
    if refusals:
        reasons = [f"field `{item.pair.field}`: {item.reason}" for item in refusals]
        raise FatalError(
            "the database does not compare columns that the schema relates; give them types with an `=`:\n  "
            + "\n  ".join(reasons)
        )


def _require_followable(index: IndexPlan, catalog: Catalog, database: Database) -> None:
    """Raises `FatalError` naming all filters that read more than their row, unless they are declared volatile."""
    bound = bind(index, catalog)
    found = _read(database, lambda connection: filter_reads.findings(connection, bound, catalog))
    refused = [item for item in found if item.certain]
    if refused:
        reasons = [f"{item.place}: `{item.condition}`: {item.reason}" for item in refused]
        raise FatalError(
            f"filters that read more than their row cannot be followed; {filter_reads.CURE}:\n  "
            + "\n  ".join(reasons)
        )


def _require_valid(index: str, sql: DocumentSql, database: Database) -> None:
    """Raises `FatalError` where a value of the schema is not valid for its column's type: no document could be built."""
    try:
        database.run(sql.build, [b"{}"] * len(sql.texts))
    except RowError as error:
        raise FatalError(
            f"a condition or default of index {index} does not fit the type that its column has: {error}. Correct the"
            " schema file, or the column"
        ) from error


def _require(indexes: Sequence[IndexPlan], catalog: Catalog) -> None:
    if missing := missing_things(Plan(tuple(indexes)), catalog):
        raise FatalError(
            "the database lacks what the schemas need; create it, or correct the schema:\n  "
            + "\n  ".join(missing)
        )


def _read(database: Database, read: Callable[[psycopg.Connection[Any]], T]) -> T:
    try:
        return read(database.connection())
    except psycopg.Error as error:
        database.close()
        raise translate(error, "read the catalog") from error
