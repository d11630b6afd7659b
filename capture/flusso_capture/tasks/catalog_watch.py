"""The catalog watch: while the stream runs, finds changes of the database that affect documents and are not in the stream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import psycopg

from flusso_capture.options import CaptureContext, CaptureOptions
from flusso_capture.source import coverage, partitions, replica_identity
from flusso_capture.source.connection import Connection, session
from flusso_capture.source.fingerprint_reader import Fingerprints
from flusso_capture.source.lineage import PositionLostError
from flusso_capture.source.resync_requests import ResyncRequests, missing_for_stream
from flusso_shared import retry
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.errors import RetryableError, StoppedError
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.postgres.catalog import Catalog
from flusso_shared.postgres.catalog_reader import read_catalog
from flusso_shared.postgres.relation_kinds import Refusal
from flusso_shared.seams import Control

logger = logging.getLogger(__name__)

_SESSION_TERMINATED = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown)
_MAX_SLEEP_SECONDS = 0.25


class CatalogWatch:
    """Reads the catalog every `watch_seconds`.  `work` is the body of its thread; the rest may be called from any."""

    def __init__(
        self,
        plan: Plan,
        control: Control,
        options: CaptureOptions,
        context: CaptureContext,
        resync_requests: ResyncRequests,
    ) -> None:
        self._plan = plan
        self._control = control
        self._options = options
        self._context = context
        self._resync_requests = resync_requests
        self._fingerprints = Fingerprints(control, resync_requests)
        self._check_requested = threading.Event()
        self._gone: frozenset[TableName] = frozenset()
        """Tables that did not exist at the last check."""
        self._incomplete: frozenset[TableName] = frozenset()
        """Tables that had no primary key or not all link columns at the last check."""
        self._refused: Mapping[TableName, Refusal] = {}
        self._logged_identities: set[tuple[TableName, tuple[str, ...]]] = set()
        """Replica identities that are not ours to set, and were logged."""
        self._joined = {
            way.table
            for index in plan.indexes
            for way in index.ways
            if way.table != index.root or way.hops
        }
        """Tables whose rows are part of documents of other rows."""
        self._logged_unreadable: set[tuple[TableName, tuple[str, ...]]] = set()
        """Tables and columns with unreadable values that were logged."""
        self._session_terminated = False
        """Whether the server terminated the watch's session."""
        self._gap: tuple[Lineage, str] | None = None
        """The lineage whose stream has a gap, and the reason."""
        self._replaced: frozenset[TableName] = frozenset()
        """Names that now belong to other tables than those in the stream."""

    def request_check(self) -> None:
        """Check soon: the stream described a table again."""
        self._check_requested.set()

    def table_passed_over(self, table: TableName) -> None:
        """Changes of `table` are not published from now on."""
        self._resync_requests.add(table, truncate=True, read={table})
        self.request_check()

    def link_column_missing(self, table: TableName) -> None:
        """Changes of `table` lack a link column, so it is unknown which documents their rows belonged to."""
        self._resync_requests.add(table, truncate=True)
        self.request_check()

    def row_unreadable(self, table: TableName, columns: tuple[str, ...], lsn: int) -> None:
        """Key or link columns of a row, changed at `lsn`, hold bytes that are not text."""
        if (table, columns) not in self._logged_unreadable:
            self._logged_unreadable.add((table, columns))
            logger.error(
                "table %s: a row changed at %X/%X has bytes in %s that are no text in the database's encoding, so that no"
                " document can be found or named by them; convert the column, or the database to UTF8",
                table,
                lsn >> 32,
                lsn & 0xFFFFFFFF,
                ", ".join(columns),
                extra={"action": "unreadable_row", "table": str(table)},
            )
        # Only a root's own key is in no other document.
        if table in self._joined:
            self._resync_requests.add(table, truncate=True)

    def check(self, lineage: Lineage) -> None:
        """Raise what the watch found for `lineage`, which is streamed.  Called in the stream's thread.

        Raises `PositionLostError` when the stream has a gap, `RetryableError` when the session must begin again.
        """
        if self._session_terminated:
            self._session_terminated = False
            # A server that shuts down waits until all that it sent is confirmed.  In one process with the worker nothing
            # more is confirmed, because the worker cannot connect to build documents.
            raise RetryableError("the Postgres server shuts down, or ended our sessions")
        if self._gap is not None and self._gap[0] == lineage:
            raise PositionLostError(self._gap[1])
        if self._replaced:
            names, self._replaced = ", ".join(map(str, sorted(self._replaced))), frozenset()
            raise RetryableError(
                f"{names}: another table has that name now, which is to be published and read"
            )

    def work(self) -> None:
        """Watch until a stop is requested (`StoppedError`)."""
        while True:
            retry.forever(self._attempt, doing="watch the catalog", clock=self._context.clock)

    def _attempt(self) -> None:
        try:
            self._run_session()
        except RetryableError as error:
            self._session_terminated = isinstance(error.__cause__, _SESSION_TERMINATED)
            raise

    def _run_session(self) -> None:
        options, context = self._options, self._context
        with session(options.conninfo, context.stop, "watch the catalog") as connection:
            while True:
                self._wait(options.watch_seconds)
                self._check_requested.clear()
                self._check_catalog(connection)

    def _wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until a check is requested."""
        clock = self._context.clock
        until = clock.monotonic() + seconds
        while clock.monotonic() < until and not self._check_requested.is_set():
            clock.wait(min(_MAX_SLEEP_SECONDS, seconds))
        if self._context.stop.is_set():
            raise StoppedError("stop requested")

    def _check_catalog(self, connection: Connection) -> None:
        self._check_coverage(connection)
        partitions.request_resyncs(
            connection, self._control, self._plan.tables, self._resync_requests
        )
        self._fingerprints.request_resyncs(connection, self._plan)
        catalog = read_catalog(connection, self._plan.tables)
        links, manage = self._plan.link_columns(), self._options.manage_replica_identity
        self._check_columns(catalog, links)
        self._check_relation_kinds(catalog)
        for cure in replica_identity.cures(connection, catalog.followed, links, manage):
            if cure.allowed:
                replica_identity.apply(connection, self._resync_requests, cure, self._context)
            elif (identity := (cure.table, cure.missing)) not in self._logged_identities:
                logger.error("%s", cure.advice, extra={"action": "replica_identity"})
                self._logged_identities.add(identity)

    def _check_columns(self, catalog: Catalog, links: Mapping[TableName, frozenset[str]]) -> None:
        missing = {
            name: what
            for name, table in catalog.tables.items()
            if (what := missing_for_stream(table, links.get(name, frozenset())))
        }
        for name in sorted(missing.keys() - self._incomplete):
            logger.error(
                "table %s lacks %s: indexes that need it stop until it is there again, or the schema files change",
                name,
                missing[name],
                extra={"action": "table_unsound", "table": str(name)},
            )
        if self._incomplete - missing.keys():
            self._resync_requests.wakeup.set()
        self._incomplete = frozenset(missing)

    def _check_relation_kinds(self, catalog: Catalog) -> None:
        for name, refusal in sorted(catalog.refused.items()):
            if self._refused.get(name) == refusal:
                continue
            logger.error(
                "%s.  Indexes that need it stop until then",
                refusal.told,
                extra={"action": "table_refused", "table": str(name)},
            )
            # Without a change of the table no worker would read the catalog again.
            self._resync_requests.add(name, truncate=True)
        self._refused = catalog.refused

    def _check_coverage(self, connection: Connection) -> None:
        recorded = coverage.load(self._control)
        if recorded is None:
            return
        now = coverage.read(connection, self._options.publication, recorded.followed)
        gone = frozenset(recorded.followed.keys() - now.keys())
        for table in sorted(gone - self._gone):
            logger.error(
                "table %s is gone: its documents stay as they are until it is there again, or the schema"
                " files change",
                table,
                extra={"action": "table_gone", "table": str(table)},
            )
            # Changes that are made under another name are not published.
            self._resync_requests.add(table, truncate=True, read={table})
        if self._gone - gone:
            self._resync_requests.wakeup.set()
        self._gone = gone
        # The next session publishes them, and has their documents built again.
        self._replaced = frozenset(coverage.replaced(recorded.followed, now))
        if reason := coverage.gap(recorded.followed, now):
            self._gap = recorded.lineage, reason
