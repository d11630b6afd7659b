"""What every change log does, in Kafka and in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator

import pytest

from flusso_shared.change import Change, EncodedChange, Op, Record
from flusso_shared.changelog import codec
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.seams import ChangeLog, ChangeReader, ChangeWriter, TopicPartition
from support.kits.change_logs import ORDERS, USERS, after, change, connection, publish, read, start
from support.waiting import until

Join = Callable[..., ChangeReader]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def prefix(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    found: str = request.getfixturevalue("topic_prefix")
    return found


@pytest.fixture
def log(request: pytest.FixtureRequest, prefix: str) -> Iterator[ChangeLog]:
    if not prefix:
        yield MemoryLog()
        return
    kafka = KafkaLog(connection(request.getfixturevalue("services").kafka, prefix))
    kafka.prepare([USERS, ORDERS])
    yield kafka
    kafka.close()


@pytest.fixture
def group(prefix: str) -> str:
    return f"{prefix}.users_01234567_1"


@pytest.fixture
def writer(log: ChangeLog) -> Iterator[ChangeWriter]:
    made = log.writer()
    yield made
    made.close(0.1)


@pytest.fixture
def join(log: ChangeLog, group: str) -> Iterator[Join]:
    """Makes readers, and closes them."""
    readers: list[ChangeReader] = []

    def made(
        tables: Collection[object] = (USERS,),
        on_revoked: Callable[[Collection[TopicPartition]], None] = lambda _: None,
    ) -> ChangeReader:
        reader = log.reader(group, tables, on_revoked)  # type: ignore[arg-type]
        readers.append(reader)
        return reader

    yield made
    for reader in readers:
        reader.close()


def keys(records: list[Record]) -> list[str]:
    return [record.change.key[0] for record in records]


def test_what_is_published_is_read(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    sent = [change(number, lsn=number) for number in range(50)]
    publish(writer, sent)
    until_read = read(join(), 50)
    assert sorted(record.change for record in until_read) == sorted(sent)


def test_a_record_is_read_as_the_change_that_it_encodes(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    sent = [change(number, lsn=number) for number in range(1, 21)]
    room = writer.max_record_bytes
    given = [
        item if room is None else EncodedChange(item.table, codec.key_of(item), codec.encode(item))
        for item in sent
    ]
    publish(writer, given)
    assert sorted(record.change for record in read(join(), 20)) == sorted(sent)


def test_changes_of_one_key_keep_their_order(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    publish(writer, [change(lsn % 7, lsn=lsn) for lsn in range(1, 701)])
    seen: dict[str, int] = {}
    for record in read(join(), 700):
        key, lsn = record.change.key[0], record.change.lsn
        assert lsn > seen.get(key, 0)
        seen[key] = lsn
    assert len(seen) == 7


def test_offsets_rise_within_a_partition(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    publish(writer, [change(number) for number in range(200)])
    last: dict[TopicPartition, int] = {}
    for record in read(join(), 200):
        at = TopicPartition(record.position.topic, record.position.partition)
        assert record.position.offset > last.get(at, -1)
        last[at] = record.position.offset


def test_every_change_is_acknowledged_once(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    sent = [change(number, lsn=number) for number in range(100)]
    acknowledged = publish(writer, sent)
    reader = join()
    reader.commit(after(read(reader, 100)))
    until("acknowledgements", lambda: len(acknowledged) >= 100, step=lambda: writer.poll(0.2))
    writer.poll(0.05)
    assert sorted(acknowledged) == sorted(sent)


def test_acknowledgements_come_in_the_writers_thread_only(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    threads: list[int] = []
    assert writer.publish(change(1), lambda: threads.append(threading.get_ident()))
    reader = join()
    reader.commit(after(read(reader, 1)))
    until("acknowledgements", lambda: bool(threads), step=lambda: writer.poll(0.2))
    assert threads == [threading.get_ident()]


def test_a_delete_is_acknowledged_once_and_its_tombstone_is_not_seen(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    acknowledged = publish(
        writer, [change(1, Op.CREATE), change(1, Op.DELETE), change(1, Op.CREATE)]
    )
    reader = join()
    records = read(reader, 3)
    assert [record.change.op for record in records] == [Op.CREATE, Op.DELETE, Op.CREATE]
    reader.commit(after(records))
    until("acknowledgements", lambda: len(acknowledged) >= 3, step=lambda: writer.poll(0.2))
    assert reader.poll(10, 0.3) == []


def test_a_group_that_has_applied_everything_has_come_to_the_end(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    """Also where the last record of a partition is a tombstone, which no reader sees."""
    start(log, group)
    publish(writer, [change(number, Op.DELETE) for number in range(20)])
    writer.poll(1)
    reader = join()
    reader.commit(after(read(reader, 20)))
    ends = log.groups.ends([USERS])
    until(
        "the committed offsets",
        lambda: log.groups.committed(group, [USERS]) == ends,
        step=lambda: reader.poll(10, 0.2),
    )


def test_the_lag_is_what_a_member_has_not_applied(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    """Tombstones, which no reader sees, count as long as they are not passed."""
    start(log, group)
    publish(writer, [change(number) for number in range(30)])
    publish(writer, [change(1, Op.DELETE)])
    reader = join()
    records = read(reader, 31)
    assert reader.lag() in (31, 32)
    reader.commit(after(records))
    until("no lag", lambda: reader.lag() == 0, step=lambda: reader.poll(10, 0.2))


def test_a_commit_never_passes_what_was_not_applied(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    publish(writer, [change(1, Op.DELETE, lsn=lsn) for lsn in range(1, 4)])
    reader = join()
    records = read(reader, 3)
    reader.commit(after(records[:1]))
    # Some more rounds, in which a reader may look after tombstones.
    for _ in range(3):
        reader.poll(10, 0.2)
    at = TopicPartition(records[1].position.topic, records[1].position.partition)
    assert log.groups.committed(group, [USERS])[at] <= records[1].position.offset


def test_a_truncate_goes_through(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    sent = Change(Op.TRUNCATE, USERS, (), None, None, lsn=77)
    publish(writer, [sent])
    assert [record.change for record in read(join(), 1)] == [sent]


def test_a_member_resumes_at_the_committed_offsets(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    publish(writer, [change(1, lsn=lsn) for lsn in range(1, 11)])
    reader = join()
    reader.commit(after(read(reader, 4)))
    read(reader, 3)
    reader.close()
    assert [record.change.lsn for record in read(join(), 6)] == [5, 6, 7, 8, 9, 10]


def test_a_wait_ends_with_the_first_record(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    reader = join()
    until("the assignment", lambda: bool(reader.assignment()), step=lambda: reader.poll(1, 0.2))
    publish(writer, [change(1)])
    # Far longer than the test may take.
    assert len(reader.poll(5000, 100)) == 1


def test_two_groups_read_everything_each(log: ChangeLog, group: str, writer: ChangeWriter) -> None:
    names = [group, f"{group}1"]
    for name in names:
        start(log, name)
    publish(writer, [change(number) for number in range(30)])
    for name in names:
        reader = log.reader(name, [USERS], lambda _: None)
        assert sorted(keys(read(reader, 30))) == sorted(str(number) for number in range(30))
        reader.close()


def test_members_share_the_partitions_and_hand_them_over_applied(
    log: ChangeLog, group: str, join: Join, writer: ChangeWriter
) -> None:
    tables = [USERS, ORDERS]
    start(log, group, tables)
    publish(writer, [change(n, table=table) for n in range(40) for table in tables])
    handed: list[TopicPartition] = []
    first_read: list[Record] = []

    def give_up(partitions: Collection[TopicPartition]) -> None:
        # What is in flight gets applied before the other member has the partition.
        first.commit(after(first_read))
        handed.extend(partitions)

    first = join(tables, give_up)
    first_read.extend(read(first, 80))
    everything = set(first.assignment())
    second = join(tables)

    def both() -> None:
        assert first.poll(10, 0.1) == []
        assert second.poll(10, 0.1) == [], "applied changes came again"

    until(
        "the assignment",
        lambda: (
            bool(second.assignment()) and {*first.assignment(), *second.assignment()} == everything
        ),
        step=both,
    )
    assert not {*first.assignment()} & {*second.assignment()}
    assert set(handed) == {*second.assignment()}
    publish(writer, [change(n, table=table, lsn=2) for n in range(40) for table in tables])
    more: list[Record] = []
    until(
        "records",
        lambda: len(more) >= 80,
        step=lambda: more.extend([*first.poll(100, 0.1), *second.poll(100, 0.1)]),
    )
    assert len(more) == 80
    assert {record.change.lsn for record in more} == {2}


def test_a_commit_of_another_members_partition_is_dropped(
    log: ChangeLog, group: str, join: Join, writer: ChangeWriter
) -> None:
    tables = [USERS, ORDERS]
    start(log, group, tables)
    first = join(tables)
    until("the assignment", lambda: bool(first.assignment()), step=lambda: first.poll(1, 0.1))
    second = join(tables)
    until(
        "the assignment",
        lambda: bool(second.assignment()),
        step=lambda: (first.poll(1, 0.1), second.poll(1, 0.1)),
    )
    theirs = next(iter(second.assignment()))
    before = log.groups.committed(group, tables).get(theirs)
    first.commit({theirs: 0 if before is None else before + 1000})
    assert log.groups.committed(group, tables).get(theirs) == before


def test_the_partitions_of_a_member_that_left_go_to_the_others(
    log: ChangeLog, group: str, join: Join
) -> None:
    tables = [USERS, ORDERS]
    start(log, group, tables)
    first, second = join(tables), join(tables)
    until(
        "the assignment",
        lambda: bool(first.assignment() and second.assignment()),
        step=lambda: (first.poll(1, 0.1), second.poll(1, 0.1)),
    )
    everything = {*first.assignment(), *second.assignment()}
    first.close()
    until(
        "the assignment",
        lambda: {*second.assignment()} == everything,
        step=lambda: second.poll(1, 0.1),
    )


def test_positions_before_a_commit_are_absent_and_after_a_reset_present(
    log: ChangeLog, group: str, join: Join
) -> None:
    assert log.groups.committed(group, [USERS]) == {}
    ends = log.groups.ends([USERS])
    log.groups.reset(group, ends)
    assert log.groups.committed(group, [USERS]) == ends
    assert log.groups.retains(group)


def test_a_group_with_members_is_not_reset(log: ChangeLog, group: str, join: Join) -> None:
    start(log, group)
    reader = join()
    until("the assignment", lambda: bool(reader.assignment()), step=lambda: reader.poll(1, 0.2))
    with pytest.raises(RetryableError):
        log.groups.reset(group, log.groups.ends([USERS]))


def test_a_group_is_listed_once_it_has_offsets(log: ChangeLog, group: str) -> None:
    assert group not in log.groups.names()
    start(log, group)
    assert group in log.groups.names()
    log.groups.forget(group)
    assert group not in log.groups.names()


def test_a_group_can_be_forgotten_twice(log: ChangeLog, group: str, writer: ChangeWriter) -> None:
    start(log, group)
    log.groups.forget(group)
    log.groups.forget(group)
    assert log.groups.committed(group, [USERS]) == {}
    acknowledged = publish(writer, [change(1)])
    until("acknowledgements", lambda: len(acknowledged) == 1, step=lambda: writer.poll(0.2))


def test_a_group_with_members_is_not_forgotten(log: ChangeLog, group: str, join: Join) -> None:
    start(log, group)
    reader = join()
    until("the assignment", lambda: bool(reader.assignment()), step=lambda: reader.poll(1, 0.2))
    with pytest.raises(RetryableError):
        log.groups.forget(group)


def test_ends_count_what_was_published(
    log: ChangeLog, group: str, writer: ChangeWriter, join: Join
) -> None:
    start(log, group)
    before = sum(log.groups.ends([USERS]).values())
    publish(writer, [change(number) for number in range(25)])
    read(join(), 25)
    assert sum(log.groups.ends([USERS]).values()) == before + 25


def test_a_position_out_of_range_is_fatal(log: ChangeLog, group: str, join: Join) -> None:
    log.groups.reset(group, dict.fromkeys(log.groups.ends([USERS]), 1_000_000))
    reader = join()
    with pytest.raises(FatalError):
        until("an error", lambda: False, step=lambda: reader.poll(1, 0.5))


def test_nothing_is_missing_once_prepared(log: ChangeLog) -> None:
    log.prepare([USERS, ORDERS])
    assert log.missing([USERS, ORDERS]) == []
