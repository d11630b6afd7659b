"""Everything that must stand before the first row is read, in the order of invariant I5.

replica identity -> publication (and who wrote before it) -> topics -> slot -> lineage -> snapshots, stream
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.source import (
    coverage,
    partitions,
    preflight,
    publication,
    replica_identity,
    two_phase,
)
from flusso_capture.source import lineage as lineages
from flusso_capture.source.connection import Connection, connect, session
from flusso_capture.source.fingerprint_reader import Fingerprints
from flusso_capture.source.resync_requests import Doubts
from flusso_capture.source.slot import Slot
from flusso_capture.stream.replication import Replication
from flusso_shared.change import Origin
from flusso_shared.changelog.control_records import Checkpoint, Lineage
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.plan.bind import read_bound
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.process.first_answer import FirstAnswer
from flusso_shared.seams import ChangeLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Footing:
    """What the stream and the snapshots stand on."""

    plan: Plan
    """With the names that the database had at the start of the process."""
    catalog: Catalog
    slot: Slot
    position: Checkpoint
    """How far the log was read, as recorded."""
    origin: Origin
    relations: Mapping[int, TableName]
    """The tables by their relation ids."""
    next_xid: int
    """The xmax of a current snapshot: 64 bits."""

    @property
    def lineage(self) -> Lineage:
        """What the published changes belong to."""
        return self.position.lineage


class Startup:
    """Prepares the source and the change log; may be repeated, and is before every stretch of streaming."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        process: Process,
        doubts: Doubts,
    ) -> None:
        self._options = options
        self._plan = plan
        self._bound = False
        self._log = log
        self._process = process
        self._doubts = doubts

    def await_servers(self) -> None:
        """Wait until Postgres and the change log answer, saying for which; `FatalError` after the timeout."""
        process, conninfo = self._process, self._options.conninfo
        first = FirstAnswer(process.clock, process.status, self._options.startup_timeout)
        first.wait_for_postgres(conninfo, lambda: connect(conninfo).close())
        first.wait_for(self._log.where, lambda: self._log.prepare(()))

    def prepare(self, suspicion: str | None = None) -> Footing:
        """One attempt at all of it; with a `suspicion`, reading cannot go on where it ended.

        Raises `RetryableError` when something passes by itself.
        """
        options, control = self._options, self._log.control
        with ExitStack() as stack:
            connection = stack.enter_context(
                session(options.conninfo, self._process.stop, "prepare the source")
            )
            self._bind(connection)
            recorded = coverage.load(control)
            followed = {} if recorded is None else recorded.followed
            catalog = preflight.check(connection, self._plan, followed)
            replication = stack.enter_context(closing(Replication(options.conninfo)))
            origin = replication.identify()
            before = coverage.read(connection, options.publication, catalog.tables)
            suspicion = suspicion or coverage.gap(followed, before)
            # Before an identity is set: with one that a column list does not hold, Postgres refuses UPDATEs.
            publication.refuse_restrictions(
                connection,
                options.publication,
                publication.needed_columns(catalog.tables, self._plan.link_columns()),
            )
            self._cure(connection, catalog, followed)
            publication.ensure(
                connection,
                options.publication,
                catalog.followed,
                options.manage_publication,
                self._process.clock,
            )
            # The topics last: they tell workers that the tables are published (I5).
            logs = self._log.prepare(self._plan.tables)
            suspicion = suspicion or coverage.other_logs(recorded.logs if recorded else {}, logs)
            two_phase.turn_off(connection, options.slot)
            slot, position = lineages.settle(
                connection,
                control,
                lineages.Terms(options.slot, options.on_lost_position, suspicion),
                lineages.server_of(connection, origin, replication.left_at),
                self._process.clock,
            )
            now = self._cover(connection, recorded, position.lineage, logs)
            relations = {int(found.table): table for table, found in now.items()}
            return Footing(
                self._plan, catalog, slot, position, origin, relations, _next_xid(connection)
            )

    def _bind(self, connection: Connection) -> None:
        """Once: a name that comes to mean another table later must not lead to a topic that nobody reads."""
        if not self._bound:
            self._plan, self._bound = read_bound(connection, self._plan), True

    def _cover(
        self,
        connection: Connection,
        recorded: coverage.Recorded | None,
        lineage: Lineage,
        logs: Mapping[TableName, str],
    ) -> coverage.Coverage:
        """Record what is followed from now on, which is given, and doubt what was not for a while."""
        control, tables = self._log.control, self._plan.tables
        now = coverage.read(connection, self._options.publication, tables)
        known = recorded is not None and recorded.lineage == lineage
        replaced = coverage.replaced(recorded.followed, now) if recorded and known else set()
        for table in sorted(coverage.returned(recorded, lineage, now) | replaced):
            read = {table} if table in self._plan.roots else set[TableName]()
            self._doubts.add(table, sweep=True, read=read)
        partitions.look(connection, control, tables, self._doubts)
        Fingerprints(control, self._doubts).start(connection, self._plan, known=known)
        advanced = coverage.advance(recorded, lineage, now, logs)
        if advanced != recorded:
            coverage.save(control, advanced)
        return now

    def _cure(
        self, connection: Connection, catalog: Catalog, followed: Collection[TableName]
    ) -> None:
        links, manage = self._plan.link_columns(), self._options.manage_replica_identity
        for cure in replica_identity.cures(connection, catalog.followed, links, manage):
            if cure.allowed and cure.of in followed:
                replica_identity.apply(connection, self._doubts, cure, self._process)
            elif cure.allowed:
                replica_identity.cure(connection, cure, self._process.clock)
            elif cure.fatal:
                raise FatalError(cure.advice)
            else:
                logger.warning("%s", cure.advice, extra={"action": "replica_identity"})


def _next_xid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return int(row[0])
