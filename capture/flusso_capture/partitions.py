"""Partitions that come, go or are emptied: none of it is in the stream, which speaks of their root only.

`compare` is pure.  The catalog's ids tell: a partition's own, and that of its file, which a truncate replaces.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flusso_capture.doubts import Doubts
from flusso_capture.session import Connection
from flusso_shared.names import TableName
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_KEY = "partitions"
_READ = """
SELECT rn.nspname, r.relname, n.nspname, c.relname, c.oid::text, coalesce(pg_relation_filenode(c.oid), 0)::text
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace rn ON rn.nspname = wanted.nspname
JOIN pg_class r ON r.relnamespace = rn.oid AND r.relname = wanted.relname AND r.relkind = 'p'
CROSS JOIN LATERAL pg_partition_tree(r.oid) t
JOIN pg_class c ON c.oid = t.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf AND c.relkind <> 'p'
"""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A partition that holds rows."""

    name: TableName
    oid: str
    file: str


Leaves = Mapping[TableName, frozenset[Leaf]]
"""Per partitioned table."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What happened to the partitions of a table."""

    table: TableName
    attached: frozenset[TableName]
    """With rows that may be unknown: those with a new file too, which may have been unlogged or rewritten."""
    lost: bool
    """Whether one was detached, dropped or emptied."""


def read(connection: Connection, tables: Collection[TableName]) -> dict[TableName, frozenset[Leaf]]:
    """The leaves of those of `tables` that are partitioned."""
    names = ([table.schema for table in tables], [table.name for table in tables])
    found: dict[TableName, set[Leaf]] = {}
    for root_schema, root, schema, name, oid, file in connection.execute(_READ, names):
        leaves = found.setdefault(TableName(root_schema, root), set())
        leaves.add(Leaf(TableName(schema, name), oid, file))
    return {table: frozenset(leaves) for table, leaves in found.items()}


def compare(before: Leaves, now: Leaves) -> list[Shift]:
    """What happened to the tables that were there before."""
    shifts: list[Shift] = []
    for table in sorted(before.keys() & now.keys()):
        was, is_now = before[table], now[table]
        if was == is_now:
            continue
        known = {(leaf.oid, leaf.file) for leaf in was}
        attached = frozenset(leaf.name for leaf in is_now if (leaf.oid, leaf.file) not in known)
        files = {(leaf.oid, leaf.file) for leaf in is_now}
        lost = any((leaf.oid, leaf.file) not in files for leaf in was)
        if attached or lost:
            shifts.append(Shift(table, attached, lost))
    return shifts


def look(
    connection: Connection, control: Control, tables: Collection[TableName], doubts: Doubts
) -> None:
    """Compare with what was recorded, raise the doubts that follow, and record what is there now."""
    before, now = load(control), read(connection, tables)
    for shift in compare(before, now):
        logger.info(
            "partitions of table %s changed: %d attached%s",
            shift.table,
            len(shift.attached),
            ", and others detached, dropped or emptied" if shift.lost else "",
            extra={"action": "partitions", "table": str(shift.table)},
        )
        doubts.add(shift.table, sweep=shift.lost, read=shift.attached)
    if now != before:
        save(control, now)


def load(control: Control) -> dict[TableName, frozenset[Leaf]]:
    """What was recorded last."""
    value = control.load().get(_KEY, {"tables": []})
    return {
        TableName(*table): frozenset(
            Leaf(TableName(*name), oid, file) for name, oid, file in leaves
        )
        for table, leaves in value["tables"]
    }


def save(control: Control, tables: Leaves) -> None:
    """Record it."""
    value = [
        [[*table], sorted([[*leaf.name], leaf.oid, leaf.file] for leaf in leaves)]
        for table, leaves in sorted(tables.items())
    ]
    control.put(_KEY, {"tables": value})
