"""Replica identity (invariant I4): the old values of key and link columns must stand in the log.

Without them a row that is deleted, or moves to another parent, leaves its old parent's document stale.
`decide` is pure; `cure` runs what it decided.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from flusso_capture import locks
from flusso_capture.session import Connection
from flusso_shared.catalog import Table
from flusso_shared.catalog_reader import read_catalog
from flusso_shared.clock import Clock
from flusso_shared.names import TableName

logger = logging.getLogger(__name__)

_INDEXES = """
SELECT x.relname,
       (SELECT array_agg(a.attname::text) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k(attnum)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
  AND i.indisunique AND i.indimmediate AND i.indisvalid
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (
      SELECT FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k(attnum)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE NOT a.attnotnull)
ORDER BY i.indnkeyatts, x.relname
"""

_LEAVES = """
SELECT n.nspname, c.relname
FROM pg_partition_tree(%s::regclass) t
JOIN pg_class c ON c.oid = t.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf
"""


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """An index that may serve as replica identity, with its key columns."""

    name: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cure:
    """What makes the identity of `table` hold `missing`."""

    table: TableName
    missing: tuple[str, ...]
    statement: sql.Composed
    allowed: bool
    """Whether this process may run it."""
    fatal: bool
    """Without it not even the primary key of a removed row is known."""
    advice: str
    """Both ways to do it by hand, and what happens otherwise."""
    of: TableName
    """The table of the plan that it is, or is a partition of."""
    by_hand: tuple[str, ...] = ()
    """Two ways to do it by hand, as SQL: simple, and with less log written."""


def decide(
    table: Table, links: frozenset[str], indexes: Sequence[UniqueIndex], manage: bool
) -> Cure | None:
    """What has to be done for `table`; None when its identity holds all that is needed."""
    needed = links | frozenset(table.primary_key)
    missing = needed - table.identity_columns
    if not missing:
        return None
    fitting = [index for index in indexes if index.columns >= needed]
    name = sql.Identifier(*table.name)
    if fitting:
        statement = sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(
            name, sql.Identifier(fitting[0].name)
        )
    else:
        statement = sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(name)
    by_hand = _by_hand(table, sorted(links - frozenset(table.primary_key)))
    return Cure(
        table=table.name,
        missing=tuple(sorted(missing)),
        statement=statement,
        allowed=manage and table.owned,
        fatal=not missing.isdisjoint(table.primary_key),
        advice=_advice(table, missing, *by_hand),
        of=table.name,
        by_hand=by_hand,
    )


def _by_hand(table: Table, links: Sequence[str]) -> tuple[str, str]:
    name = sql.Identifier(*table.name)
    index = sql.Identifier(f"{table.name.name}_replica_identity")
    columns = sql.SQL(", ").join(map(sql.Identifier, [*table.primary_key, *links]))
    full = sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL;").format(name)
    by_index = sql.SQL(
        "CREATE UNIQUE INDEX {}{} ON {} ({}); ALTER TABLE {} REPLICA IDENTITY USING INDEX {};"
    ).format(
        # A partitioned table takes no CONCURRENTLY.
        sql.SQL("" if table.partitioned else "CONCURRENTLY "),
        index,
        name,
        columns,
        name,
        index,
    )
    return full.as_string(None), by_index.as_string(None)


def _advice(table: Table, missing: Iterable[str], full: str, by_index: str) -> str:
    return (
        f"the replica identity of table {table.name} lacks {', '.join(sorted(missing))}: when a row is "
        "deleted or moves to another parent, the document of the old parent goes stale.  Run\n"
        f"    {full}\n"
        "or, with less log written (the columns must be NOT NULL),\n"
        f"    {by_index}"
    )


def read_indexes(connection: Connection, table: TableName) -> list[UniqueIndex]:
    """The indexes of `table` that Postgres accepts as replica identity, fewest columns first."""
    rows = connection.execute(_INDEXES, table).fetchall()
    return [UniqueIndex(name, frozenset(columns or ())) for name, columns in rows]


def cures(
    connection: Connection,
    tables: Mapping[TableName, Table],
    links: Mapping[TableName, frozenset[str]],
    manage: bool,
) -> list[Cure]:
    """What has to be done for all of `tables`."""
    found: list[Cure] = []
    for name, table in tables.items():
        known = links.get(name, frozenset()).intersection(table.columns)
        needed = known | frozenset(table.primary_key)
        for part in _parts(connection, table):
            if needed <= part.identity_columns:
                continue
            indexes = [] if table.partitioned else read_indexes(connection, name)
            cure = decide(part, known, indexes, manage)
            if cure is not None:
                found.append(replace(cure, of=name))
    return found


def _parts(connection: Connection, table: Table) -> list[Table]:
    """The table, and the partitions that hold its rows: each of them has a replica identity of its own."""
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
    """Run a cure that is allowed.  Waits for the table's lock in short turns, so that nobody queues behind."""
    locks.run(connection, item.statement, f"set the replica identity of table {item.table}", clock)
    logger.info(
        "replica identity of table %s changed, so that the log holds old values of %s: %s",
        item.table,
        ", ".join(item.missing),
        item.statement.as_string(None),
        extra={"action": "replica_identity"},
    )
