"""A broker that is killed and comes back: degraded meanwhile, and nothing lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.errors import RetryableError
from flusso_shared.seams import TopicPartition
from stacklib.layout import Layout
from stacklib.stack import Stack
from support.kits.change_logs import (
    USERS,
    after,
    change,
    connection,
    patiently,
    publish,
    read,
    start,
)
from support.servers.folder import server_folder
from support.servers.own_kafka import own_kafka
from support.waiting import until

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("brokers of an outage")]


class Broker:
    """A Kafka of the test's own, which it may kill."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def address(self) -> str:
        return self._stack.addresses()["kafka"]

    def kill(self) -> None:
        (state,) = self._stack.status()
        assert state.pid is not None
        os.kill(state.pid, signal.SIGKILL)
        until("the end of the broker", lambda: self._stack.status()[0].pid is None)

    def start(self) -> None:
        self._stack.up()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with server_folder() as folder:
        stack = Stack(Layout.temporary(folder), only=["kafka"])
        try:
            stack.up()
            yield Broker(stack)
        finally:
            stack.wipe()


def test_everything_is_acknowledged_and_applied_once_the_broker_is_back(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 2.0)
    log = KafkaLog(connection(broker.address, "outage", queue_buffering_max_messages=300))
    log.prepare([USERS])
    start(log, "outage.group")
    writer = log.writer()
    before = publish(writer, [change(number, lsn=1) for number in range(100)])
    until("acknowledgements", lambda: len(before) == 100, step=lambda: writer.poll(0.2))
    reader = log.reader("outage.group", [USERS], lambda _: None)
    reader.commit(after(read(reader, 100)))

    broker.kill()
    meanwhile: list[int] = []
    taken = 0
    while taken < 1000 and writer.publish(
        change(taken % 100, lsn=2 + taken),
        lambda number=taken: meanwhile.append(number),  # type: ignore[misc]
    ):
        taken += 1
    assert taken == 300, "the buffer has its bound, and no error"
    writer.poll(0.5)
    assert reader.poll(10, 0.5) == []
    with pytest.raises(RetryableError, match=broker.address):
        log.groups.ends([USERS])
    with pytest.raises(RetryableError):
        log.prepare([USERS])
    assert meanwhile == []

    broker.start()
    until("acknowledgements", lambda: len(meanwhile) == taken, step=lambda: writer.poll(0.2))
    assert sorted(meanwhile) == list(range(taken))
    seen: dict[tuple[str, ...], int] = {}
    for record in read(reader, taken):
        assert record.change.lsn > seen.get(record.change.key, 0)
        seen[record.change.key] = record.change.lsn
        reader.commit(
            {TopicPartition(*record.position[:2]): record.position.offset + 1}
            if record.position.offset % 50 == 0
            else {}
        )
    assert reader.poll(10, 0.3) == []

    # What fails at first because leaders have changed gets better with the next tries.
    log.control.put("lineage", {"slot": "a"})
    assert patiently(log.control.load) == {"lineage": {"slot": "a"}}
    patiently(lambda: log.groups.ends([USERS]))

    # Shutting down does not wait for a broker.
    broker.kill()
    began = time.monotonic()
    publish(writer, [change(1)])
    reader.close()
    writer.close(0.5)
    log.close()
    assert time.monotonic() - began < 10


def test_a_broker_that_is_gone_is_not_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Case 10: the client library keeps asking one that its picture of the cluster still has, in a busy loop."""
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 5.0)
    with own_kafka(brokers=2) as cluster:
        log = KafkaLog(connection(cluster.address, "one.gone"))
        log.prepare([USERS])
        cluster.brokers[1].kill()
        failures = 0
        for _ in range(20):
            try:
                log.prepare([USERS])
            except RetryableError:
                failures += 1
        assert failures <= 2
        log.close()
