"""Publishing to a real broker: sizes, bounds, partitions, broken connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flusso_shared.change import Change, Op
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.errors import RetryableError
from services import Services
from support.kits.change_logs import USERS, change, connection, publish, read, start
from support.proxies.tcp_proxy import TcpProxy
from support.waiting import until

pytestmark = pytest.mark.services

GROUP = "users_01234567_1"


@pytest.fixture
def topic(topic_prefix: str) -> str:
    return f"{topic_prefix}.public.users"


def raw(servers: str, topic: str, count: int) -> list[Any]:
    """The first messages of a topic's first partitions, as Kafka has them."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{topic}.raw"})
    try:
        found = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in found])
        messages: list[Any] = []
        until(
            "records",
            lambda: len(messages) >= count,
            step=lambda: messages.extend(consumer.consume(count - len(messages), 0.5)),
        )
        return messages
    finally:
        consumer.close()


def test_partitions_are_those_of_javas_default(
    services: Services, topic_prefix: str, topic: str
) -> None:
    """Expected values from Java: `Utils.toPositive(Utils.murmur2(key)) % 8`, by hand below."""
    log = KafkaLog(connection(services.kafka, topic_prefix, partitions=8))
    log.prepare([USERS])
    writer = log.writer()
    keys = [*range(40), "a", "ab", "abc", "ü"]
    publish(writer, [change(key) for key in keys])
    writer.close(10)
    for message in raw(services.kafka, topic, len(keys)):
        assert message.partition() == (murmur2(message.key()) & 0x7FFFFFFF) % 8


def test_the_hash_itself_is_the_known_one() -> None:
    """From Kafka's own UtilsTest."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for key, expected in known.items():
        found = murmur2(key)
        assert found - (1 << 32 if found & 0x80000000 else 0) == expected


def test_a_delete_is_followed_by_its_tombstone(
    services: Services, topic_prefix: str, topic: str
) -> None:
    log = KafkaLog(connection(services.kafka, topic_prefix))
    log.prepare([USERS])
    writer = log.writer()
    acknowledged = publish(writer, [change(1, Op.DELETE)])
    until("acknowledgements", lambda: len(acknowledged) == 1, step=lambda: writer.poll(0.2))
    writer.close(1)
    first, second = raw(services.kafka, topic, 2)
    assert first.key() == second.key() == b'["1"]'
    assert first.value() is not None
    assert second.value() is None
    assert first.partition() == second.partition()


def test_a_full_buffer_refuses_and_nothing_is_lost(services: Services, topic_prefix: str) -> None:
    queue = connection(services.kafka, topic_prefix, queue_buffering_max_messages=20, linger_ms=0)
    log = KafkaLog(queue)
    log.prepare([USERS])
    group = f"{topic_prefix}.{GROUP}"
    start(log, group)
    writer = log.writer()
    acknowledged: list[int] = []
    refused = 0
    sent = [change(number, Op.DELETE if number % 3 else Op.UPDATE) for number in range(500)]
    for number, each in enumerate(sent):
        while not writer.publish(each, lambda n=number: acknowledged.append(n)):  # type: ignore[misc]
            refused += 1
            writer.poll(0.1)
    until("acknowledgements", lambda: len(acknowledged) >= 500, step=lambda: writer.poll(0.2))
    writer.close(1)
    assert refused
    assert sorted(acknowledged) == list(range(500))
    reader = log.reader(group, [USERS], lambda _: None)
    found = {record.change.key for record in read(reader, 500)}
    reader.close()
    assert found == {each.key for each in sent}


def test_a_row_too_large_for_a_message_loses_its_largest_values_only(
    services: Services, topic_prefix: str
) -> None:
    keep = {USERS: ("id", "owner_id")}
    log = KafkaLog(connection(services.kafka, topic_prefix), keep)
    log.prepare([USERS])
    group = f"{topic_prefix}.{GROUP}"
    start(log, group)
    writer = log.writer()
    image = {"id": "1", "owner_id": "7", "name": "n" * 1000}
    # 60 columns that capture lets pass one by one come to more than the broker takes.
    image |= {f"column{number}": "x" * 60_000 for number in range(60)}
    acknowledged = publish(
        writer, [Change(Op.UPDATE, USERS, ("1",), dict(image), image), change(2)]
    )
    until("acknowledgements", lambda: len(acknowledged) == 2, step=lambda: writer.poll(0.2))
    writer.close(1)
    reader = log.reader(group, [USERS], lambda _: None)
    by_key = {record.change.key[0]: record.change for record in read(reader, 2)}
    reader.close()
    after = by_key["1"].after
    assert after is not None
    assert (after["owner_id"], after["name"]) == ("7", "n" * 1000)
    assert set(after) | set(by_key["1"].omitted) == set(image)


def test_a_topic_that_takes_less_than_usual_is_respected(
    services: Services, topic_prefix: str, topic: str
) -> None:
    admin = AdminClient({"bootstrap.servers": services.kafka})
    new = NewTopic(
        topic,
        num_partitions=1,
        replication_factor=1,
        config={"max.message.bytes": "20000", "cleanup.policy": "compact"},
    )
    admin.create_topics([new])[topic].result(30)
    log = KafkaLog(connection(services.kafka, topic_prefix))
    log.prepare([USERS])
    writer = log.writer()
    # Not to be compressed away.
    noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(8000))
    changes = [
        Change(Op.UPDATE, USERS, (str(n),), None, {"id": str(n), "text": noise[: 60 * n]})
        for n in range(1, 133)
    ]
    acknowledged = publish(writer, changes)
    until(
        "acknowledgements", lambda: len(acknowledged) == len(changes), step=lambda: writer.poll(0.2)
    )
    writer.close(1)


@pytest.fixture
def proxied(services: Services) -> Iterator[TcpProxy]:
    """A way to the broker that can be cut; only the bootstrap connection goes through it."""
    host, _, port = services.kafka.rpartition(":")
    with TcpProxy((host, int(port))) as proxy:
        yield proxy


def test_a_cut_bootstrap_connection_is_made_again(
    services: Services, topic_prefix: str, proxied: TcpProxy
) -> None:
    KafkaLog(connection(services.kafka, topic_prefix)).prepare([USERS])
    proxied.cut()
    log = KafkaLog(connection(proxied.address, topic_prefix))
    writer = log.writer()
    acknowledged = publish(writer, [change(number) for number in range(100)])
    writer.poll(0.5)
    assert acknowledged == []
    proxied.resume()
    until("acknowledgements", lambda: len(acknowledged) == 100, step=lambda: writer.poll(0.2))
    writer.close(1)


def test_a_writer_closed_without_a_broker_acknowledges_nothing(topic_prefix: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        log = KafkaLog(connection(f"127.0.0.1:{silent.getsockname()[1]}", topic_prefix))
        writer = log.writer()
        acknowledged = publish(writer, [change(1, Op.DELETE)])
        writer.close(0.2)
    assert acknowledged == []


def test_a_topic_that_disappears_makes_the_writer_start_again(
    services: Services, topic_prefix: str, topic: str
) -> None:
    queue = connection(services.kafka, topic_prefix, topic_metadata_propagation_max_ms=500)
    log = KafkaLog(queue)
    writer = log.writer()
    publish(writer, [change(1)])
    with pytest.raises(RetryableError, match="flusso-capture creates its topics"):
        until("an error", lambda: False, step=lambda: writer.poll(0.2))
    writer.close(0)


def murmur2(data: bytes) -> int:
    """Austin Appleby's hash with Kafka's seed, as 32 unsigned bits."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    state = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        state = state * factor & mask ^ word
    if data[whole:]:
        state = (state ^ int.from_bytes(data[whole:], "little")) * factor & mask
    state = (state ^ state >> 13) * factor & mask
    return state ^ state >> 15
