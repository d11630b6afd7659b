"""Partitions that are attached, detached, dropped or truncated.  The stream does not show this, because it names the root table only.

`compare` is pure.  It compares ids of the catalog: the partition's oid, its file (a truncate replaces it), and the transactions
that attached it and the partitions above it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flusso_capture.source.connection import Connection
from flusso_capture.source.resync_requests import ResyncRequests
from flusso_shared.names import TableName
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_KEY = "partitions"
_READ = """
SELECT rn.nspname, r.relname, n.nspname, c.relname, c.oid::text,
       concat(coalesce(pg_relation_filenode(c.oid), 0), '/',
              (SELECT string_agg(i.xmin::text, ',' ORDER BY i.inhrelid)
               FROM pg_partition_ancestors(c.oid) a JOIN pg_inherits i ON i.inhrelid = a.relid))
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
    state: str
    """The number of its file, `/`, and the transactions that wrote the `pg_inherits` rows between it and its root.
    Earlier versions recorded the file only."""

    def continues(self, before: Leaf) -> bool:
        """Whether it has been a partition without interruption since `before`, with the same file."""
        if self.oid != before.oid:
            return False
        return before.state in (self.state, self.state.partition("/")[0])


Leaves = Mapping[TableName, frozenset[Leaf]]
"""Per partitioned table."""


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """How the partitions of a table changed."""

    table: TableName
    attached: frozenset[TableName]
    """Partitions whose rows may be unknown.  Also those with a new file, which may have been unlogged or rewritten, and those
    that were detached in between."""
    lost: bool
    """Whether one was detached, dropped or emptied."""


def read(connection: Connection, tables: Collection[TableName]) -> dict[TableName, frozenset[Leaf]]:
    """The leaves of those of `tables` that are partitioned."""
    names = ([table.schema for table in tables], [table.name for table in tables])
    found: dict[TableName, set[Leaf]] = {}
    for root_schema, root, schema, name, oid, state in connection.execute(_READ, names):
        leaves = found.setdefault(TableName(root_schema, root), set())
        leaves.add(Leaf(TableName(schema, name), oid, state))
    return {table: frozenset(leaves) for table, leaves in found.items()}


def compare(before: Leaves, now: Leaves) -> list[PartitionChange]:
    """The changes of tables that are in both."""
    changes: list[PartitionChange] = []
    for table in sorted(before.keys() & now.keys()):
        was, is_now = before[table], now[table]
        if was == is_now:
            continue
        earlier, later = {leaf.oid: leaf for leaf in was}, {leaf.oid: leaf for leaf in is_now}
        kept = {oid for oid in earlier.keys() & later.keys() if later[oid].continues(earlier[oid])}
        attached = frozenset(leaf.name for leaf in is_now if leaf.oid not in kept)
        lost = any(leaf.oid not in kept for leaf in was)
        if attached or lost:
            changes.append(PartitionChange(table, attached, lost))
    return changes


def request_resyncs(
    connection: Connection,
    control: Control,
    tables: Collection[TableName],
    resync_requests: ResyncRequests,
) -> None:
    """Compare the partitions with the record, request the resyncs that follow, and record the partitions as they are."""
    before, now = load(control), read(connection, tables)
    for change in compare(before, now):
        logger.info(
            "partitions of table %s changed: %d attached%s",
            change.table,
            len(change.attached),
            ", and others detached, dropped or emptied" if change.lost else "",
            extra={"action": "partitions", "table": str(change.table)},
        )
        resync_requests.add(change.table, truncate=change.lost, read=change.attached)
    if now != before:
        save(control, now)


def load(control: Control) -> dict[TableName, frozenset[Leaf]]:
    """The last record; empty when there is none."""
    value = control.load().get(_KEY, {"tables": []})
    return {
        TableName(*table): frozenset(
            Leaf(TableName(*name), oid, state) for name, oid, state in leaves
        )
        for table, leaves in value["tables"]
    }


def save(control: Control, tables: Leaves) -> None:
    """Store the record."""
    value = [
        [[*table], sorted([[*leaf.name], leaf.oid, leaf.state] for leaf in leaves)]
        for table, leaves in sorted(tables.items())
    ]
    control.put(_KEY, {"tables": value})
