"""Whether the tables are still those that an index's SQL was composed for: checked in every snapshot that builds.

SQL is composed from the catalog, which DDL may change at any time.  A document is built only in a snapshot with the same
catalog (`SchemaChangedError`): where it differs, a pipeline binds its plan again, and a verification ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import psycopg
from psycopg import sql

from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.plan.bind import bind
from flusso_shared.plan.model import IndexPlan
from flusso_shared.plan.used_columns import Use, used_columns
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_worker.postgres.database import Binding, Database

# The types of the columns and the types these consist of, recursively; those of Postgres itself do not change.
_TYPES = """
WITH RECURSIVE needed(type) AS (
    SELECT atttypid FROM pg_attribute
    WHERE attrelid = ANY(%s::text[]::regclass[]) AND attnum > 0 AND NOT attisdropped
    UNION
    SELECT inside.type FROM needed JOIN pg_type t ON t.oid = needed.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
        UNION ALL SELECT a.atttypid FROM pg_attribute a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
                    AND NOT a.attisdropped
    ) AS inside(type)
)
SELECT t.oid::bigint, t.typrelid::bigint,
       (SELECT coalesce(array_agg(e.oid::bigint ORDER BY e.oid), '{}') FROM pg_enum e WHERE e.enumtypid = t.oid)
FROM needed JOIN pg_type t ON t.oid = needed.type
WHERE t.typnamespace <> 'pg_catalog'::regnamespace ORDER BY 1
"""

# In every snapshot: few plan nodes, since planning takes most of its time.
_DIGEST = """
(SELECT md5(concat_ws(',', {tables},
    (SELECT string_agg(concat_ws(' ', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attcollation,
                                 format_type(atttypid, atttypmod)), ',' ORDER BY attrelid, attnum)
     FROM pg_attribute
     WHERE attrelid IN ({tables}, {relations}) AND attnum > 0
           AND (attname IN ({columns}) OR attrelid IN ({relations}))),
    (SELECT string_agg(concat_ws(' ', indrelid, indkey), ',' ORDER BY indrelid)
     FROM pg_index WHERE indrelid IN ({tables}) AND indisprimary),
    (SELECT string_agg(inhrelid::text, ',' ORDER BY inhrelid) FROM pg_inherits WHERE inhparent IN ({ordinary})),
    (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_class
     WHERE oid IN ({tables}) AND relpersistence <> 'p'){partitions}{types})))
"""
# Of all levels; `pg_partition_tree` takes three times as long.
_PARTITIONS = """,
    (WITH RECURSIVE part AS (SELECT unnest(ARRAY[{partitioned}]) AS oid
                             UNION ALL SELECT inhrelid FROM part JOIN pg_inherits ON inhparent = part.oid)
     SELECT string_agg(oid::text, ',' ORDER BY oid) FROM part JOIN pg_class USING (oid) WHERE relpersistence <> 'p')
"""
_INNER = """,
    (SELECT string_agg(concat_ws(' ', oid, typname, typnamespace, typbasetype, typtypmod), ',' ORDER BY oid)
     FROM pg_type WHERE oid IN ({types})),
    (SELECT string_agg(concat_ws(' ', oid, enumlabel), ',' ORDER BY oid) FROM pg_enum WHERE oid IN ({labels}))
"""


def bind_to(database: Database, plan: IndexPlan, catalog: Catalog) -> Binding:
    """A digest of the catalog of the tables that `plan` reads, and the SQL that computes it.

    Raises `RetryableError` when the tables have changed since `catalog` was read.
    """
    connection = database.connection()
    try:
        uses = used_columns([bind(plan, catalog)])
        types = connection.execute(
            _TYPES, ([sql.Identifier(*table).as_string(None) for table in uses],)
        ).fetchall()
        digest = _digest(uses, catalog, types)
        row = connection.execute(sql.SQL("SELECT {}").format(digest)).fetchone()
        assert row is not None
        # Read again after the digest: if the catalog is the same, the digest is that of the SQL.
        if read_catalog(connection, catalog.tables) != catalog:
            raise RetryableError("the tables were altered while their catalog was read")
    except psycopg.errors.UndefinedTable as error:
        raise RetryableError("a table was dropped or renamed while the catalog was read") from error
    except psycopg.Error as error:
        database.close()
        raise RetryableError(f"cannot read the catalog: {error}") from error
    return Binding(digest.as_bytes(None), str(row[0]).encode())


def _digest(
    uses: Mapping[TableName, Use], catalog: Catalog, types: Collection[tuple[int, int, list[int]]]
) -> sql.Composed:
    tables = {table: sql.SQL("{}::regclass::oid").format(_text(table)) for table in sorted(uses)}
    # Partitions may be added and removed as long as their changes are in the log; child tables may not.
    partitioned = [oid for table, oid in tables.items() if catalog.tables[table].partitioned]
    ordinary = [oid for table, oid in tables.items() if not catalog.tables[table].partitioned]
    partitions = sql.SQL(_PARTITIONS).format(partitioned=sql.SQL(", ").join(partitioned))
    columns = {
        name
        for table, use in uses.items()
        for name in catalog.tables[table].columns
        if use.reads(name) or name in catalog.tables[table].primary_key
    }
    # Only of the existing enum labels, which conditions may name: an added label changes nothing.
    labels = [label for *_, found in types for label in found]
    inner = sql.SQL(_INNER).format(
        types=_listed([type_ for type_, *_ in types]), labels=_listed(labels or [0])
    )
    return sql.SQL(_DIGEST).format(
        tables=sql.SQL(", ").join(tables.values()),
        ordinary=sql.SQL(", ").join([sql.Literal(0), *ordinary]),
        partitions=partitions if partitioned else sql.SQL(""),
        columns=_listed(sorted(columns) or [""]),
        relations=_listed([relation for _, relation, _ in types if relation] or [0]),
        types=inner if types else sql.SQL(""),
    )


def _listed(values: Iterable[str | int]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Literal(value) for value in values])


def _text(table: TableName) -> sql.Literal:
    return sql.Literal(sql.Identifier(*table).as_string(None))
