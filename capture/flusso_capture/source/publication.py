"""The publication: must cover every table of the plan before the slot is created.

`decide` is pure; `ensure` reads, decides and, where that is allowed, acts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from flusso_capture.source import ddl
from flusso_capture.source.connection import Connection
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.postgres.catalog import Table

logger = logging.getLogger(__name__)

_READ = """
SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate, p.pubviaroot,
       pg_has_role(current_user, p.pubowner, 'USAGE'),
       coalesce((SELECT array_agg(ARRAY[t.schemaname::text, t.tablename::text])
                 FROM pg_publication_tables t WHERE t.pubname = p.pubname), '{}')
FROM pg_publication p WHERE p.pubname = %s
"""
# Since Postgres 18 the log can contain generated columns.  When a replica identity has such columns and the publication does
# not, Postgres refuses to change rows of the table.
_GENERATED_SINCE = 180000
_READ_GENERATED = "SELECT pubgencols = 's' FROM pg_publication WHERE pubname = %s"
# Tables that are published via their root are visible only after the second round.
_MAX_ROUNDS = 4
# Column lists and row filters came with Postgres 15.
_RESTRICTED = """
SELECT n.nspname, c.relname, r.prqual IS NOT NULL,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
        WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs))
FROM pg_publication_rel r
JOIN pg_publication p ON p.oid = r.prpubid
JOIN pg_class c ON c.oid = r.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication; `tables` as Postgres expands them."""

    tables: frozenset[TableName]
    complete: bool = True
    """Whether it publishes inserts, updates, deletes and truncates."""
    via_root: bool = True
    owned: bool = True
    filtered: frozenset[TableName] = frozenset()
    """Tables published with a row filter."""
    listed: Mapping[TableName, frozenset[str]] = field(default_factory=dict)
    """Column lists of the tables that have one."""
    generated: bool = True
    """Whether stored generated columns are published, if the server supports it."""

    def lacking(self, needed: Mapping[TableName, Collection[str]]) -> list[TableName]:
        """Tables whose rows or `needed` columns are not all published."""
        short = {
            table
            for table, given in self.listed.items()
            if not given.issuperset(needed.get(table, ()))
        }
        return sorted((short | self.filtered) & needed.keys())


@dataclass(frozen=True, slots=True)
class Step:
    """One statement that a publication needs, and why."""

    statement: sql.Composed
    reason: str


def decide(
    name: str, current: Publication | None, tables: Mapping[TableName, Table], server: int = 0
) -> list[Step]:
    """The statements that make the publication cover `tables`.

    `server` is its version, as `server_version_num`.
    """
    generated = server >= _GENERATED_SINCE and any(
        column.generated for table in tables.values() for column in table.columns.values()
    )
    wanted = sorted(tables)
    identifier = sql.Identifier(name)
    if current is None:
        more = sql.SQL(", publish_generated_columns = stored" if generated else "")
        statement = sql.SQL(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true{})"
        ).format(identifier, _listed(wanted), more)
        return [Step(statement, f"publication {name} does not exist")]
    steps: list[Step] = []
    if not current.complete:
        text = "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')"
        steps.append(
            Step(
                sql.SQL(text).format(identifier), f"publication {name} leaves out kinds of changes"
            )
        )
    if generated and not current.generated:
        text = "ALTER PUBLICATION {} SET (publish_generated_columns = stored)"
        statement = sql.SQL(text).format(identifier)
        steps.append(Step(statement, f"publication {name} leaves out generated columns"))
    if not current.via_root and any(table.partitioned for table in tables.values()):
        text = "ALTER PUBLICATION {} SET (publish_via_partition_root = true)"
        steps.append(
            Step(
                sql.SQL(text).format(identifier), f"publication {name} names partitions, not tables"
            )
        )
        # Before that, partitioned tables are not visible as covered.
        missing = [table for table in wanted if not tables[table].partitioned]
    else:
        missing = wanted
    missing = [table for table in missing if table not in current.tables]
    if missing:
        statement = sql.SQL("ALTER PUBLICATION {} ADD TABLE {}").format(
            identifier, _listed(missing)
        )
        names = ", ".join(map(str, missing))
        steps.append(Step(statement, f"publication {name} does not cover {names}"))
    return steps


def ensure(
    connection: Connection, name: str, tables: Mapping[TableName, Table], manage: bool, clock: Clock
) -> None:
    """Make the publication cover `tables`.  What is written to them after it returns is in the stream.

    Raises `FatalError` with the SQL when it must not change the publication.
    """
    steps: list[Step] = []
    for _ in range(_MAX_ROUNDS):
        current = read(connection, name)
        steps = decide(name, current, tables, connection.info.server_version)
        if not steps:
            break
        if not manage:
            raise _not_done(steps, "and managing the publication is off (--manage-publication)")
        for step in steps:
            _run(connection, step, clock)
    else:
        raise _not_done(
            steps, "although it was changed; is one of them a partition of a table in it?"
        )


def read(connection: Connection, name: str) -> Publication | None:
    """The publication; None when it does not exist."""
    row = connection.execute(_READ, (name,)).fetchone()
    if row is None:
        return None
    complete, via_root, owned, tables = row
    filtered: set[TableName] = set()
    listed: dict[TableName, frozenset[str]] = {}
    if connection.info.server_version >= 150000:
        for schema, table, by_row, columns in connection.execute(_RESTRICTED, (name,)):
            if by_row:
                filtered.add(TableName(schema, table))
            if columns is not None:
                listed[TableName(schema, table)] = frozenset(columns)
    generated = True
    if connection.info.server_version >= _GENERATED_SINCE:
        row = connection.execute(_READ_GENERATED, (name,)).fetchone()
        generated = row is not None and bool(row[0])
    return Publication(
        tables=frozenset(TableName(*item) for item in tables),
        complete=complete,
        via_root=via_root,
        owned=owned,
        filtered=frozenset(filtered),
        listed=listed,
        generated=generated,
    )


def needed_columns(
    tables: Mapping[TableName, Table], links: Mapping[TableName, Collection[str]]
) -> dict[TableName, frozenset[str]]:
    """The columns that a column list of each table must contain."""
    return {
        name: table.logged({*table.primary_key, *table.columns.keys() & set(links.get(name, ()))})
        for name, table in tables.items()
    }


def refuse_restrictions(
    connection: Connection, name: str, needed: Mapping[TableName, Collection[str]]
) -> None:
    """Raise `FatalError` with the SQL when the publication leaves out rows or `needed` columns."""
    current = read(connection, name)
    found = current.lacking(needed) if current else []
    if not found:
        return
    text = "ALTER PUBLICATION {0} DROP TABLE {1}; ALTER PUBLICATION {0} ADD TABLE {1};"
    statement = sql.SQL(text).format(sql.Identifier(name), _listed(found))
    raise FatalError(
        f"publication {name} has a row filter, or a column list without a key or link column, for "
        f"{', '.join(map(str, found))}: changes would be missed.  Choose another publication with --publication, or run\n"
        f"    {statement.as_string(None)}"
    )


def _run(connection: Connection, step: Step, clock: Clock) -> None:
    text = step.statement.as_string(None)
    try:
        ddl.run_with_short_lock_waits(connection, step.statement, "manage the publication", clock)
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_done([step], "and this role may not change that") from error
    logger.info("%s: ran %s", step.reason, text, extra={"action": "publication"})


def _not_done(steps: Collection[Step], why: str) -> FatalError:
    reasons = "; ".join(step.reason for step in steps)
    statements = "\n".join(f"    {step.statement.as_string(None)};" for step in steps)
    return FatalError(f"{reasons}, {why}.  Let the publication's owner run\n{statements}")


def _listed(tables: Collection[TableName]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Identifier(*table) for table in tables])
