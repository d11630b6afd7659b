"""Which tables the lineage's stream has held without a gap (I6).

When a table was taken out of the publication and put back, dropped and created again, or left out of the schemas for a
while, some of its changes were not read.  The object ids of the catalog show it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import sql

from flusso_capture.source.connection import Connection
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.names import TableName
from flusso_shared.seams import Control

_COVERAGE_KEY = "coverage"

# The table itself, and every entry by which the publication publishes all its changes.
_READ = """
SELECT n.nspname, c.relname, c.oid::text,
       CASE WHEN p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
                 AND (p.pubviaroot OR c.relkind <> 'p')
            THEN concat_ws(',', CASE WHEN p.puballtables THEN 'all' || p.oid END, {entries})
            ELSE '' END
FROM unnest(%s::text[], %s::text[]) AS wanted(nspname, relname)
JOIN pg_namespace n ON n.nspname = wanted.nspname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.relname
LEFT JOIN pg_publication p ON p.pubname = %s
"""
_ENTRIES_14 = """
(SELECT r.oid::text FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)
"""
# An entry gets another id with another column list; the start checks what a list contains.  Postgres 15 added row filters and
# publications of whole schemas.
_ENTRIES = """
(SELECT r.oid::text FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid
    AND r.prqual IS NULL),
(SELECT 'schema' || s.oid FROM pg_publication_namespace s
 WHERE s.pnpubid = p.oid AND s.pnnspid = n.oid)
"""


class PublishedTable(NamedTuple):
    """A table and the publication entries that publish it, as ids of the catalog."""

    table: str
    entries: frozenset[str]

    def continues(self, before: PublishedTable) -> bool:
        """Whether it was published without a gap since `before`."""
        return self.table == before.table and not self.entries.isdisjoint(before.entries)


PublishedTables = Mapping[TableName, PublishedTable]


@dataclass(frozen=True, slots=True)
class CoverageRecord:
    """Which tables were followed in one lineage."""

    lineage: Lineage
    followed: PublishedTables
    left: PublishedTables
    """Tables that the schemas named earlier, as they were then."""
    logs: Mapping[TableName, str]
    """The identities of the tables' change logs (`ChangeLog.prepare`)."""


def read(
    connection: Connection, publication: str, tables: Collection[TableName]
) -> dict[TableName, PublishedTable]:
    """How `tables` are published now; those that do not exist are absent."""
    entries = _ENTRIES if connection.info.server_version >= 150000 else _ENTRIES_14
    query = sql.SQL(_READ).format(entries=sql.SQL(entries))
    names = ([table.schema for table in tables], [table.name for table in tables], publication)
    return {
        TableName(schema, name): PublishedTable(table, _entries(found))
        for schema, name, table, found in connection.execute(query, names)
    }


def load(control: Control) -> CoverageRecord | None:
    """The last record, if there is one."""
    value = control.load().get(_COVERAGE_KEY)
    if value is None:
        return None
    lineage = Lineage.from_json(value["lineage"])
    logs = {TableName(schema, name): str(known) for schema, name, known in value.get("logs", [])}
    return CoverageRecord(lineage, _tables(value["followed"]), _tables(value["left"]), logs)


def save(control: Control, recorded: CoverageRecord) -> None:
    """Store the record."""
    value = {
        "lineage": recorded.lineage.to_json(),
        "followed": _json(recorded.followed),
        "left": _json(recorded.left),
        "logs": [[*table, known] for table, known in sorted(recorded.logs.items())],
    }
    control.put(_COVERAGE_KEY, value)


def gap(before: PublishedTables, now: PublishedTables) -> str | None:
    """Why changes of a followed table may be missing from the stream; None when none are."""
    same = before.keys() & now.keys() - replaced(before, now)
    broken = [name for name in same if not now[name].continues(before[name])]
    if not broken:
        return None
    names = ", ".join(map(str, sorted(broken)))
    return (
        f"changes of {names} may be missing from the log: the publication's entry for it is not the one that was "
        "recorded"
    )


def started(before: PublishedTables, now: PublishedTables) -> set[TableName]:
    """Tables that were not published without a gap since `before`: what was written to them earlier is not in the stream."""
    return {name for name in now if name not in before or not now[name].continues(before[name])}


def replaced(before: PublishedTables, now: PublishedTables) -> set[TableName]:
    """Names that belong to another table now: swapped by renames, or dropped and created again.

    Other tables are not affected.  The new table is published and read.
    """
    return {name for name in before.keys() & now.keys() if before[name].table != now[name].table}


def other_logs(before: Mapping[TableName, str], now: Mapping[TableName, str]) -> str | None:
    """Why published changes of a table may be gone; None when they are not."""
    changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
    if not changed:
        return None
    return f"the topics of {', '.join(map(str, changed))} were deleted and recreated"


def advance(
    recorded: CoverageRecord | None,
    lineage: Lineage,
    now: PublishedTables,
    logs: Mapping[TableName, str],
) -> CoverageRecord:
    """The record of `lineage` from now on."""
    if recorded is None or recorded.lineage != lineage:
        return CoverageRecord(lineage, dict(now), {}, dict(logs))
    left = {**recorded.left, **recorded.followed}
    gone = {name: left[name] for name in left.keys() - now.keys()}
    return CoverageRecord(lineage, dict(now), gone, {**recorded.logs, **logs})


def returned(
    recorded: CoverageRecord | None, lineage: Lineage, now: PublishedTables
) -> set[TableName]:
    """Tables that were followed earlier, then left out of the schemas, and are named again."""
    if recorded is None or recorded.lineage != lineage:
        return set()
    return set(recorded.left.keys() & now.keys())


def _entries(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()


def _tables(value: list[list[Any]]) -> dict[TableName, PublishedTable]:
    return {
        TableName(schema, name): PublishedTable(str(table), frozenset(entries))
        for schema, name, table, entries in value
    }


def _json(tables: PublishedTables) -> list[list[Any]]:
    return [[*name, found.table, sorted(found.entries)] for name, found in sorted(tables.items())]
