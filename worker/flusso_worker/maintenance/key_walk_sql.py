"""SQL that reads the keys of a root table in order, page by page, without a long transaction.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from flusso_shared.plan.bind import bind
from flusso_shared.plan.model import IndexPlan
from flusso_shared.postgres.catalog import Catalog
from flusso_worker.sql.document import DocumentSql
from flusso_worker.sql.identifiers import table


@dataclass(frozen=True, slots=True)
class VerifySql:
    """The statements of one index.  Keys are text columns."""

    first: bytes
    """The first page of keys."""
    after: bytes
    """The page after the key in `$1`, ..."""
    sample: bytes
    """Random keys; `$1` is their number."""
    estimate: bytes
    """The estimated number of rows."""
    present: bytes
    """The ids of the documents of the root keys in `$1`, ..."""


def compose(plan: IndexPlan, catalog: Catalog, documents: DocumentSql, page: int) -> VerifySql:
    """The statements of `plan`; `page` keys at a time."""
    key = bind(plan, catalog).key
    # Qualified: a bare name in ORDER BY would refer to the selected text of the same name.
    own = [sql.SQL("root.{}").format(sql.Identifier(column)) for column in key]
    names = sql.SQL(", ").join(own)
    texts = sql.SQL(", ").join([sql.SQL("{}::text").format(column) for column in own])
    types = [catalog.tables[plan.root].columns[column].type for column in key]
    # `format_type()` has quoted them where necessary.
    given = sql.SQL(", ").join(
        sql.SQL(f"${at}::{type_}")  # pyright: ignore[reportArgumentType]
        for at, type_ in enumerate(types, 1)
    )
    select = sql.SQL("SELECT {} FROM {} AS root").format(texts, table(plan.root))
    ordered = sql.SQL(" ORDER BY {} LIMIT {}").format(names, sql.Literal(page))
    after = sql.SQL(" WHERE ({}) > ({})").format(names, given)
    estimate = sql.SQL(
        "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = {}::regclass"
    )
    regclass = sql.Literal(table(plan.root).as_string(None))
    return VerifySql(
        first=(select + ordered).as_bytes(None),
        after=(select + after + ordered).as_bytes(None),
        sample=(select + sql.SQL(" ORDER BY random() LIMIT $1::bigint")).as_bytes(None),
        estimate=estimate.format(regclass).as_bytes(None),
        present=b"SELECT id FROM (" + documents.build + b") AS built (id, document)",
    )
