"""Everything that must stand before the first row is read, in the order of invariant I5.

replica identity -> publication (and who wrote before it) -> topics -> slot -> lineage -> snapshots, stream
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flusso_capture import lineage as lineages
from flusso_capture import preflight, publication, replica_identity
from flusso_capture.options import CaptureOptions, Process
from flusso_capture.replication import Replication
from flusso_capture.session import Connection, address, connect, session
from flusso_capture.slot import Slot
from flusso_shared import retry
from flusso_shared.catalog import Catalog
from flusso_shared.change import Origin
from flusso_shared.control_records import Lineage
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.plan import Plan
from flusso_shared.seams import ChangeLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Footing:
    """What the stream and the snapshots stand on."""

    catalog: Catalog
    slot: Slot
    lineage: Lineage
    origin: Origin
    next_xid: int
    """The xmax of a current snapshot: 64 bits."""


class Startup:
    """Prepares the source and the change log; may be repeated, and is before every stretch of streaming."""

    def __init__(
        self, options: CaptureOptions, plan: Plan, log: ChangeLog, process: Process
    ) -> None:
        self._options = options
        self._plan = plan
        self._log = log
        self._process = process

    def await_servers(self) -> None:
        """Wait until Postgres and the change log answer, saying for which; `FatalError` after the timeout."""
        where = address(self._options.conninfo)
        self._await(f"Postgres at {where}", lambda: connect(self._options.conninfo).close())
        self._await("the change log", lambda: self._log.prepare(()))

    def prepare(self) -> Footing:
        """One attempt at all of it.  Raises `RetryableError` when something passes by itself."""
        options = self._options
        with session(options.conninfo, self._process.stop, "prepare the source") as connection:
            catalog = preflight.check(connection, self._plan)
            origin = self._identify()
            self._cure(connection, catalog)
            publication.ensure(
                connection,
                options.publication,
                catalog.tables,
                options.manage_publication,
                self._process.clock,
            )
            # The topics last: they tell workers that the tables are published (I5).
            self._log.prepare(self._plan.tables)
            slot, lineage = lineages.settle(
                connection,
                self._log.control,
                options.slot,
                origin.system_id,
                self._process.clock,
            )
            return Footing(catalog, slot, lineage, origin, _next_xid(connection))

    def _identify(self) -> Origin:
        replication = Replication(self._options.conninfo)
        try:
            return replication.identify()
        finally:
            replication.close()

    def _cure(self, connection: Connection, catalog: Catalog) -> None:
        links, manage = self._plan.link_columns(), self._options.manage_replica_identity
        for cure in replica_identity.cures(connection, catalog.tables, links, manage):
            if cure.allowed:
                replica_identity.cure(connection, cure, self._process.clock)
            elif cure.fatal:
                raise FatalError(cure.advice)
            else:
                logger.warning("%s", cure.advice, extra={"action": "replica_identity"})

    def _await(self, what: str, action: Callable[[], None]) -> None:
        status, clock, timeout = (
            self._process.status,
            self._process.clock,
            self._options.startup_timeout,
        )
        started = clock.monotonic()

        def attempt() -> None:
            try:
                action()
            except RetryableError as error:
                if timeout is not None and clock.monotonic() - started > timeout:
                    raise FatalError(
                        f"{what} did not answer within {timeout:.0f} s: {error}"
                    ) from error
                status.waiting(what)
                raise

        retry.forever(attempt, doing=f"reach {what}", clock=clock)
        status.waiting(None)


def _next_xid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row is not None
    return int(row[0])
