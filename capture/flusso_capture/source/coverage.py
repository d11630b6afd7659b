"""Which tables the lineage's stream has held without a gap (I6).

A table that was taken out of the publication and put back, dropped and made anew, or left out of the schemas
for a while, has changes that nobody read.  The catalog's object ids tell.
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
# An entry gets another id with another column list; what a list must hold is judged at the start.  Row filters and publications of whole schemas came with Postgres 15.
_ENTRIES = """
(SELECT r.oid::text FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid
    AND r.prqual IS NULL),
(SELECT 'schema' || s.oid FROM pg_publication_namespace s
 WHERE s.pnpubid = p.oid AND s.pnnspid = n.oid)
"""


class Covered(NamedTuple):
    """A table, and what publishes it, by the catalog's ids."""

    table: str
    entries: frozenset[str]

    def continues(self, before: Covered) -> bool:
        """Whether it was published all the time since `before`."""
        return self.table == before.table and not self.entries.isdisjoint(before.entries)


Coverage = Mapping[TableName, Covered]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was read in one lineage."""

    lineage: Lineage
    followed: Coverage
    left: Coverage
    """Tables that the schemas once named, as they were then."""
    logs: Mapping[TableName, str]
    """What the change logs of the tables are known by (`ChangeLog.prepare`)."""


def read(
    connection: Connection, publication: str, tables: Collection[TableName]
) -> dict[TableName, Covered]:
    """The coverage of `tables` now; those that do not exist are absent."""
    entries = _ENTRIES if connection.info.server_version >= 150000 else _ENTRIES_14
    query = sql.SQL(_READ).format(entries=sql.SQL(entries))
    names = ([table.schema for table in tables], [table.name for table in tables], publication)
    return {
        TableName(schema, name): Covered(table, _entries(found))
        for schema, name, table, found in connection.execute(query, names)
    }


def load(control: Control) -> Recorded | None:
    """What was recorded last."""
    value = control.load().get(_COVERAGE_KEY)
    if value is None:
        return None
    lineage = Lineage.from_json(value["lineage"])
    logs = {TableName(schema, name): str(known) for schema, name, known in value.get("logs", [])}
    return Recorded(lineage, _tables(value["followed"]), _tables(value["left"]), logs)


def save(control: Control, recorded: Recorded) -> None:
    """Record it."""
    value = {
        "lineage": recorded.lineage.to_json(),
        "followed": _json(recorded.followed),
        "left": _json(recorded.left),
        "logs": [[*table, known] for table, known in sorted(recorded.logs.items())],
    }
    control.put(_COVERAGE_KEY, value)


def gap(before: Coverage, now: Coverage) -> str | None:
    """Why changes of a table that was followed may be missing from the stream."""
    same = before.keys() & now.keys() - replaced(before, now)
    broken = [name for name in same if not now[name].continues(before[name])]
    if not broken:
        return None
    names = ", ".join(map(str, sorted(broken)))
    return (
        f"changes of {names} may be missing from the log: the publication's entry for it is not the one that was "
        "there"
    )


def replaced(before: Coverage, now: Coverage) -> set[TableName]:
    """Names that another table has now: swapped in by renames, or dropped and made again.

    Nothing of the others is in question; the table is published, and read again.
    """
    return {name for name in before.keys() & now.keys() if before[name].table != now[name].table}


def other_logs(before: Mapping[TableName, str], now: Mapping[TableName, str]) -> str | None:
    """Why what was published of a table may be gone."""
    changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
    if not changed:
        return None
    return f"the topics of {', '.join(map(str, changed))} were deleted and made anew"


def advance(
    recorded: Recorded | None, lineage: Lineage, now: Coverage, logs: Mapping[TableName, str]
) -> Recorded:
    """The record of `lineage` from now on."""
    if recorded is None or recorded.lineage != lineage:
        return Recorded(lineage, dict(now), {}, dict(logs))
    left = {**recorded.left, **recorded.followed}
    gone = {name: left[name] for name in left.keys() - now.keys()}
    return Recorded(lineage, dict(now), gone, {**recorded.logs, **logs})


def returned(recorded: Recorded | None, lineage: Lineage, now: Coverage) -> set[TableName]:
    """Tables that were followed once, then left out of the schemas, and are wanted again."""
    if recorded is None or recorded.lineage != lineage:
        return set()
    return set(recorded.left.keys() & now.keys())


def _entries(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()


def _tables(value: list[list[Any]]) -> dict[TableName, Covered]:
    return {
        TableName(schema, name): Covered(str(table), frozenset(entries))
        for schema, name, table, entries in value
    }


def _json(tables: Coverage) -> list[list[Any]]:
    return [[*name, found.table, sorted(found.entries)] for name, found in sorted(tables.items())]
