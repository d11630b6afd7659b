"""Watches the catalog while the stream runs: for what changes documents, and is not in the stream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import psycopg

from flusso_capture.options import CaptureOptions, Process
from flusso_capture.source import coverage, partitions, replica_identity
from flusso_capture.source.connection import Connection, session
from flusso_capture.source.fingerprint_reader import Fingerprints
from flusso_capture.source.lineage import PositionLostError
from flusso_capture.source.replica_identity import apply
from flusso_capture.source.resync_requests import Doubts, lacks
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

_ENDED = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown)


class Watch:
    """`work` is the body of its thread; the rest may be called from any."""

    def __init__(
        self,
        plan: Plan,
        control: Control,
        options: CaptureOptions,
        process: Process,
        doubts: Doubts,
    ) -> None:
        self._plan = plan
        self._control = control
        self._options = options
        self._process = process
        self._doubts = doubts
        self._fingerprints = Fingerprints(control, doubts)
        self._look = threading.Event()
        self._gone: frozenset[TableName] = frozenset()
        self._unsound: frozenset[TableName] = frozenset()
        self._refused: Mapping[TableName, Refusal] = {}
        self._told: set[tuple[TableName, tuple[str, ...]]] = set()
        """What has been said of replica identities that are not ours to set."""
        self._joined = {
            way.table
            for index in plan.indexes
            for way in index.ways
            if way.table != index.root or way.hops
        }
        """Tables whose rows are part of documents of other rows."""
        self._unreadable: set[tuple[TableName, tuple[str, ...]]] = set()
        """What has been said of rows that cannot be read."""
        self._cut = False
        """Whether the server ended this session on purpose."""
        self._gap: tuple[Lineage, str] | None = None
        """Of which lineage the stream lacks changes, and why."""
        self._replaced: frozenset[TableName] = frozenset()
        """Names that other tables have now than those that are streamed."""

    def nudge(self) -> None:
        """Look soon: the stream described a table once more."""
        self._look.set()

    def lose(self, table: TableName) -> None:
        """Changes of a table are passed over from now on."""
        self._doubts.add(table, sweep=True, read={table})
        self.nudge()

    def unlink(self, table: TableName) -> None:
        """Changes of a table do not tell which documents they leave."""
        self._doubts.add(table, sweep=True)
        self.nudge()

    def unreadable(self, table: TableName, columns: tuple[str, ...], lsn: int) -> None:
        """Key or link columns of a row hold bytes that are no text."""
        if (table, columns) not in self._unreadable:
            self._unreadable.add((table, columns))
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
            self._doubts.add(table, sweep=True)

    def check(self, lineage: Lineage) -> None:
        """Raise what was seen of `lineage`, which is streamed.  In the stream's thread."""
        if self._cut:
            self._cut = False
            # A server that shuts down waits until all that it sent is confirmed; in one process with the
            # worker nothing more is, because nobody gets in to build documents.
            raise RetryableError("the Postgres server shuts down, or ended our sessions")
        if self._gap is not None and self._gap[0] == lineage:
            raise PositionLostError(self._gap[1])
        if self._replaced:
            names, self._replaced = ", ".join(map(str, sorted(self._replaced))), frozenset()
            raise RetryableError(
                f"{names}: another table has that name now, which is to be published and read"
            )

    def work(self) -> None:
        """Until a stop is requested (`StoppedError`)."""
        while True:
            retry.forever(self._attempt, doing="watch the catalog", clock=self._process.clock)

    def _attempt(self) -> None:
        try:
            self._stretch()
        except RetryableError as error:
            self._cut = isinstance(error.__cause__, _ENDED)
            raise

    def _stretch(self) -> None:
        options, process = self._options, self._process
        with session(options.conninfo, process.stop, "watch the catalog") as connection:
            while True:
                self._wait(options.watch_seconds)
                self._look.clear()
                self._look_at(connection)

    def _wait(self, seconds: float) -> None:
        """Pass `seconds`, or until a nudge."""
        clock = self._process.clock
        until = clock.monotonic() + seconds
        while clock.monotonic() < until and not self._look.is_set():
            clock.wait(min(0.25, seconds))
        if self._process.stop.is_set():
            raise StoppedError("stop requested")

    def _look_at(self, connection: Connection) -> None:
        self._look_at_coverage(connection)
        partitions.look(connection, self._control, self._plan.tables, self._doubts)
        self._fingerprints.look(connection, self._plan)
        catalog = read_catalog(connection, self._plan.tables)
        links, manage = self._plan.link_columns(), self._options.manage_replica_identity
        self._look_at_columns(catalog, links)
        self._look_at_kinds(catalog)
        for cure in replica_identity.cures(connection, catalog.followed, links, manage):
            if cure.allowed:
                apply(connection, self._doubts, cure, self._process)
            elif (said := (cure.table, cure.missing)) not in self._told:
                logger.error("%s", cure.advice, extra={"action": "replica_identity"})
                self._told.add(said)

    def _look_at_columns(self, catalog: Catalog, links: Mapping[TableName, frozenset[str]]) -> None:
        lacking = {
            name: lack
            for name, table in catalog.tables.items()
            if (lack := lacks(table, links.get(name, frozenset())))
        }
        for name in sorted(lacking.keys() - self._unsound):
            logger.error(
                "table %s lacks %s: indexes that need it stop until it is there again, or the schema files change",
                name,
                lacking[name],
                extra={"action": "table_unsound", "table": str(name)},
            )
        if self._unsound - lacking.keys():
            self._doubts.raised.set()
        self._unsound = frozenset(lacking)

    def _look_at_kinds(self, catalog: Catalog) -> None:
        for name, refusal in sorted(catalog.refused.items()):
            if self._refused.get(name) == refusal:
                continue
            logger.error(
                "%s.  Indexes that need it stop until then",
                refusal.told,
                extra={"action": "table_refused", "table": str(name)},
            )
            # No change of it may come that would have a worker look at the catalog.
            self._doubts.add(name, sweep=True)
        self._refused = catalog.refused

    def _look_at_coverage(self, connection: Connection) -> None:
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
            # What is written to it under another name is passed over.
            self._doubts.add(table, sweep=True, read={table})
        if self._gone - gone:
            self._doubts.raised.set()
        self._gone = gone
        # The start of the next stretch publishes them, and has their documents built again.
        self._replaced = frozenset(coverage.replaced(recorded.followed, now))
        if reason := coverage.gap(recorded.followed, now):
            self._gap = recorded.lineage, reason
