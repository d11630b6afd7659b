"""Says when a pipeline has nothing left to do, looking at the servers only: the slot and the groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Place = tuple[str, int]
"""A topic and a partition of it."""

_TIMEOUT = 10.0
_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,
)


def wait_until(what: str, condition: Callable[[], str | None], deadline: float) -> None:
    """Wait until `condition` gives None.  What it gives otherwise says what is missing, for the failure."""
    end = time.monotonic() + deadline
    while (missing := condition()) is not None:
        assert time.monotonic() < end, f"{what}: not within {deadline:.0f} s: {missing}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Progress:
    """Where one pipeline's positions are to be found; `topic_prefix` is None for `flusso run`."""

    database_url: str
    slot: str
    kafka: str
    topic_prefix: str | None
    last_change: str = "UPDATE users SET email = email WHERE id = (SELECT min(id) FROM users)"
    """A published change that leaves the data as it is."""

    def wait_until_idle(self, deadline: float) -> None:
        """Wait until every change committed before the call is confirmed, and consumed by every group."""
        lsn = self._mark()
        wait_until("confirmed", lambda: self._unconfirmed(lsn), deadline)
        if self.topic_prefix is not None:
            wait_until("consumed", self._unconsumed, deadline)

    def _mark(self) -> str:
        """The position before a last published change, so that confirming that change passes it."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
            assert row is not None
            connection.execute(self.last_change.encode())
            return str(row[0])

    def _unconfirmed(self, lsn: str) -> str | None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT confirmed_flush_lsn::text, confirmed_flush_lsn > %s::pg_lsn"
                " FROM pg_replication_slots WHERE slot_name = %s",
                (lsn, self.slot),
            ).fetchone()
        if row is None:
            return f"there is no slot {self.slot}"
        return None if row[1] else f"slot {self.slot} is at {row[0]}, wanted past {lsn}"

    def _unconsumed(self) -> str | None:
        try:
            return self._late()
        except KafkaException as error:
            return f"Kafka does not tell: {error}"  # too busy, perhaps; the deadline ends it

    def _late(self) -> str | None:
        admin = AdminClient({"bootstrap.servers": self.kafka})
        groups = admin.list_consumer_groups(request_timeout=_TIMEOUT).result().valid
        mine = [
            item.group_id for item in groups if item.group_id.startswith(f"{self.topic_prefix}.")
        ]
        if not mine:
            return f"no consumer group starts with {self.topic_prefix}."
        topics = admin.list_topics(timeout=_TIMEOUT).topics.values()
        partitions = [
            (str(topic.topic), number)
            for topic in topics
            if str(topic.topic).startswith(f"{self.topic_prefix}.")
            for number in topic.partitions
        ]
        late = [
            f"{group}: {lag}"
            for group in mine
            for lag in _lags(admin, self.kafka, group, partitions)
        ]
        return ", ".join(late) or None


def end_offsets(
    admin: AdminClient, partitions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """The offset after the last record of each partition."""
    # The library's annotations have a gap here.
    latest: Any = OffsetSpec.latest()
    wanted = {TopicPartition(topic, number): latest for topic, number in partitions}
    end = time.monotonic() + _TIMEOUT
    while True:
        asked = admin.list_offsets(wanted, request_timeout=_TIMEOUT)
        try:
            return {
                (at.topic, at.partition): future.result().offset for at, future in asked.items()
            }
        except KafkaException as error:
            # A topic that was made a moment ago has no leader yet, and a broker may have been too busy to stay one.
            if time.monotonic() > end or error.args[0].code() not in _NO_LEADER_YET:
                raise
            time.sleep(0.1)


def _lags(admin: AdminClient, servers: str, group: str, partitions: Sequence[Place]) -> list[str]:
    """What a group has not committed yet, per partition."""
    # Not by the admin client: see `flusso_shared.kafka_offsets`.
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    try:
        wanted = [TopicPartition(topic, number) for topic, number in partitions]
        known = [at for at in consumer.committed(wanted, timeout=_TIMEOUT) if at.offset >= 0]
    finally:
        consumer.close()
    ends = end_offsets(admin, [(at.topic, at.partition) for at in known])
    return [
        f"{at.topic}[{at.partition}] at {at.offset} of {ends[at.topic, at.partition]}"
        for at in known
        if at.offset < ends[at.topic, at.partition]
    ]
