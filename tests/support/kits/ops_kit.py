"""The small store under a worker over Kafka, the test in the place of capture, and the quarantine in view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from flusso_shared.change import Change
from flusso_shared.config.model import OnError
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore
from services import Services
from support.documents import run
from support.kits.index_kit import expected
from support.kits.worker_kit import RunningWorker, WorkerKit
from support.stores.small import USERS, change

HUGE = "repeat('x', 40000)"
"""A name that OpenSearch refuses as a keyword."""


class Scene(WorkerKit):
    """A worker kit with the quarantine in view.  Capture has named its lineage."""

    def __init__(
        self,
        services: Services,
        url: str,
        index_prefix: str,
        topic_prefix: str,
        users: int = 50,
    ) -> None:
        super().__init__(services, url, index_prefix, topic_prefix, users)
        self.index_prefix = index_prefix
        self.store = QuarantineStore(self.index.cluster, index_prefix)
        self.capture.begin()

    def start(self, on_error: OnError = "skip", limit: int = 1000) -> RunningWorker:
        """A worker with that policy for documents that are refused."""
        return self.start_worker(
            replace(self.options, policy=lambda _index: on_error, limit=lambda _index: limit)
        )

    def snapshot(self) -> None:
        self.capture.snapshot(range(1, self.users + 1))

    def edit(self, statement: str, *changes: Change) -> None:
        """Run SQL and publish what capture would publish of it."""
        run(self.url, statement)
        self.capture.publish(*changes)

    def touch(self, *users: int) -> tuple[Change, ...]:
        return tuple(change(USERS, [user], None, {"id": str(user)}) for user in users)

    def entries(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.store.entries()}

    def assert_equal_but(self, *users: int) -> None:
        """Every document is as it should be, those of `users` aside."""
        found = self.index.documents(self.index.name.plain_alias)
        wanted = {user: item for user, item in expected(self.url).items() if user not in users}
        assert {user: item for user, item in found.items() if user not in users} == wanted


@contextmanager
def scene(services: Services, url: str, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    """A scene that is left clean."""
    made = Scene(services, url, index_prefix, topic_prefix)
    try:
        yield made
    finally:
        made.close()
