"""Prepares the source before the first row is read, in the order of invariant I5.

replica identity -> publication (and the transactions that wrote before it) -> topics -> slot -> lineage -> snapshots, stream
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.source import (
    coverage,
    ddl,
    partitions,
    preflight,
    publication,
    replica_identity,
    two_phase,
)
from flusso_capture.source import lineage as lineages
from flusso_capture.source.connection import Connection, connect, session
from flusso_capture.source.fingerprint_reader import Fingerprints
from flusso_capture.source.resync_requests import ResyncRequests
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
class PreparedSource:
    """What the stream and the snapshots begin with."""

    plan: Plan
    """Bound to the tables that had its names at the start of the process."""
    catalog: Catalog
    slot: Slot
    checkpoint: Checkpoint
    """The recorded LSN up to which the log was read."""
    origin: Origin
    relations: Mapping[int, TableName]
    """The followed tables by their relation ids."""
    next_xid: int
    """The xmax of a current snapshot: 64 bits."""
    lost_reason: str | None = None
    """Why the stream does not resume where it was: a lineage has begun, and everything is to be read again."""

    @property
    def lineage(self) -> Lineage:
        """The lineage that the published changes belong to."""
        return self.checkpoint.lineage


class Startup:
    """Prepares the source and the change log.  `prepare` is repeated before a stream session when the source is stale."""

    def __init__(
        self,
        options: CaptureOptions,
        plan: Plan,
        log: ChangeLog,
        context: CaptureContext,
        resync_requests: ResyncRequests,
    ) -> None:
        self._options = options
        self._plan = plan
        self._bound = False
        self._log = log
        self._context = context
        self._resync_requests = resync_requests

    def await_servers(self) -> None:
        """Wait until Postgres and the change log answer, and log which one is awaited.

        Raises `FatalError` after the timeout.
        """
        context, conninfo = self._context, self._options.conninfo
        first = FirstAnswer(context.clock, context.status, self._options.startup_timeout)
        first.wait_for_postgres(conninfo, lambda: connect(conninfo).close())
        first.wait_for(self._log.where, lambda: self._log.prepare(()))

    def prepare(self, lost_reason: str | None = None) -> PreparedSource:
        """One attempt.  With a `lost_reason` the stream cannot resume at the confirmed LSN, and a new lineage begins.

        Raises `RetryableError`, and `FatalError` when the operator has to act.
        """
        options, control = self._options, self._log.control
        with ExitStack() as stack:
            connection = stack.enter_context(
                session(options.conninfo, self._context.stop, "prepare the source")
            )
            self._bind(connection)
            recorded = coverage.load(control)
            followed = {} if recorded is None else recorded.followed
            catalog = preflight.check(connection, self._plan, followed)
            replication = stack.enter_context(closing(Replication(options.conninfo)))
            origin = replication.identify()
            before = coverage.read(connection, options.publication, catalog.tables)
            lost_reason = lost_reason or coverage.gap(followed, before)
            # Before an identity is set: when a column list does not contain the identity, Postgres refuses UPDATEs.
            publication.refuse_restrictions(
                connection,
                options.publication,
                publication.needed_columns(catalog.tables, self._plan.link_columns()),
            )
            self._set_replica_identities(connection, catalog, followed)
            publication.ensure(
                connection,
                options.publication,
                catalog.followed,
                options.manage_publication,
                self._context.clock,
            )
            # Whether they were added now, by hand, or by a start that was ended before it had waited.
            published = coverage.read(connection, options.publication, catalog.followed)
            ddl.await_writers(
                connection, coverage.started(followed, published), self._context.clock
            )
            # After the publication: a topic that exists tells workers that its table is published (I5).
            logs = self._log.prepare(self._plan.tables)
            lost_reason = lost_reason or coverage.other_logs(
                recorded.logs if recorded else {}, logs
            )
            two_phase.turn_off(connection, options.slot)
            resumed = lineages.resume_or_begin(
                connection,
                control,
                lineages.LineageOptions(options.slot, options.on_lost_position, lost_reason),
                lineages.server_of(connection, origin, replication.left_at),
                self._context.clock,
            )
            checkpoint = resumed.checkpoint
            now = self._record_coverage(connection, recorded, checkpoint.lineage, logs)
            relations = {int(found.table): table for table, found in now.items()}
            return PreparedSource(
                self._plan,
                catalog,
                resumed.slot,
                checkpoint,
                origin,
                relations,
                _next_xid(connection),
                resumed.lost_reason,
            )

    def _bind(self, connection: Connection) -> None:
        """Once per process: a name that means another table later must not lead to a topic that no worker reads."""
        if not self._bound:
            self._plan, self._bound = read_bound(connection, self._plan), True

    def _record_coverage(
        self,
        connection: Connection,
        recorded: coverage.CoverageRecord | None,
        lineage: Lineage,
        logs: Mapping[TableName, str],
    ) -> coverage.PublishedTables:
        """Record and return which tables are followed from now on; request resyncs of those that were not for a while."""
        control, tables = self._log.control, self._plan.tables
        now = coverage.read(connection, self._options.publication, tables)
        known = recorded is not None and recorded.lineage == lineage
        replaced = coverage.replaced(recorded.followed, now) if recorded and known else set()
        for table in sorted(coverage.returned(recorded, lineage, now) | replaced):
            read = {table} if table in self._plan.roots else set[TableName]()
            self._resync_requests.add(table, truncate=True, read=read)
        partitions.request_resyncs(connection, control, tables, self._resync_requests)
        Fingerprints(control, self._resync_requests).record_at_start(
            connection, self._plan, same_lineage=known
        )
        advanced = coverage.advance(recorded, lineage, now, logs)
        if advanced != recorded:
            coverage.save(control, advanced)
        return now

    def _set_replica_identities(
        self, connection: Connection, catalog: Catalog, followed: Collection[TableName]
    ) -> None:
        links, manage = self._plan.link_columns(), self._options.manage_replica_identity
        for cure in replica_identity.cures(connection, catalog.followed, links, manage):
            if cure.allowed and cure.of in followed:
                replica_identity.apply(connection, self._resync_requests, cure, self._context)
            elif cure.allowed:
                replica_identity.cure(connection, cure, self._context.clock)
            elif cure.fatal:
                raise FatalError(cure.advice)
            else:
                logger.warning("%s", cure.advice, extra={"action": "replica_identity"})


def _next_xid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return int(row[0])
