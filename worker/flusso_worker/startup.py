"""Waits for the servers that a worker needs, saying for which; only a server that never answered ends the start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from flusso_shared import retry
from flusso_shared.clock import Clock
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.pg_session import address
from flusso_shared.plan import Plan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.assembly import checked_catalog, checked_plan
from flusso_worker.database import Database
from flusso_worker.opensearch import Cluster

T = TypeVar("T")

_FORBIDDEN = 403
"""The user may not ask for the cluster's name, but is known to it."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Checks before the first step.  Later outages are waited for without an end."""

    clock: Clock
    status: Status
    timeout: float | None
    """Seconds for each server to answer for the first time; None waits for ever."""

    def await_postgres(self, conninfo: str, plan: Plan) -> Plan:
        """Wait for the database, then check that it has the plan's tables; gives the bound plan.

        Raises `FatalError` when it refuses the connection for good, or lacks a table.
        """

        def attempt(database: Database) -> Plan:
            database.begin()
            database.finish()
            return checked_plan(plan, database)

        return self._ask(conninfo, attempt)

    def require_new(self, conninfo: str, plan: Plan, known: Callable[[], Collection[str]]) -> None:
        """Check that the database has all that indexes need of which nothing is known yet.

        An index that was kept before, and lacks a column now, stops alone.  Raises `FatalError`.
        """
        before = self._await("what is known of the indexes", known)
        new = Plan(tuple([index for index in plan.indexes if index.name not in before]))
        if new.indexes:
            self._ask(conninfo, lambda database: checked_catalog(new, database))

    def _ask(self, conninfo: str, question: Callable[[Database], T]) -> T:
        database = Database(conninfo, "flusso-worker", self.clock)
        try:
            return self._await(f"Postgres at {address(conninfo)}", lambda: question(database))
        finally:
            database.close()

    def await_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Wait for every OpenSearch sink; `FatalError` for a wrong user, password or certificate."""
        for cluster in clusters:
            self._await(
                f"OpenSearch of sink {cluster.name}",
                lambda cluster=cluster: cluster.request("GET", "/", allow=(_FORBIDDEN,)),  # type: ignore[misc]
            )

    def await_log(self, log: ChangeLog) -> None:
        """Wait until the change log answers; what is still missing in it is the keepers' to wait for."""
        self._await("the change log", lambda: log.missing(()))

    def _await(self, what: str, attempt: Callable[[], T]) -> T:
        started = self.clock.monotonic()

        def patiently() -> T:
            try:
                return attempt()
            except RetryableError as error:
                waited = self.clock.monotonic() - started
                if self.timeout is not None and waited > self.timeout:
                    raise FatalError(
                        f"{what} did not answer within {self.timeout:.0f} s: {error}"
                    ) from error
                self.status.waiting(what)
                raise

        answer = retry.forever(patiently, doing=f"reach {what}", clock=self.clock)
        self.status.waiting(None)
        return answer
