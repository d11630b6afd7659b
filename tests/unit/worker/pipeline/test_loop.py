"""The pipeline's loop over a change log in memory and an assembly that the test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from flusso_shared.change import Change, Op, Position, Record
from flusso_shared.clock import Clock, SystemClock
from flusso_shared.errors import FatalError, PoisonError, RetryableError
from flusso_shared.metrics import Metrics
from flusso_shared.names import GenerationName, TableName
from flusso_shared.plan.model import IndexPlan
from flusso_shared.seams import (
    ChangeLog,
    ChangeReader,
    Offsets,
    Operation,
    TopicPartition,
)
from flusso_shared.status import Status
from flusso_worker.documents.built import Built
from flusso_worker.documents.change_batch import ChangeBatch
from flusso_worker.pipeline.assembly import Assembly
from flusso_worker.pipeline.pipeline import Pipeline
from flusso_worker.pipeline.spec import PipelineSpec, WorkerContext
from support.waiting import until_none

USERS = TableName("public", "users")
AT = TopicPartition("t.users", 0)
PLAN = IndexPlan("users", "01234567", USERS, ("id",), (), None, (), ())
DEADLINE = 10.0


class Reader:
    """A reader whose records the test feeds; remembers commits."""

    def __init__(self, on_revoked: Callable[[Collection[TopicPartition]], None]) -> None:
        self.on_revoked = on_revoked
        self.changed = threading.Condition()
        self.waiting: list[Record] = []
        self.commits: list[dict[TopicPartition, int]] = []
        self.revoke: list[TopicPartition] = []
        self.poll_error: Exception | None = None
        self.commit_error: Exception | None = None
        self.closed = False
        self.revoked_with: list[int] = []

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        with self.changed:
            if not self.waiting and not self.revoke and self.poll_error is None:
                self.changed.wait(timeout)
            error, self.poll_error = self.poll_error, None
            if error is not None:
                raise error
            revoke, self.revoke = self.revoke, []
            records, self.waiting = self.waiting[:max_records], self.waiting[max_records:]
        if revoke:
            self.on_revoked(revoke)
            self.revoked_with.append(self.committed)
        return records

    def commit(self, offsets: Offsets) -> None:
        with self.changed:
            error, self.commit_error = self.commit_error, None
            if error is not None:
                raise error
            self.commits.append(dict(offsets))
            self.changed.notify_all()

    def assignment(self) -> Collection[TopicPartition]:
        return [AT]

    def lag(self) -> int:
        return len(self.waiting)

    def close(self) -> None:
        self.closed = True

    @property
    def committed(self) -> int:
        return max((commit.get(AT, 0) for commit in self.commits), default=0)

    def feed(self, *offsets: int, op: Op = Op.READ, xid: int = 0, commit_time: int = 0) -> None:
        change = Change(op, USERS, ("1",), None, None, commit_time=commit_time, xid=xid)
        with self.changed:
            self.waiting.extend(Record(Position(*AT, offset), change) for offset in offsets)
            self.changed.notify_all()

    def await_commit(self, offset: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.committed >= offset, DEADLINE), self.commits


class Ends:
    """Another member's partition, and how far it has committed."""

    def __init__(self) -> None:
        self.other: dict[TopicPartition, int] = {}
        self.reached: dict[TopicPartition, int] = {}

    def ends(self, tables: Collection[TableName]) -> Offsets:
        return {AT: 1, **self.other}

    def committed(self, group: str, tables: Collection[TableName]) -> Offsets:
        return self.reached


class Log:
    """What a pipeline uses of a change log."""

    durable = True

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.groups = Ends()

    def reader(
        self,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> ChangeReader:
        self.readers.append(Reader(on_revoked))
        return self.readers[-1]


class HeldAssembly:
    """Builds one chunk per batch; a flush ends when the test says how."""

    def __init__(self) -> None:
        self.in_flight: list[tuple[Built, threading.Event, list[Exception]]] = []
        self.changed = threading.Condition()
        self.built: list[int] = []
        self.build_errors: list[Exception] = []
        self.ended_transactions = 0
        self.closed = self.finishing = False
        self.batch_builder = self.flusher = self.connections = self
        self.flushing: Clock = SystemClock(threading.Event())
        """The pipeline's: its waits end when the pipeline gives up what is in flight."""

    def statement_since(self) -> float | None:
        return None

    def open_visibility_gate(self, batch: ChangeBatch) -> None:
        pass

    def resolve(self, batch: ChangeBatch, snapshot: None) -> None:
        pass

    def build(self, batch: ChangeBatch, resolved: None, snapshot: None) -> Iterable[Built]:
        if self.build_errors:
            raise self.build_errors.pop(0)
        with self.changed:
            end = batch.offsets.get(AT, 0)
            self.built.append(end)
            self.changed.notify_all()
        operations = [Operation(str(end), 1, b"{}")]
        yield Built([("1",)], operations, 0.0, 2)

    def end_transactions(self) -> None:
        with self.changed:
            self.ended_transactions += 1
            self.changed.notify_all()

    def flush(self, built: Built) -> None:
        finished, errors = threading.Event(), list[Exception]()
        with self.changed:
            self.in_flight.append((built, finished, errors))
            self.changed.notify_all()
        while not finished.wait(0.01) and not self.finishing:
            self.flushing.wait(0.0)
        if errors:
            raise errors[0]

    def finish_flush(self, document: str, error: Exception | None = None) -> None:
        """Let the flush with that document end."""
        with self.changed:
            assert self.changed.wait_for(lambda: self._find(document) is not None, DEADLINE)
            found = self._find(document)
            assert found is not None
        if error is not None:
            found[2].append(error)
        found[1].set()

    def finish_all_flushes(self) -> None:
        """Let every flush end, also those to come."""
        self.finishing = True

    def _find(self, document: str) -> tuple[Built, threading.Event, list[Exception]] | None:
        for item in self.in_flight:
            if item[0].operations[0].id == document:
                return item
        return None

    def await_built(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.built) >= count, DEADLINE)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Rig:
    """A running pipeline."""

    def __init__(self) -> None:
        self.log = Log()
        self.assembly = HeldAssembly()
        self.metrics = Metrics()
        self.status = Status()
        context = WorkerContext(as_log(self.log), self.metrics, self.status)
        spec = PipelineSpec(GenerationName("users", "01234567", 1), PLAN, "g")
        self.pipeline = Pipeline(
            spec, context, lambda _reading, flushing: as_assembly(self.assembly, flushing)
        )
        self.pipeline.start()
        assert self.pipeline.reading.wait(DEADLINE)
        self.reader = self.log.readers[0]

    def finish(self) -> None:
        self.pipeline.stop()
        self.pipeline.join(DEADLINE)


def as_assembly(assembly: HeldAssembly, flushing: Clock) -> Assembly:
    """The fake has what a pipeline touches."""
    assembly.flushing = flushing
    return assembly  # type: ignore[return-value]


def as_log(log: Log) -> ChangeLog:
    """The fake has what a pipeline touches, not the whole protocol."""
    return log  # type: ignore[return-value]


@pytest.fixture
def rig() -> Iterable[Rig]:
    made = Rig()
    yield made
    made.finish()


def test_offsets_are_committed_only_after_the_flush(rig: Rig) -> None:
    rig.reader.feed(0, 1)
    rig.assembly.await_built(1)
    assert rig.reader.commits == []
    rig.assembly.finish_flush("2")
    rig.reader.await_commit(2)


def test_a_flush_that_overtakes_another_commits_nothing(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.await_built(1)
    rig.reader.feed(1)
    rig.assembly.await_built(2)
    rig.assembly.finish_flush("2")
    rig.reader.feed(2)
    rig.assembly.await_built(3)  # rounds have passed since: still nothing may be committed
    assert rig.reader.commits == []
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(2)
    assert rig.reader.committed == 2
    rig.assembly.finish_flush("3")
    rig.reader.await_commit(3)


def test_the_next_batch_is_built_while_one_is_flushed(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.await_built(1)
    rig.reader.feed(1)
    rig.assembly.await_built(2)
    assert rig.reader.commits == []
    rig.assembly.finish_flush("1")
    rig.assembly.finish_flush("2")
    rig.reader.await_commit(2)


def test_no_transaction_is_open_while_a_flush_is_awaited(rig: Rig) -> None:
    for count in range(1, 6):
        assert rig.assembly.ended_transactions == 0
        rig.reader.feed(count - 1)
        rig.assembly.await_built(count)
    with rig.assembly.changed:
        assert rig.assembly.changed.wait_for(lambda: rig.assembly.ended_transactions == 1, DEADLINE)
    rig.assembly.finish_all_flushes()
    rig.reader.await_commit(5)


def test_a_failed_flush_ends_the_pipeline_without_its_offsets(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.await_built(1)
    rig.reader.feed(1)
    rig.assembly.await_built(2)
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)
    rig.assembly.finish_flush("2", PoisonError("no"))
    rig.pipeline.join(DEADLINE)
    assert isinstance(rig.pipeline.failure, PoisonError)
    assert rig.reader.committed == 1
    assert rig.reader.closed
    assert rig.assembly.closed


def test_chunks_that_never_started_are_cancelled_with_a_failed_pipeline(rig: Rig) -> None:
    for offset in range(5):
        rig.reader.feed(offset)
        rig.assembly.await_built(offset + 1)
    rig.assembly.finish_flush("1", PoisonError("no"))
    rig.pipeline.join(DEADLINE)
    assert isinstance(rig.pipeline.failure, PoisonError)
    assert rig.reader.committed == 0
    assert rig.reader.closed


def test_an_unexpected_error_is_the_failure(rig: Rig) -> None:
    rig.assembly.build_errors.append(ZeroDivisionError("a bug"))
    rig.reader.feed(0)
    rig.pipeline.join(DEADLINE)
    assert isinstance(rig.pipeline.failure, ZeroDivisionError)
    assert rig.reader.committed == 0


def test_a_lost_connection_builds_the_same_batch_again(rig: Rig) -> None:
    rig.assembly.build_errors.append(RetryableError("gone"))
    rig.reader.feed(0)
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)


def test_a_build_that_fails_again_and_again_is_the_last_error_until_it_succeeds(rig: Rig) -> None:
    slow = RetryableError("canceling statement due to statement timeout")
    rig.assembly.build_errors += [slow] * 4
    rig.reader.feed(0)

    def missing() -> str | None:
        return None if rig.status.to_json()["last_error"] else "no error is reported"

    until_none("the error is reported", missing, DEADLINE)
    assert rig.status.to_json()["last_error"] == (
        "cannot build documents of index users yet: canceling statement due to statement timeout"
    )
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)
    assert rig.status.to_json()["last_error"] is None


def test_the_latency_counts_from_the_commit_to_the_last_acknowledgement(rig: Rig) -> None:
    now = time.time()
    rig.reader.feed(0, xid=5, commit_time=int((now - 100) * 1_000_000))
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)
    rig.reader.feed(1, op=Op.SNAPSHOT)
    rig.assembly.finish_flush("2")
    rig.reader.await_commit(2)
    found = rig.metrics.registry.get_sample_value
    of = {"index": "users"}
    assert found("flusso_commit_to_acknowledged_seconds_count", of) == 1
    seconds = found("flusso_commit_to_acknowledged_seconds_sum", of)
    assert seconds is not None
    assert 100 <= seconds < 100 + DEADLINE
    assert found("flusso_roots_per_change_count", of) == 1


def test_the_backlog_is_what_was_read_and_is_not_committed(rig: Rig) -> None:
    def lag() -> tuple[int, float | None]:
        found = rig.status.backlogs.lag("users")
        assert found is not None
        return found.records, found.seconds

    rig.reader.feed(0, 1, xid=5, commit_time=int((time.time() - 100) * 1_000_000))
    rig.assembly.await_built(1)
    records, seconds = lag()
    assert records == 2
    assert seconds is not None
    assert seconds >= 100
    assert rig.status.backlogs.waiting(set()) != []
    rig.assembly.finish_flush("2")
    rig.reader.await_commit(2)
    until_none("no backlog", lambda: None if lag() == (0, 0.0) else str(lag()), DEADLINE)
    assert rig.status.backlogs.waiting(set()) == []


def test_a_poll_that_fails_for_now_is_repeated(rig: Rig) -> None:
    with rig.reader.changed:
        rig.reader.poll_error = RetryableError("broker down")
    rig.reader.feed(0)
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)


def test_a_commit_that_fails_for_now_is_repeated(rig: Rig) -> None:
    with rig.reader.changed:
        rig.reader.commit_error = RetryableError("coordinator moves")
    rig.reader.feed(0)
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)


def test_a_poll_that_fails_for_good_ends_the_pipeline(rig: Rig) -> None:
    with rig.reader.changed:
        rig.reader.poll_error = FatalError("out of range")
        rig.reader.changed.notify_all()
    rig.pipeline.join(DEADLINE)
    assert isinstance(rig.pipeline.failure, FatalError)


def test_revocation_waits_for_flushes_and_commits(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.await_built(1)
    with rig.reader.changed:
        rig.reader.revoke.append(AT)
        rig.reader.changed.notify_all()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(rig.assembly.finish_flush, "1").result(DEADLINE)
    rig.reader.await_commit(1)
    rig.reader.feed(1)
    rig.assembly.finish_flush("2")
    rig.reader.await_commit(2)
    assert rig.reader.revoked_with == [1]


def test_stop_drains_what_is_in_flight_and_commits_it(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.await_built(1)
    rig.pipeline.stop()
    rig.assembly.finish_flush("1")
    rig.pipeline.join(DEADLINE)
    assert rig.pipeline.failure is None
    assert rig.reader.committed == 1
    assert rig.reader.closed
    assert rig.assembly.closed


def test_in_flight_changes_are_counted_back_when_the_pipeline_fails(rig: Rig) -> None:
    rig.reader.feed(0, 1, 2)
    rig.assembly.await_built(1)
    rig.assembly.finish_flush("3", PoisonError("no"))
    rig.pipeline.join(DEADLINE)
    assert (
        rig.metrics.registry.get_sample_value("flusso_changes_in_flight", {"index": "users"}) == 0
    )
    assert rig.status.to_json()["changes_in_flight"] == 0


def test_documents_are_built_again_after_a_truncate_once_others_have_flushed(rig: Rig) -> None:
    other = TopicPartition("t.users", 1)
    rig.log.groups.other[other] = 9
    rig.reader.feed(0, op=Op.TRUNCATE, xid=5)
    rig.assembly.finish_flush("1")
    rig.reader.feed(1)
    rig.assembly.finish_flush("2")
    rig.assembly.await_built(2)
    assert rig.reader.commits == []
    rig.log.groups.reached[other] = 9
    rig.assembly.await_built(3)
    rig.assembly.finish_all_flushes()
    rig.reader.await_commit(2)


def test_a_truncate_does_not_wait_without_other_writers(rig: Rig) -> None:
    rig.reader.feed(0, op=Op.TRUNCATE)
    rig.assembly.finish_flush("1")
    rig.reader.await_commit(1)
    assert len(rig.assembly.built) == 1


def test_a_flush_that_cannot_write_ends_the_pipeline(rig: Rig) -> None:
    rig.reader.feed(0)
    rig.assembly.finish_flush("1", RetryableError("never to be raised by a sink"))
    rig.pipeline.join(DEADLINE)
    assert isinstance(rig.pipeline.failure, FatalError)
    assert rig.reader.committed == 0
