"""What capture would find at the database, and do there: asks Postgres, and decides by capture's own functions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from flusso_capture.options import CaptureOptions
from flusso_capture.source import coverage, lineage, replica_identity, slot, two_phase
from flusso_capture.source.connection import Connection
from flusso_capture.stream.replication import Replication
from flusso_cli.check.probe.facts import DatabaseFacts
from flusso_cli.check.probe.postgres import read_facts
from flusso_cli.check.rules import publication
from flusso_cli.plan.announcement import Reading, Rows, Statement
from flusso_cli.plan.facts import SourceFacts
from flusso_shared.changelog.control_records import checkpoint_of, lineage_of, snapshots_of
from flusso_shared.names import TableName
from flusso_shared.plan.bind import bind
from flusso_shared.plan.model import Plan
from flusso_shared.plan.requirements import missing_requirements, missing_things
from flusso_shared.seams import Control

_COUNTED_BYTES = 64 * 1024 * 1024
"""Tables up to this size are counted."""
_SIZE = """
SELECT sum(pg_relation_size(t.relid))::bigint, min(c.reltuples)::bigint, sum(c.reltuples)::bigint
FROM pg_partition_tree(%(name)s::regclass) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
"""
_SIZE_OF_ONE = """
SELECT pg_relation_size(oid)::bigint, reltuples::bigint, reltuples::bigint
FROM pg_class WHERE oid = %(name)s::regclass
"""
_NOT_READ = "no index was built from it in this history"
_RETURNED = (
    "it is another table than before, or was left out of the schemas for a while: documents with its rows are built"
    " again"
)


@dataclass(frozen=True, slots=True)
class ChangeLogFacts:
    """What is known of the change log."""

    control: Control
    durable: bool
    topic_ids: Mapping[TableName, str]
    """Per table of the plan; empty for a topic that does not exist.  Nothing for a log in memory."""
    recorded: bool
    """Whether any generation was made from it."""


def read_source(
    connection: Connection, options: CaptureOptions, plan: Plan, log: ChangeLogFacts
) -> SourceFacts:
    """What capture would do for `plan`, which has the names of the database.  Raises `psycopg.Error` and `FlussoError`."""
    found = read_facts(connection, plan.tables, options.slot, options.publication)
    catalog = found.catalog
    lacking = {
        index.name
        for index in plan.indexes
        for _ in missing_requirements(index, catalog, found.existing)
    }
    sound = Plan(tuple([bind(item, catalog) for item in plan.indexes if item.name not in lacking]))
    # Before the records: capture, which may be streaming, records its checkpoint before it confirms the slot.
    present = slot.read(connection, options.slot)
    records = log.control.load()
    recorded = coverage.load(log.control)
    now = coverage.read(connection, options.publication, catalog.tables)
    known = lineage_of(records)
    lost = _History(connection, options, present).lost(records, recorded, now, log)
    followed = {} if recorded is None or lost else recorded.followed
    problems = missing_things(plan, catalog, found.existing)
    problems += [
        f"the publication leaves out rows, or key or link columns, of {table}: capture does not start (`flusso check`)"
        for table in publication.restricted(sound.link_columns(), found)
    ]
    if lost and known is not None and options.on_lost_position == "stop":
        problems.append(f'{lost}, and on_lost_position is "stop": capture does not start')
    statements = [
        *_identities(connection, options, sound, found, followed),
        *_publication(options, plan, found),
        *_slot(connection, options, found, again=bool(lost and known is not None)),
    ]
    readings: list[Reading] = []
    if log.durable:
        complete = {
            item.table
            for item in snapshots_of(records).values()
            if not lost and item.lineage == known and item.state == "complete" and not item.skipped
        }
        readings += [
            Reading(str(table), _NOT_READ) for table in plan.roots if table not in complete
        ]
    if recorded is not None and known is not None and not lost:
        back = coverage.returned(recorded, known, now) | coverage.replaced(recorded.followed, now)
        readings += [Reading(str(table), _RETURNED) for table in sorted(back)]
    return SourceFacts(known, lost, statements, readings, problems)


def read_rows(connection: Connection, tables: Collection[TableName]) -> dict[TableName, Rows]:
    """The sizes of those of `tables` that exist: small ones counted, others by the planner's estimate, if there is one."""
    found: dict[TableName, Rows] = {}
    for table in tables:
        name = sql.Identifier(*table)
        try:
            size = _size(connection, name.as_string(None))
            if size.bytes <= _COUNTED_BYTES:
                row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
                found[table] = Rows(int(row[0]) if row else 0, counted=True)
            elif size.estimate is not None:
                found[table] = Rows(size.estimate, counted=False)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            continue
    return found


@dataclass(frozen=True, slots=True)
class _Size:
    bytes: int
    estimate: int | None
    """None before the first ANALYZE."""


def _size(connection: Connection, name: str) -> _Size:
    row = connection.execute(_SIZE, {"name": name}).fetchone()
    if row is None or row[0] is None:
        row = connection.execute(_SIZE_OF_ONE, {"name": name}).fetchone()
    assert row is not None
    size, lowest, rows = row
    return _Size(int(size), None if lowest < 0 else int(rows))


@dataclass(frozen=True, slots=True)
class _History:
    """Whether the stream can go on where it ended."""

    connection: Connection
    options: CaptureOptions
    present: slot.Slot | None

    def lost(
        self,
        records: Mapping[str, Mapping[str, Any]],
        recorded: coverage.CoverageRecord | None,
        now: coverage.PublishedTables,
        log: ChangeLogFacts,
    ) -> str | None:
        """Why a new history begins; None when the present one continues, or there was none."""
        known = lineage_of(records)
        if known is None:
            return "capture has no record of what it has read" if log.recorded else None
        with closing(Replication(self.options.conninfo)) as replication:
            origin = replication.identify()
            server = lineage.server_of(self.connection, origin, replication.left_at)
            checkpoint = checkpoint_of(records, known)
            reason = lineage.lost(known, checkpoint, self.present, server, self.options.slot)
        if reason is not None or recorded is None:
            return reason
        return coverage.gap(recorded.followed, now) or coverage.other_logs(
            recorded.logs, log.topic_ids
        )


def _identities(
    connection: Connection,
    options: CaptureOptions,
    plan: Plan,
    found: DatabaseFacts,
    followed: Collection[TableName],
) -> Iterator[Statement]:
    wanted = set(plan.tables)
    tables = {name: table for name, table in found.catalog.followed.items() if name in wanted}
    manage = options.manage_replica_identity
    for cure in replica_identity.cures(connection, tables, plan.link_columns(), manage):
        reason = f"the log lacks old values of {', '.join(cure.missing)} of {cure.table}"
        if cure.allowed and cure.of in followed:
            reason += "; documents with its rows are built again"
        if cure.allowed:
            yield Statement(cure.statement.as_string(None), reason, by_capture=True)
        else:
            yield Statement(cure.by_hand[0].removesuffix(";"), reason, by_capture=False)


def _publication(options: CaptureOptions, plan: Plan, found: DatabaseFacts) -> list[Statement]:
    covered = publication.coverage(
        options.publication, plan.tables, found, manage=options.manage_publication
    )
    return [
        Statement(statement.removesuffix(";"), reason, covered.will_manage)
        for statement, reason in zip(covered.remediation, covered.reasons, strict=True)
    ]


def _slot(
    connection: Connection, options: CaptureOptions, found: DatabaseFacts, *, again: bool
) -> Iterator[Statement]:
    name = sql.Literal(options.slot).as_string(None)
    create = f"SELECT pg_create_logical_replication_slot({name}, '{slot.PLUGIN}')"
    drop = f"SELECT pg_drop_replication_slot({name})"
    if found.slot is None:
        yield Statement(create, f"replication slot {options.slot} does not exist", by_capture=True)
    elif found.slot.lost or again:
        yield Statement(drop, "the slot cannot be resumed", by_capture=True)
        yield Statement(create, "a new history begins", by_capture=True)
    elif found.slot.two_phase:
        copy = sql.Literal(two_phase.spare_name(options.slot)).as_string(None)
        reason = "the slot has two_phase on, and is recreated without"
        for one, other in ((name, copy), (copy, name)):
            text = f"SELECT pg_copy_logical_replication_slot({one}, {other}, false)"
            yield Statement(text, reason, by_capture=True)
            yield Statement(f"SELECT pg_drop_replication_slot({one})", reason, by_capture=True)
