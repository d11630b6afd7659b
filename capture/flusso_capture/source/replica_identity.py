"""Replica identity (invariant I4): the log must contain the old values of key and link columns.

Without them, the document of the old parent goes stale when a row is deleted or moves to another parent.
`decide` is pure; `cure` runs what it decided.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from flusso_capture.options import CaptureContext
from flusso_capture.source import ddl
from flusso_capture.source.connection import Connection
from flusso_capture.source.resync_requests import ResyncRequests
from flusso_shared.clock import Clock
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table
from flusso_shared.postgres.catalog_reader import read_catalog

logger = logging.getLogger(__name__)

_LONGEST_NAME = 63
_SUFFIX = "_replica_identity"

_LEAVES = """
SELECT n.nspname, c.relname
FROM pg_partition_tree(%s::regclass) t
JOIN pg_class c ON c.oid = t.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf
"""
# Column lists came with Postgres 15.
_LISTED = """
SELECT n.nspname, c.relname, p.pubname::text,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
        WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs))
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.prattrs IS NOT NULL AND (p.pubupdate OR p.pubdelete)
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """A column list of a publication.  Postgres refuses UPDATEs of a table whose identity is not contained in the list."""

    publication: str
    table: TableName
    """The table that is listed; it may be the root of a partition."""
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cure:
    """The statement that adds the columns `missing` to the replica identity of `table`."""

    table: TableName
    missing: tuple[str, ...]
    statement: sql.Composed
    allowed: bool
    """Whether this process may run it."""
    fatal: bool
    """Whether even the primary key of a deleted row is missing from the log without it."""
    advice: str
    """For the operator: the SQL, and what happens without it."""
    of: TableName
    """The table of the plan: `table` itself, or its root."""
    by_hand: tuple[str, ...] = ()
    """SQL for the operator: the simple form first, then one that writes less log, where the columns allow it."""
    lost: bool = False
    """Whether the table has no identity, for example because its index was dropped.  Postgres refuses UPDATE and DELETE once it is
    published."""


def decide(
    table: Table, links: frozenset[str], manage: bool, *, partition: bool = False
) -> Cure | None:
    """What has to be done for `table`; None when its identity contains all needed columns.

    FULL, also where an index would suffice: an index can be dropped, and then Postgres refuses to change rows.
    """
    key = table.logged(table.primary_key)
    needed = table.logged(links) | key
    missing = needed - table.identity_columns
    if not missing:
        return None
    by_hand = _by_hand(table, sorted(needed - frozenset(table.primary_key)), partition)
    return Cure(
        table=table.name,
        missing=tuple(sorted(missing)),
        statement=_full(table),
        allowed=manage and table.owned,
        fatal=not missing.isdisjoint(key),
        advice=_advice(table, missing, by_hand),
        of=table.name,
        by_hand=by_hand,
        lost=not table.identity_columns,
    )


def full_statement(table: TableName) -> str:
    """The SQL, for psql, that makes the log contain the whole old row."""
    return f"{_full_of(table).as_string(None)};"


def _full(table: Table) -> sql.Composed:
    return _full_of(table.name)


def _full_of(name: TableName) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(sql.Identifier(*name))


def _by_hand(table: Table, links: Sequence[str], partition: bool) -> tuple[str, ...]:
    """Postgres accepts an index as identity only if all its columns are NOT NULL."""
    full = full_statement(table.name)
    columns = [*table.primary_key, *links]
    not_null = all(name in table.columns and table.columns[name].not_null for name in columns)
    # Postgres looks for the identity of a partition among the identity columns of its root.
    if table.partitioned or partition or not not_null or not table.primary_key:
        return (full,)
    index = sql.Identifier(_index_name(table.name.name))
    by_index = sql.SQL(
        "CREATE UNIQUE INDEX {0} ON {1} ({2}); ALTER TABLE {1} REPLICA IDENTITY USING INDEX {0};"
    ).format(index, sql.Identifier(*table.name), sql.SQL(", ").join(map(sql.Identifier, columns)))
    return full, by_index.as_string(None)


def _index_name(table: str) -> str:
    """Shortened here: the name that Postgres truncates to could be that of another relation."""
    kept = table.encode()[: _LONGEST_NAME - len(_SUFFIX)].decode(errors="ignore")
    return f"{kept}{_SUFFIX}"


def _advice(table: Table, missing: Iterable[str], by_hand: Sequence[str]) -> str:
    advice = (
        f"the replica identity of table {table.name} lacks {', '.join(sorted(missing))}: when a row is "
        "deleted or moves to another parent, the document of the old parent goes stale.  Run\n"
        f"    {by_hand[0]}"
    )
    return "\nor, with less log written,\n    ".join([advice, *by_hand[1:]])


def cures(
    connection: Connection,
    tables: Mapping[TableName, Table],
    links: Mapping[TableName, frozenset[str]],
    manage: bool,
) -> list[Cure]:
    """What has to be done for all of `tables`."""
    found: list[Cure] = []
    listings = _listings(connection)
    for name, table in tables.items():
        known = links.get(name, frozenset()).intersection(table.columns)
        needed = table.logged(known.union(table.primary_key))
        for part in _parts(connection, table):
            if needed <= part.identity_columns:
                continue
            cure = decide(part, known, manage, partition=part.name != name)
            if cure is not None:
                listed = [
                    *listings.get(name, ()),
                    *(listings.get(part.name, ()) if part.name != name else ()),
                ]
                found.append(replace(_within(cure, part, listed), of=name))
    return found


def _listings(connection: Connection) -> dict[TableName, list[Listing]]:
    """The column lists of all publications."""
    found: dict[TableName, list[Listing]] = {}
    if connection.info.server_version >= 150000:
        for schema, table, name, columns in connection.execute(_LISTED):
            found.setdefault(TableName(schema, table), []).append(
                Listing(name, TableName(schema, table), frozenset(columns))
            )
    return found


def _within(cure: Cure, table: Table, listed: Sequence[Listing]) -> Cure:
    """The cure; not allowed to run by itself when Postgres would refuse UPDATEs after it because of a column list."""
    if not listed:
        return cure
    columns = frozenset(cure.missing) | frozenset(table.primary_key)
    by_index = cure.by_hand[1:] if all(columns <= one.columns for one in listed) else ()
    without = "ALTER PUBLICATION {0} DROP TABLE {1}; ALTER PUBLICATION {0} ADD TABLE {1};"
    freed = [
        sql.SQL(without).format(sql.Identifier(one.publication), sql.Identifier(*one.table))
        for one in listed
    ]
    full = " ".join([*(item.as_string(None) for item in freed), full_statement(table.name)])
    by_hand = by_index or (full,)
    publications = ", ".join(one.publication for one in listed)
    advice = (
        f"{_advice(table, cure.missing, by_hand)}\nIt is not set here: publication {publications} has a column list for"
        " the table, and Postgres refuses every UPDATE and DELETE of a table whose replica identity is not within"
    )
    return replace(cure, allowed=False, advice=advice, by_hand=by_hand)


def _parts(connection: Connection, table: Table) -> list[Table]:
    """The table and the partitions that hold its rows; each has its own replica identity."""
    if not table.partitioned:
        return [table]
    name = sql.Identifier(*table.name).as_string(None)
    leaves = [TableName(*row) for row in connection.execute(_LEAVES, (name,))]
    found = [table]
    for leaf in read_catalog(connection, leaves).tables.values():
        by_index = leaf.replica_identity == "i" and table.replica_identity != "i"
        # The log describes a partition's rows by the columns and the identity of its root.
        held = leaf.identity_columns & frozenset(leaf.primary_key)
        found.append(replace(leaf, identity_columns=held) if by_index else leaf)
    return found


def cure(connection: Connection, item: Cure, clock: Clock) -> None:
    """Run a cure that is allowed.  It waits for the table's lock for two seconds at a time, so that others do not queue behind it."""
    if item.lost:
        logger.warning(
            "table %s has no replica identity: its index was dropped, is not valid or is deferrable. Postgres refuses"
            " every UPDATE and DELETE of a published table that has none",
            item.table,
            extra={"action": "replica_identity_lost", "table": str(item.table)},
        )
    ddl.run_with_short_lock_waits(
        connection, item.statement, f"set the replica identity of table {item.table}", clock
    )
    logger.info(
        "replica identity of table %s changed, so that the log holds old values of %s: %s",
        item.table,
        ", ".join(item.missing),
        item.statement.as_string(None),
        extra={"action": "replica_identity"},
    )


def apply(
    connection: Connection, resync_requests: ResyncRequests, item: Cure, context: CaptureContext
) -> None:
    """Run a cure of a followed table, and request a resync of the table."""
    # First, so that a crash cannot lose it: changes before the cure may lack old values.
    resync_requests.add(item.of, truncate=True)
    cure(connection, item, context.clock)
