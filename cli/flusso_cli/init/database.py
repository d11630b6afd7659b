"""Reads the survey of a database, in a few statements for all tables.  Changes nothing, decides nothing."""

from __future__ import annotations

from flusso_capture.source.connection import Connection
from flusso_cli.check.probe.postgres import read_tables
from flusso_cli.init.survey import ForeignKey, Relation, Survey
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog_reader import read_catalog

_RELATIONS = """
SELECT n.nspname, c.relname, c.reltuples::bigint,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
               AND d.deptype = 'e')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""

# Of a constraint on partitioned tables, the parts that partitions have are left out.
_FOREIGN_KEYS = """
SELECT tn.nspname, t.relname, own.names, fn.nspname, f.relname, other.names, k.convalidated
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY c.position)
    FROM unnest(k.conkey) WITH ORDINALITY AS c(attnum, position)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum) AS own(names)
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY c.position)
    FROM unnest(k.confkey) WITH ORDINALITY AS c(attnum, position)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum) AS other(names)
WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT t.relispartition AND NOT f.relispartition
ORDER BY 1, 2, k.conkey, k.conname
"""

_LABELS = """
SELECT n.nspname, c.relname, a.attname, labels.names
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
    SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e
    WHERE e.enumtypid = t.oid) AS labels(names)
WHERE t.typtype = 'e' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND labels.names IS NOT NULL
"""


def read_survey(connection: Connection) -> Survey:
    """The whole database as it is now.  Raises `psycopg.Error`."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        relations = tuple(
            Relation(TableName(schema, name), rows, extension)
            for schema, name, rows, extension in connection.execute(_RELATIONS)
        )
        names = [relation.name for relation in relations]
        return Survey(
            relations=relations,
            tables=read_catalog(connection, names).tables,
            facts=read_tables(connection, names),
            foreign_keys=_foreign_keys(connection),
            labels={
                (TableName(schema, table), column): tuple(labels)
                for schema, table, column, labels in connection.execute(_LABELS)
            },
        )


def _foreign_keys(connection: Connection) -> tuple[ForeignKey, ...]:
    """Each once, though a database may say the same twice."""
    found: dict[object, ForeignKey] = {}
    for schema, name, own, far_schema, far, other, validated in connection.execute(_FOREIGN_KEYS):
        key = ForeignKey(
            table=TableName(schema, name),
            columns=tuple(own),
            target=TableName(far_schema, far),
            target_columns=tuple(other),
            validated=validated,
        )
        found.setdefault((key.table, key.columns, key.target, key.target_columns), key)
    return tuple(found.values())
