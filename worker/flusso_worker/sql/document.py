"""Plan and catalog -> the SQL that builds documents as JSON.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from flusso_shared.plan.bind import bind
from flusso_shared.plan.link_columns import Place
from flusso_shared.plan.model import IndexPlan
from flusso_shared.postgres.catalog import Catalog, Table
from flusso_worker.sql.conditions import filtered
from flusso_worker.sql.hops import keys_given, values_sql
from flusso_worker.sql.identifiers import table
from flusso_worker.sql.keys import id_from_text, id_possible, id_text
from flusso_worker.sql.objects import Objects


@dataclass(frozen=True, slots=True)
class DocumentSql:
    """The statements of one index."""

    build: bytes
    """Rows (document id, document as JSON text) for the root keys in `$1`, ...; a key without a row has no document."""
    all_keys: bytes
    """Every root key as text columns, in key order."""
    rows: bytes
    """Rows (document id, key columns as text) for root keys that exist, filtered or not."""
    values: bytes
    """A statement that fails for values that cannot be a root key."""
    texts: tuple[Callable[[str], str], ...]
    """Per key column: the text of a value in the log -> its text in document ids."""
    possible: tuple[Callable[[str], object], ...]
    """Per key column: whether a text can be its part of a document id."""

    def id_of(self, key: Sequence[str]) -> str:
        """The document id of a root key, the same that `build` gives."""
        if len(key) == 1:
            return self.texts[0](key[0])
        return ":".join(text(value) for text, value in zip(self.texts, key, strict=True))


def compose(plan: IndexPlan, catalog: Catalog) -> DocumentSql:
    """The SQL of `plan`, whose tables and columns the catalog contains (see `plan.requirements`)."""
    plan = bind(plan, catalog)
    root = catalog.tables[plan.root]
    objects = Objects(catalog)
    row = objects.level(plan.fields, root, "root")
    source, given = keys_given(plan.root, plan.key, catalog, "root")
    rows = filtered(root, plan.filters, plan.soft_delete)
    build = sql.SQL("SELECT {}, {}::text FROM {} AS root{}{} WHERE {}").format(
        _id(plan.key, root), row.json, rows, row.joins, source, given
    )
    found = sql.SQL("SELECT {}, {} FROM {} AS root{} WHERE {}").format(
        _id(plan.key, root),
        sql.SQL(", ").join([sql.SQL("root.{}::text").format(sql.Identifier(c)) for c in plan.key]),
        table(plan.root),
        source,
        given,
    )
    columns = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in plan.key]
    order = [sql.Identifier(column) for column in plan.key]
    all_keys = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
        sql.SQL(", ").join(columns), table(plan.root), sql.SQL(", ").join(order)
    )
    texts = tuple(id_from_text(column, root) for column in plan.key)
    key = Place(plan.root, plan.key)
    return DocumentSql(
        build=build.as_bytes(None),
        all_keys=all_keys.as_bytes(None),
        rows=found.as_bytes(None),
        values=values_sql(key, catalog),
        texts=texts,
        possible=tuple(id_possible(column, root) for column in plan.key),
    )


def _id(key: Sequence[str], root: Table) -> sql.Composable:
    parts = [id_text(column, root, "root") for column in key]
    return sql.SQL(" || ':' || ").join(parts)
