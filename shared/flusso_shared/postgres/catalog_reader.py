"""Reads the catalog of a plan's tables, in a few statements for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import psycopg

from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import (
    Catalog,
    Column,
    Equality,
    Generated,
    Table,
    TypeShape,
)
from flusso_shared.postgres.relation_kinds import read_refusals
from flusso_shared.postgres.type_reader import read_shapes

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relreplident::text, c.relkind = 'p',
       pg_has_role(current_user, c.relowner, 'USAGE'),
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.position)
                 FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
                 JOIN pg_attribute a ON a.attnum = k.attnum
                 WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid
                   AND k.position <= i.indnkeyatts), '{}'),
       coalesce((SELECT array_agg(a.attname::text)
                 FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
                 JOIN pg_attribute a ON a.attnum = k.attnum
                 WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND k.position <= i.indnkeyatts
                   -- A deferrable key is no replica identity: rows change before it is checked.
                   AND i.indimmediate AND i.indisvalid
                   AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
                                           WHEN 'i' THEN i.indisreplident ELSE false END), '{}')
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
WHERE c.relkind IN ('r', 'p')
"""

# Domains may stand over domains; the innermost carries the length or precision.
_COLUMNS = """
WITH RECURSIVE below(domain, type, modifier) AS (
    SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
    UNION ALL
    SELECT b.domain, t.typbasetype, t.typtypmod
    FROM below b JOIN pg_type t ON t.oid = b.type AND t.typtype = 'd'
)
SELECT attrelid, atttypid, attname::text, format_type(atttypid, atttypmod), attnotnull,
       coalesce(format_type(u.type, u.modifier), ''),
       -- With the modifier -1 bpchar and bit have names that mean any length.
       format_type(base.oid, -1),
       CASE WHEN c.oid IS NULL OR c.collname = 'default' THEN ''
            ELSE quote_ident(n.nspname) || '.' || quote_ident(c.collname) END,
       coalesce(c.collisdeterministic, true),
       CASE WHEN base.typtype = 'e' THEN base.oid::text
            WHEN base.typnamespace <> 'pg_catalog'::regnamespace THEN ''
            WHEN base.typname IN ('int2', 'int4', 'int8', 'oid', 'uuid', 'bool', 'date', 'timestamp', 'timestamptz',
                                  'bytea') THEN base.typname
            WHEN base.typname IN ('text', 'varchar') AND coalesce(c.collisdeterministic, true) THEN 'text'
            ELSE '' END
FROM pg_attribute
LEFT JOIN LATERAL (SELECT b.type, b.modifier FROM below b JOIN pg_type t ON t.oid = b.type
                   WHERE b.domain = atttypid AND t.typtype <> 'd') AS u ON true
JOIN pg_type base ON base.oid = coalesce(u.type, atttypid)
LEFT JOIN pg_collation c ON c.oid = attcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid, attnum
"""

# Until Postgres 14 it is the column that depends on the others, since then its expression.
_GENERATED = """
SELECT a.attrelid, a.attname::text, pg_get_expr(d.adbin, d.adrelid),
       ARRAY(SELECT DISTINCT b.attname::text FROM pg_depend p
             JOIN pg_attribute b ON b.attrelid = p.refobjid AND b.attnum = p.refobjsubid
             WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid
               AND p.refobjsubid NOT IN (0, a.attnum)
               AND (p.classid, p.objid, p.objsubid) IN (('pg_attrdef'::regclass::oid, d.oid, 0),
                                                        ('pg_class'::regclass::oid, a.attrelid, a.attnum::int))
             ORDER BY 1)
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY(%s) AND a.attgenerated <> '' AND NOT a.attisdropped
"""


def read_catalog(connection: psycopg.Connection[Any], tables: Collection[TableName]) -> Catalog:
    """The tables that exist, of those asked for.  Raises `psycopg.Error`."""
    wanted = sorted(set(tables))
    names = ([name.schema for name in wanted], [name.name for name in wanted])
    found = connection.execute(_TABLES, names).fetchall()
    columns: dict[int, dict[str, Column]] = defaultdict(dict)
    oids = [row[0] for row in found]
    shapes = read_shapes(connection, oids)
    for oid, type_, *column in connection.execute(_COLUMNS, (oids,)):
        name, shown, not_null, under, *equality = column
        columns[oid][name] = Column(
            name, shown, not_null, under, shapes.get(type_, TypeShape()), Equality(*equality)
        )
    for oid, name, expression, others in connection.execute(_GENERATED, (oids,)):
        generated = Generated(expression, tuple(others))
        columns[oid][name] = replace(columns[oid][name], generated=generated)
    result: dict[TableName, Table] = {}
    for oid, schema, name, identity, partitioned, owned, primary_key, index in found:
        table = TableName(schema, name)
        result[table] = Table(
            name=table,
            columns=columns[oid],
            primary_key=tuple(primary_key),
            replica_identity=identity,
            identity_columns=frozenset(columns[oid] if identity == "f" else index),
            owned=owned,
            partitioned=partitioned,
        )
    return Catalog(result, read_refusals(connection, wanted))
