"""Reads the fingerprints of a plan's tables, compares them with those on record, and requests resyncs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from flusso_capture.source import fingerprint
from flusso_capture.source.connection import Connection
from flusso_capture.source.fingerprint import ColumnPrint, TablePrint, TypePrint
from flusso_capture.source.resync_requests import ResyncRequests
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.plan.used_columns import Use, used_columns
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_PREFIX = "fingerprint/"

_TABLES = """
SELECT c.oid, n.nspname, c.relname,
       c.relkind::text || CASE WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
                               THEN ' with children' ELSE '' END,
       CASE WHEN c.relkind <> 'p' THEN c.relpersistence::text
            WHEN EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
                         WHERE t.isleaf AND l.relkind <> 'p' AND l.relpersistence = 'u') THEN 'u'
            ELSE 'p' END,
       CASE WHEN c.relkind = 'p' THEN '' ELSE coalesce(pg_relation_filenode(c.oid), 0)::text END,
       EXISTS (SELECT FROM pg_publication_rel r WHERE r.prrelid = c.oid),
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.position)
                 FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
                 JOIN pg_attribute a ON a.attnum = k.attnum
                 WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid
                   AND k.position <= i.indnkeyatts), '{}')
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
WHERE c.relkind IN ('r', 'p')
"""

_COLUMNS = """
SELECT a.attrelid, a.attname::text, a.attnum, a.xmin::text, a.atttypid::text, a.atttypmod,
       format_type(a.atttypid, a.atttypmod), concat_ws('/', a.attcollation, l.collversion),
       CASE WHEN a.attgenerated <> '' THEN md5(pg_get_expr(d.adbin, d.adrelid)) ELSE '' END
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""

# Types inside types: of domains, arrays, ranges and composite types.  Those of Postgres itself do not change.
_TYPES = """
WITH RECURSIVE needed(relation, type) AS (
    SELECT attrelid, atttypid FROM pg_attribute
    WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped
    UNION
    SELECT needed.relation, inside.type FROM needed JOIN pg_type t ON t.oid = needed.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
        UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
                    AND NOT a.attisdropped
    ) AS inside(type)
)
SELECT needed.relation, t.oid::text, format_type(t.oid, NULL),
       array_remove(ARRAY[nullif(t.typbasetype, 0), nullif(t.typelem, 0),
                          (SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid)]::text[]
                    || members.types, NULL),
       (SELECT coalesce(array_agg(e.oid::text ORDER BY e.oid), '{}') FROM pg_enum e WHERE e.enumtypid = t.oid),
       (SELECT coalesce(array_agg(e.enumlabel::text ORDER BY e.oid), '{}') FROM pg_enum e
        WHERE e.enumtypid = t.oid),
       members.attributes
FROM needed JOIN pg_type t ON t.oid = needed.type
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.atttypid::text ORDER BY a.attnum), '{}'),
           coalesce(array_agg(concat_ws(' ', a.attnum, a.atttypid, a.atttypmod, a.attname)
                              ORDER BY a.attnum), '{}')
    FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
) AS members(types, attributes)
WHERE t.typnamespace <> 'pg_catalog'::regnamespace
"""

_FUNCTIONS = """
SELECT p.proname::text, md5(string_agg(concat_ws('|', p.oid, p.prosrc, p.probin, to_jsonb(p) ->> 'prosqlbody',
                                                 p.proconfig), '|' ORDER BY p.oid))
FROM pg_proc p
WHERE p.proname = ANY(%s) AND p.pronamespace <> 'pg_catalog'::regnamespace
GROUP BY p.proname
"""


class Fingerprints:
    """The recorded fingerprints.  Owned by one thread at a time: the start, then the catalog watch."""

    def __init__(self, control: Control, resync_requests: ResyncRequests) -> None:
        self._control = control
        self._resync_requests = resync_requests

    def request_resyncs(self, connection: Connection, plan: Plan) -> None:
        """Compare with the record, request resyncs of tables whose rows read differently, and record the new fingerprints.

        A table that replaced another one under its name is left to the next start: it has to be published before it is read.
        """
        uses = used_columns(plan.indexes)
        for table, before, now in self._differing(connection, uses):
            if before is None or before.oid == now.oid:
                self._note(table, before, now, uses[table])

    def record_at_start(self, connection: Connection, plan: Plan, *, same_lineage: bool) -> None:
        """The same at the start, after all tables are published.

        In a new lineage, and for tables that replaced another one, fingerprints are only recorded: these tables are read
        completely anyway.
        """
        uses = used_columns(plan.indexes)
        for table, before, now in self._differing(connection, uses):
            same = same_lineage and before is not None and before.oid == now.oid
            self._note(table, before if same else None, now, uses[table])

    def _differing(
        self, connection: Connection, uses: Mapping[TableName, Use]
    ) -> Iterator[tuple[TableName, TablePrint | None, TablePrint]]:
        records = self._control.load()
        for table, now in read(connection, uses).items():
            record = records.get(_key(table))
            before = None if record is None else fingerprint.from_json(record)
            if before != now:
                yield table, before, now

    def _note(self, table: TableName, before: TablePrint | None, now: TablePrint, use: Use) -> None:
        if before is not None:
            self._request(table, fingerprint.changes(before, now, use), use)
        # After the request: a crash in between repeats it.
        self._control.put(_key(table), fingerprint.to_json(now))

    def _request(self, table: TableName, reasons: Collection[str], use: Use) -> None:
        if not reasons:
            return
        logger.warning(
            "table %s: %s; documents with rows of it are built again",
            table,
            "; ".join(reasons),
            extra={"action": "table_altered", "table": str(table)},
        )
        # A truncate reaches every document of a related table; rows of a root may be unknown to its index.
        self._resync_requests.add(table, truncate=True, read={table} if use.root else ())


def read(connection: Connection, uses: Mapping[TableName, Use]) -> dict[TableName, TablePrint]:
    """The fingerprints of those tables that exist."""
    names = ([table.schema for table in uses], [table.name for table in uses])
    tables = connection.execute(_TABLES, names).fetchall()
    oids = [row[0] for row in tables]
    columns: dict[int, dict[str, ColumnPrint]] = defaultdict(dict)
    for oid, name, *column in connection.execute(_COLUMNS, (oids,)):
        columns[oid][name] = ColumnPrint(*column)
    types: dict[int, dict[str, TypePrint]] = defaultdict(dict)
    for oid, type_, shown, inner, labels, texts, attributes in connection.execute(_TYPES, (oids,)):
        types[oid][type_] = TypePrint(
            shown, tuple(inner), dict(zip(labels, texts, strict=True)), tuple(attributes)
        )
    called = sorted({name for use in uses.values() for name in use.functions})
    functions: dict[str, str] = {}
    if called:
        functions = dict(connection.execute(_FUNCTIONS, (called,)).fetchall())
    found: dict[TableName, TablePrint] = {}
    for oid, schema, name, kind, persistence, file, listed, key in tables:
        table = TableName(schema, name)
        mine = {called: functions[called] for called in uses[table].functions & functions.keys()}
        found[table] = TablePrint(
            oid=str(oid),
            kind=kind,
            persistence=persistence,
            file=file,
            listed=listed,
            key=tuple(key),
            columns=columns[oid],
            types=types[oid],
            functions=mine,
        )
    return found


def _key(table: TableName) -> str:
    return f"{_PREFIX}{table}"
