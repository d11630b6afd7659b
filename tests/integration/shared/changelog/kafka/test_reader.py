"""Reading as a member of a real group: positions, offsets by time, members that die."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, Producer
from confluent_kafka.admin import AdminClient

from flusso_shared.change import Change, Op
from flusso_shared.changelog.kafka import reader as kafka_reader
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.changelog.kafka.reader import KafkaReader
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.seams import TopicPartition
from services import Services
from support.kits.change_logs import ORDERS, USERS, after, change, connection, publish, read, start
from support.waiting import until

pytestmark = pytest.mark.services


@pytest.fixture
def log(services: Services, topic_prefix: str) -> KafkaLog:
    made = KafkaLog(connection(services.kafka, topic_prefix))
    made.prepare([USERS, ORDERS])
    return made


@pytest.fixture
def group(topic_prefix: str) -> str:
    return f"{topic_prefix}.users_01234567_1"


def published(log: KafkaLog, *changes: Change) -> None:
    writer = log.writer()
    acknowledged = publish(writer, changes)
    until(
        "acknowledgements", lambda: len(acknowledged) == len(changes), step=lambda: writer.poll(0.2)
    )
    writer.close(1)


def test_a_group_without_positions_is_fatal_and_says_what_to_do(log: KafkaLog, group: str) -> None:
    published(log, change(1))
    reader = log.reader(group, [USERS], lambda _: None)
    with pytest.raises(FatalError, match="flusso reindex"):
        until("an error", lambda: False, step=lambda: reader.poll(1, 0.5))
    reader.close()


def test_related_tables_start_with_what_is_young(
    services: Services, topic_prefix: str, log: KafkaLog
) -> None:
    producer = Producer({"bootstrap.servers": services.kafka})
    # Two that are an hour old, one in each table; then a young one.
    hour_ago = int((time.time() - 3600) * 1000)
    for table in (USERS, ORDERS):
        topic = f"{topic_prefix}.{table}"
        producer.produce(topic, b"old", b"k", partition=0, timestamp=hour_ago)
    producer.produce(f"{topic_prefix}.{ORDERS}", b"young", b"k", partition=0)
    producer.flush(10)
    found = log.groups.starts([USERS], [ORDERS], 60)
    by_table = {
        table: {at.partition: offset for at, offset in found.items() if table.name in at.topic}
        for table in (USERS, ORDERS)
    }
    assert by_table[USERS] == {0: 0, 1: 0, 2: 0, 3: 0}
    assert by_table[ORDERS] == {0: 1, 1: 0, 2: 0, 3: 0}
    # As the log's own timestamps tell, whatever the time is here.
    assert log.groups.starts([], [USERS], 60)[TopicPartition(f"{topic_prefix}.{USERS}", 0)] == 0


def test_a_record_that_is_no_change_is_fatal_and_named(
    services: Services, topic_prefix: str, log: KafkaLog, group: str
) -> None:
    producer = Producer({"bootstrap.servers": services.kafka})
    producer.produce(f"{topic_prefix}.{USERS}", b"nonsense", b'["1"]', partition=2)
    producer.flush(10)
    start(log, group)
    reader = log.reader(group, [USERS], lambda _: None)
    with pytest.raises(FatalError, match=r"public\.users partition 2 offset 0: .*topic_prefix"):
        until("an error", lambda: False, step=lambda: reader.poll(1, 0.5))
    reader.close()


def test_deletes_at_the_end_do_not_leave_a_group_behind_that_starts_there(
    log: KafkaLog, group: str
) -> None:
    """A group whose first record is a tombstone, and nothing after it."""
    published(log, change(1, Op.DELETE))
    ends = log.groups.ends([USERS])
    log.groups.reset(group, {at: max(0, end - 1) for at, end in ends.items()})
    reader = log.reader(group, [USERS], lambda _: None)
    until(
        "the committed offsets",
        lambda: log.groups.committed(group, [USERS]) == ends,
        step=lambda: reader.poll(10, 0.2),
    )
    reader.close()


def test_a_member_that_dies_is_replaced_and_its_changes_come_again(
    services: Services, topic_prefix: str, log: KafkaLog, group: str
) -> None:
    queue = connection(
        services.kafka, topic_prefix, session_timeout_ms=6000, max_poll_interval_ms=6000
    )
    start(log, group)
    published(log, *[change(number) for number in range(40)])
    dead = KafkaLog(queue).reader(group, [USERS], lambda _: None)
    applied = read(dead, 10)
    dead.commit(after(applied))
    read(dead, 10)
    # It never polls again, as if it hung; others get its partitions.
    reader = log.reader(group, [USERS], lambda _: None)
    rest = {record.change.key for record in read(reader, 30)}
    assert rest | {record.change.key for record in applied} == {(str(n),) for n in range(40)}
    reader.close()
    dead.close()


def test_a_member_that_lost_its_partitions_is_notified_and_commits_nothing(
    services: Services, topic_prefix: str, log: KafkaLog, group: str
) -> None:
    queue = connection(
        services.kafka, topic_prefix, session_timeout_ms=6000, max_poll_interval_ms=6000
    )
    start(log, group)
    published(log, *[change(number) for number in range(40)])
    revoked: list[TopicPartition] = []

    def on_revoked(partitions: Collection[TopicPartition]) -> None:
        revoked.extend(partitions)
        slow.commit(after(held))

    slow: KafkaReader = KafkaLog(queue).reader(group, [USERS], on_revoked)
    held = read(slow, 40)
    owned = set(slow.assignment())
    other = log.reader(group, [USERS], lambda _: None)
    taken = read(other, 40)
    assert len(taken) == 40
    until("the revocation", lambda: set(revoked) == owned, step=lambda: slow.poll(10, 0.2))
    committed = log.groups.committed(group, [USERS])
    assert all(committed[at] == 0 for at in owned)
    slow.close()
    other.close()


def test_a_late_member_gets_its_share_of_the_first_table(log: KafkaLog, group: str) -> None:
    start(log, group, [USERS, ORDERS])
    published(log, *[change(number) for number in range(40)])
    early = log.reader(group, [USERS, ORDERS], lambda _: None)
    until("the assignment", lambda: len(early.assignment()) == 8, step=lambda: early.poll(1, 0.2))
    late = log.reader(group, [USERS, ORDERS], lambda _: None)

    def shares() -> list[int]:
        return [
            sum(str(table) in at.topic for at in reader.assignment())
            for reader in (early, late)
            for table in (USERS, ORDERS)
        ]

    def both_poll() -> None:
        for reader in (early, late):
            reader.poll(1, 0.1)

    until("even shares", lambda: shares() == [2, 2, 2, 2], step=both_poll)
    early.close()
    late.close()


def test_a_commit_does_not_wait_for_the_end_of_a_rebalance(
    services: Services, topic_prefix: str, log: KafkaLog, group: str
) -> None:
    """Cases 17, 18: brokers answer a commit only after the member's own request to join again.

    The member that everybody waits for may be the reader's other one, which is served by the thread that commits.
    """
    start(log, group)
    published(log, *[change(number) for number in range(40)])
    admin = AdminClient({"bootstrap.servers": services.kafka})
    revoked: list[TopicPartition] = []
    reader = log.reader(group, [USERS], revoked.extend)
    records = read(reader, 40)
    other = Consumer(
        {
            "bootstrap.servers": services.kafka,
            "group.id": group,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
        }
    )
    # It is not served: what it should give up, and get, waits for it, and so does the group.
    other.subscribe([f"{topic_prefix}.{USERS}"])

    def has_joined_again() -> bool:
        state = admin.describe_consumer_groups([group])[group].result().state
        return bool(revoked) and state == ConsumerGroupState.PREPARING_REBALANCING

    until("a member that joined again", has_joined_again, step=lambda: reader.poll(1, 0.2))
    began = time.monotonic()
    reader.commit(after(records))
    assert time.monotonic() - began < 5
    until(
        "the assignment",
        lambda: len(other.assignment()) == 2,
        step=lambda: (reader.poll(1, 0.1), other.poll(0.1)),
    )
    ends = log.groups.ends([USERS])
    kept = reader.assignment()
    until(
        "the committed offsets",
        lambda: all(log.groups.committed(group, [USERS])[at] == ends[at] for at in kept),
        step=lambda: reader.poll(1, 0.1),
    )
    other.close()
    reader.close()


def test_a_close_that_does_not_return_is_left_behind(
    log: KafkaLog, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Case 17: a worker ends in time, whatever the client library waits for in the middle of a rebalance."""
    start(log, group)
    leaving = log.reader(group, [USERS], lambda _: None)
    until(
        "the assignment", lambda: len(leaving.assignment()) == 4, step=lambda: leaving.poll(1, 0.2)
    )
    staying = log.reader(group, [USERS], lambda _: None)

    def both_poll() -> None:
        leaving.poll(1, 0.05)
        staying.poll(1, 0.05)

    until("the assignment", lambda: len(leaving.assignment()) == 2, step=both_poll)
    # The second half of the rebalance: an assignment waits to be told to the member that leaves.
    until(
        "the assignment", lambda: len(staying.assignment()) == 2, step=lambda: staying.poll(1, 0.2)
    )
    with stuck_when_told():
        began = time.monotonic()
        leaving.close()
        assert time.monotonic() - began < 10
    assert "could not leave" in caplog.text
    until(
        "the assignment", lambda: len(staying.assignment()) == 4, step=lambda: staying.poll(1, 0.2)
    )
    staying.close()


def test_a_rebalance_inside_close_blocks_no_other_thread(
    log: KafkaLog, group: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 17: from within `close` the client library could wait for ever, and the whole process with it."""
    start(log, group)
    leaving = log.reader(group, [USERS], lambda _: None)
    until(
        "the assignment", lambda: len(leaving.assignment()) == 4, step=lambda: leaving.poll(1, 0.2)
    )
    monkeypatch.setattr(kafka_reader, "_serve_until_unassigned", lambda _: None)
    began = time.monotonic()
    leaving.close()
    assert time.monotonic() - began < 4, "it waits for the thread that stands still"
    assert "could not leave" in caplog.text
    monkeypatch.undo()
    staying = log.reader(group, [USERS], lambda _: None)
    until(
        "the assignment", lambda: len(staying.assignment()) == 4, step=lambda: staying.poll(1, 0.2)
    )
    staying.close()


@contextmanager
def stuck_when_told() -> Iterator[None]:
    """Within, a thread that is told of an assignment gets no further, as in a close that waits for ever."""
    free, here = threading.Event(), threading.current_thread()

    def wait_if_told(record: logging.LogRecord) -> bool:
        if threading.current_thread() is not here and "took" in record.getMessage():
            free.wait()
        return True

    logger = logging.getLogger("flusso_shared.changelog.kafka.reader")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(wait_if_told)
    try:
        yield
    finally:
        logger.removeFilter(wait_if_told)
        logger.setLevel(level)
        free.set()


def test_control_is_read_by_other_processes_while_it_is_written(
    services: Services, topic_prefix: str, log: KafkaLog
) -> None:
    other = KafkaLog(connection(services.kafka, topic_prefix))
    for number in range(5):
        log.control.put("snapshot/public.users", {"rows": number})
        assert other.control.load() == {"snapshot/public.users": {"rows": number}}
        assert other.control.load() == {"snapshot/public.users": {"rows": number}}
    other.close()
    assert other.control.load() == {"snapshot/public.users": {"rows": 4}}
    other.close()
    log.close()


def test_control_is_loaded_from_several_threads(log: KafkaLog) -> None:
    log.control.put("lineage", {"slot": "a"})
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(log.control.load())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"lineage": {"slot": "a"}}] * 8
    log.close()


def test_positions_cannot_be_set_under_a_member(log: KafkaLog, group: str) -> None:
    start(log, group)
    reader = log.reader(group, [USERS], lambda _: None)
    until("the assignment", lambda: bool(reader.assignment()), step=lambda: reader.poll(1, 0.2))
    with pytest.raises(RetryableError, match="it must have no members"):
        log.groups.reset(group, log.groups.ends([USERS]))
    reader.close()
    log.groups.reset(group, log.groups.ends([USERS]))
