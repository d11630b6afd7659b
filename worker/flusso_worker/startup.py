"""Waits for the servers that a worker needs, and reports for which; ends the start only when one never answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from flusso_shared.plan.model import Plan
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.process.first_answer import FirstAnswer
from flusso_shared.seams import ChangeLog
from flusso_worker.documents.prepare import checked_plan, require_readable
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.sessions import Sessions
from flusso_worker.sinks.cluster import Cluster

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Startup:
    """Checks before the first step.  Later outages are waited for without an end."""

    first: FirstAnswer
    conninfo: Conninfo
    sessions: Sessions

    def await_postgres(self, plan: Plan) -> Plan:
        """Wait for the database, then check that it has the plan's tables; returns the bound plan.

        Raises `FatalError` when it refuses the connection for good, or lacks a table.
        """

        def attempt(database: Database) -> Plan:
            database.begin()
            database.finish()
            return checked_plan(plan, database)

        return self._ask(attempt)

    def require_new(self, plan: Plan, known: Callable[[], Collection[str]]) -> None:
        """Check that the database has everything that new indexes need, and that the role may read it.

        An index that is in `known` already, and lacks a column or a privilege now, stops alone.  Raises `FatalError`.
        """
        before = self.first.wait_for("what is known of the indexes", known)
        new = Plan(tuple([index for index in plan.indexes if index.name not in before]))
        if new.indexes:
            self._ask(lambda database: require_readable(new, database))

    def _ask(self, question: Callable[[Database], T]) -> T:
        def attempt() -> T:
            with closing(Database(self.sessions, "flusso-worker", self.first.clock)) as database:
                return question(database)

        return self.first.wait_for_postgres(self.conninfo, attempt)

    def await_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Wait for every OpenSearch sink; `FatalError` for a wrong user, password or certificate."""
        for cluster in clusters:
            # 403: the user may not ask for the name of the cluster, but the cluster knows it.
            self.first.wait_for(
                f"OpenSearch of sink {cluster.name}",
                lambda cluster=cluster: cluster.request("GET", "/", allow=(HTTPStatus.FORBIDDEN,)),  # type: ignore[misc]
            )

    def await_log(self, log: ChangeLog) -> None:
        """Wait until the change log answers; the keepers wait for topics that are missing in it."""
        self.first.wait_for(log.where, lambda: log.missing(()))
