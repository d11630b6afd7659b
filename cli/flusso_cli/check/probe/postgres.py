"""Reads the facts, in a few statements for all tables.  Changes nothing, decides nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import psycopg
from psycopg.rows import class_row

from flusso_capture.source import publication as publications
from flusso_capture.source.connection import Connection
from flusso_cli.check.probe.facts import (
    DatabaseFacts,
    Index,
    ServerFacts,
    SlotFacts,
    TableFacts,
    ValueType,
)
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog_reader import read_catalog

_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS standby,
       current_setting('wal_level') AS wal_level,
       current_user::text AS role,
       r.rolsuper AS superuser,
       r.rolsuper OR r.rolreplication
       OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'
                  AND pg_has_role(current_user, oid, 'MEMBER')) AS may_replicate,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       (SELECT count(*)::int FROM pg_replication_slots) AS slots_used,
       current_setting('max_replication_slots')::int AS slots_most,
       (SELECT count(*)::int FROM pg_stat_get_wal_senders()) AS senders_used,
       current_setting('max_wal_senders')::int AS senders_most,
       (SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_limit
FROM pg_roles r WHERE r.rolname = current_user
"""
_SLOT = """
SELECT coalesce(plugin, ''), slot_type, coalesce(database, ''), current_database()::text,
       wal_status = 'lost' OR confirmed_flush_lsn IS NULL, two_phase
FROM pg_replication_slots WHERE slot_name = %s
"""
_EXISTING = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND c.relpersistence <> 't'
ORDER BY 1, 2
"""
_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid),
       ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname),
       pg_has_role(current_user, c.relowner, 'USAGE'),
       CASE WHEN c.relispartition THEN
            (SELECT ARRAY[rn.nspname::text, r.relname::text] FROM pg_class r
             JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = pg_partition_root(c.oid)) END
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
# From a column's type down through domains and arrays to what its values are made of.
_TYPES = """
WITH RECURSIVE columns AS (
    SELECT attrelid, attname, atttypid FROM pg_attribute
    WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped
), down(start, type, is_array, not_null) AS (
    SELECT DISTINCT atttypid, atttypid, false, false FROM columns
    UNION
    SELECT d.start, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
           d.is_array OR t.typtype <> 'd', d.not_null OR (t.typnotnull AND NOT d.is_array)
    FROM down d JOIN pg_type t ON t.oid = d.type
    WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0)
)
SELECT c.attrelid, c.attname, t.typname, format_type(t.oid, NULL), t.typtype::text,
       d.is_array, d.not_null
FROM columns c JOIN down d ON d.start = c.atttypid JOIN pg_type t ON t.oid = d.type
WHERE t.typtype <> 'd' AND NOT (t.typcategory = 'A' AND t.typelem <> 0)
"""
_INDEXES = """
SELECT i.indrelid, x.relname, am.amname,
       (SELECT array_agg(a.attname::text ORDER BY k.position)
        FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, position)
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0),
       i.indisunique, i.indisvalid AND i.indisready AND i.indpred IS NULL
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
WHERE i.indrelid = ANY(%s)
ORDER BY x.relname
"""


def read_facts(
    connection: Connection, tables: Collection[TableName], slot: str, publication: str
) -> DatabaseFacts:
    """The facts about `tables`.  Raises `psycopg.Error`."""
    catalog = read_catalog(connection, tables)
    row = connection.execute(_SLOT, (slot,)).fetchone()
    return DatabaseFacts(
        server=_server(connection),
        slot=None if row is None else SlotFacts(*row),
        catalog=catalog,
        tables=read_tables(connection, tables),
        existing=_existing(connection),
        publication=publications.read(connection, publication),
    )


def _existing(connection: Connection) -> tuple[TableName, ...]:
    """All tables, for advice on names; none when the name of one is no text (in a database in SQL_ASCII)."""
    try:
        return tuple(TableName(*found) for found in connection.execute(_EXISTING))
    except psycopg.errors.CharacterNotInRepertoire:
        return ()


def _server(connection: Connection) -> ServerFacts:
    with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
        found = cursor.execute(_SERVER).fetchone()
    assert found is not None
    return found


def read_tables(
    connection: Connection, tables: Collection[TableName]
) -> dict[TableName, TableFacts]:
    """The facts about those of `tables` that exist.  Raises `psycopg.Error`."""
    wanted = sorted(set(tables))
    names = ([name.schema for name in wanted], [name.name for name in wanted])
    rows = connection.execute(_TABLES, names).fetchall()
    oids = [row[0] for row in rows]
    types: dict[int, dict[str, ValueType]] = defaultdict(dict)
    for oid, column, *parts in connection.execute(_TYPES, (oids,)):
        types[oid][column] = ValueType(*parts)
    indexes: dict[int, list[Index]] = defaultdict(list)
    for oid, *parts in connection.execute(_INDEXES, (oids,)):
        indexes[oid].append(_index(parts))
    found: dict[TableName, TableFacts] = {}
    for (
        oid,
        schema,
        name,
        kind,
        persistence,
        readable,
        usable,
        hidden,
        policies,
        owned,
        root,
    ) in rows:
        found[TableName(schema, name)] = TableFacts(
            kind=kind,
            persistence=persistence,
            readable=readable,
            schema_usable=usable,
            row_security=hidden,
            policies=tuple(policies),
            owned=owned,
            root=None if root is None else TableName(*root),
            types=types[oid],
            indexes=tuple(indexes[oid]),
        )
    return found


def _index(parts: list[Any]) -> Index:
    name, method, columns, unique, usable = parts
    return Index(name, method, tuple(columns), unique, usable)
