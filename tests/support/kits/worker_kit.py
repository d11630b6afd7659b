"""Workers in threads over real servers, with the test in the place of capture."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from flusso_shared.change import Change, Op
from flusso_shared.changelog.control_records import LINEAGE_KEY, Lineage, TableSnapshot
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.names import TableName
from flusso_shared.plan.model import Plan
from flusso_shared.seams import ChangeLog
from flusso_shared.status import Status
from flusso_worker.daemon import Worker
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.spec import WorkerContext
from services import Services
from support.kits import change_logs
from support.kits.index_kit import IndexKit, connection
from support.stores import small as small_store
from support.stores.small import PLAN, USERS, change
from support.waiting import until

DEADLINE = 60.0
LINEAGE = Lineage("1", "slot", "0/1")


class Publisher:
    """What capture would put into the log."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log
        self._writer = log.writer()
        self._outstanding = 0
        log.prepare(PLAN.tables)

    def begin(self, lineage: Lineage = LINEAGE) -> None:
        """Name the lineage, as at the creation of the slot."""
        self._log.control.put(LINEAGE_KEY, lineage.to_json())

    def snapshot(self, users: Iterable[int], lineage: Lineage = LINEAGE) -> None:
        """The whole root table, and that it is complete."""
        self.publish(
            *[change(USERS, [user], None, {"id": str(user)}, op=Op.SNAPSHOT) for user in users]
        )
        record = TableSnapshot(USERS, lineage, "complete", ends=self._log.groups.ends([USERS]))
        self._log.control.put(record.key, record.to_json())

    def publish(self, *changes: Change) -> None:
        """Publish and, in Kafka, wait for the acknowledgements."""
        for item in changes:
            while not self._writer.publish(item, self._acknowledged):
                self._writer.poll(0.05)
            self._outstanding += 1
        if self._log.durable:
            until("acknowledged", self.applied)

    def applied(self) -> bool:
        """Whether everything is acknowledged; serves acknowledgements."""
        self._writer.poll(0.05)
        return self._outstanding == 0

    def _acknowledged(self) -> None:
        self._outstanding -= 1

    def close(self) -> None:
        self._writer.close(5.0)


@dataclass
class RunningWorker:
    """One worker in a thread."""

    options: WorkerOptions
    log: ChangeLog
    plan: Plan = field(default_factory=lambda: Plan((PLAN,)))

    def __post_init__(self) -> None:
        self.stop = threading.Event()
        self.status, self.metrics = Status(), Metrics()
        context = WorkerContext(self.log, self.metrics, self.status)
        self.worker = Worker(self.options, self.plan, context, SystemClock(self.stop), self.stop)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lead")
        self.done: Future[None] = self._executor.submit(self.worker.run)

    def state(self, index: str = "users") -> str:
        return str(self.status.to_json()["indexes"].get(index))

    def await_state(self, state: str) -> None:
        """Wait until the worker says so of its index."""
        until(f"index {state}", lambda: self.state() == state or self.done.done())
        assert self.state() == state

    def finish_by_itself(self) -> None:
        """Wait for a worker that ends without being asked; raises what it raised."""
        try:
            self.done.result(DEADLINE)
        finally:
            self._executor.shutdown()

    def finish(self) -> None:
        """Stop and wait; raises what the worker raised."""
        self.stop.set()
        self.done.result(DEADLINE)
        self._executor.shutdown()


class WorkerKit:
    """A filled small store, Kafka and OpenSearch, and workers between them.  `close` ends what runs."""

    def __init__(
        self, services: Services, url: str, index_prefix: str, topic_prefix: str, users: int
    ) -> None:
        small_store.create(url)
        small_store.fill(url, users)
        self.url, self.topic_prefix, self.users = url, topic_prefix, users
        self.workers: list[RunningWorker] = []
        self.options = options(url, services.opensearch_url, index_prefix, topic_prefix)
        self.index = IndexKit(services.opensearch_url, index_prefix)
        self.services = services
        self._logs: list[KafkaLog] = []
        self.log = self.kafka()
        self.capture = Publisher(self.log)

    def kafka(self) -> KafkaLog:
        """A log of its own for each process."""
        log = KafkaLog(change_logs.connection(self.services.kafka, self.topic_prefix))
        self._logs.append(log)
        return log

    def start_worker(
        self, given: WorkerOptions | None = None, plan: Plan | None = None
    ) -> RunningWorker:
        """One more worker; without arguments with the options and the plan of the small store."""
        worker = RunningWorker(given or self.options, self.kafka(), plan or Plan((PLAN,)))
        self.workers.append(worker)
        return worker

    def finish(self, worker: RunningWorker) -> None:
        """Stop a worker; raises what it raised."""
        self.workers.remove(worker)
        worker.finish()

    def group(self, number: int = 1) -> str:
        """The consumer group of a generation."""
        return replace(self.index.name, number=number).group(self.topic_prefix)

    def await_applied(self, number: int = 1) -> None:
        """Wait until the generation's group has committed everything that is in the log now."""
        until("applied", lambda: committed(self.log, self.group(number)))

    def close(self) -> None:
        for worker in list(self.workers):
            self.finish(worker)
        self.capture.close()
        for log in self._logs:
            log.close()
        self.index.close()


def options(url: str, opensearch: str, index_prefix: str, topic_prefix: str) -> WorkerOptions:
    return WorkerOptions(
        conninfo=url,
        topic_prefix=topic_prefix,
        index_prefix=index_prefix,
        opensearch=(connection(opensearch),),
        stdout=(),
        policy=lambda _index: "stop",
    )


def committed(log: ChangeLog, group: str, tables: Iterable[TableName] = PLAN.tables) -> bool:
    """Whether the group has applied everything that is in the log now."""
    names = list(tables)
    done = log.groups.committed(group, names)
    return all(done.get(at, 0) >= end for at, end in log.groups.ends(names).items())
