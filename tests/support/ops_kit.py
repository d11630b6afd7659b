"""The small store under a worker over Kafka, the test in the place of capture, and the quarantine in view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from flusso_shared.change import Change
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.config.model import OnError
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import Plan
from flusso_worker.options import WorkerOptions
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore
from services import Services
from support import change_logs
from support.index_kit import IndexKit, expected
from support.stores import small as small_store
from support.stores.small import PLAN, USERS, change
from support.waiting import until
from support.worker_kit import Publisher, RunningWorker, committed, options, sql

HUGE = "repeat('x', 40000)"
"""A name that OpenSearch refuses as a keyword."""


@dataclass
class Scene:
    """A filled database, Kafka and OpenSearch, and workers between them."""

    services: Services
    url: str
    index_prefix: str
    topic_prefix: str
    users: int = 50
    workers: list[RunningWorker] = field(default_factory=list)
    _logs: list[KafkaLog] = field(default_factory=list)

    def __post_init__(self) -> None:
        small_store.create(self.url)
        small_store.fill(self.url, self.users)
        self.index = IndexKit(self.services.opensearch_url, self.index_prefix)
        self.store = QuarantineStore(self.index.cluster, self.index_prefix)
        self.options = options(
            self.url, self.services.opensearch_url, self.index_prefix, self.topic_prefix
        )
        self.log = self.kafka()
        self.capture = Publisher(self.log)
        self.capture.begin()

    def kafka(self) -> KafkaLog:
        """A log of its own for each process."""
        log = KafkaLog(change_logs.connection(self.services.kafka, self.topic_prefix))
        self._logs.append(log)
        return log

    def start(self, on_error: OnError = "skip", limit: int = 1000) -> RunningWorker:
        given: WorkerOptions = replace(
            self.options, policy=lambda _index: on_error, limit=lambda _index: limit
        )
        worker = RunningWorker(given, self.kafka(), Plan((PLAN,)))
        self.workers.append(worker)
        return worker

    def finish(self, worker: RunningWorker) -> None:
        self.workers.remove(worker)
        worker.finish()

    def snapshot(self) -> None:
        self.capture.snapshot(range(1, self.users + 1))

    def edit(self, statement: str, *changes: Change) -> None:
        """Run SQL and publish what capture would publish of it."""
        sql(self.url, statement)
        self.capture.publish(*changes)

    def touch(self, *users: int) -> tuple[Change, ...]:
        return tuple(change(USERS, [user], None, {"id": str(user)}) for user in users)

    def group(self, number: int = 1) -> str:
        name = GenerationName(PLAN.name, PLAN.hash, number, self.index_prefix)
        return name.group(self.topic_prefix)

    def await_applied(self, number: int = 1) -> None:
        """Wait until the generation's group has committed everything."""
        until("applied", lambda: committed(self.log, self.group(number)))

    def entries(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.store.entries()}

    def assert_equal_but(self, *users: int) -> None:
        """Every document is as it should be, those of `users` aside."""
        found = self.index.documents(self.index.name.plain_alias)
        wanted = {user: item for user, item in expected(self.url).items() if user not in users}
        assert {user: item for user, item in found.items() if user not in users} == wanted

    def close(self) -> None:
        for worker in list(self.workers):
            self.finish(worker)
        self.capture.close()
        for log in self._logs:
            log.close()
        self.index.close()


@contextmanager
def scene(services: Services, url: str, index_prefix: str, topic_prefix: str) -> Iterator[Scene]:
    """A scene that is left clean."""
    made = Scene(services, url, index_prefix, topic_prefix)
    try:
        yield made
    finally:
        made.close()
