"""Says when a pipeline has nothing left to do, looking at the servers only: the slot and the groups."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from support.waiting import patient, until_none

_TIMEOUT = patient(10.0)
_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,
)


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
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            lsn = self._mark(connection)
            until_none("confirmed", lambda: self._unconfirmed(connection, lsn), deadline)
        if self.topic_prefix is not None:
            groups = _Groups(self.kafka, f"{self.topic_prefix}.")
            with closing(groups):
                until_none("consumed", groups.unconsumed, deadline)

    def _mark(self, connection: psycopg.Connection) -> str:
        """The position before a last published change, so that confirming that change passes it."""
        row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
        connection.execute(self.last_change.encode())
        return str(row[0])

    def _unconfirmed(self, connection: psycopg.Connection, lsn: str) -> str | None:
        row = connection.execute(
            "SELECT confirmed_flush_lsn::text, confirmed_flush_lsn > %s::pg_lsn"
            " FROM pg_replication_slots WHERE slot_name = %s",
            (lsn, self.slot),
        ).fetchone()
        if row is None:
            return f"there is no slot {self.slot}"
        return None if row[1] else f"slot {self.slot} is at {row[0]}, wanted past {lsn}"


class _Groups:
    """The consumer groups and topics whose names start with `prefix`; one client for each, until closed."""

    def __init__(self, servers: str, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix
        self._admin = AdminClient({"bootstrap.servers": servers})
        self._consumers: dict[str, Consumer] = {}

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def unconsumed(self) -> str | None:
        """What the groups have not committed yet, or why that is not known; None when there is nothing."""
        try:
            return self._late()
        except KafkaException as error:
            return f"Kafka does not tell: {error}"  # too busy, perhaps; the deadline ends it

    def _late(self) -> str | None:
        groups = self._admin.list_consumer_groups(request_timeout=_TIMEOUT).result().valid
        mine = [item.group_id for item in groups if item.group_id.startswith(self._prefix)]
        if not mine:
            return f"no consumer group starts with {self._prefix}"
        topics = self._admin.list_topics(timeout=_TIMEOUT).topics.values()
        partitions = [
            TopicPartition(str(topic.topic), number)
            for topic in topics
            if str(topic.topic).startswith(self._prefix)
            for number in topic.partitions
        ]
        late = [lag for group in mine for lag in self._lags(group, partitions)]
        return ", ".join(late) or None

    def _lags(self, group: str, partitions: list[TopicPartition]) -> list[str]:
        """What a group has not committed yet, per partition."""
        committed = self._consumer(group).committed(partitions, timeout=_TIMEOUT)
        known = [at for at in committed if at.offset >= 0]
        ends = end_offsets(self._admin, [(at.topic, at.partition) for at in known])
        return [
            f"{group}: {at.topic}[{at.partition}] at {at.offset} of {ends[at.topic, at.partition]}"
            for at in known
            if at.offset < ends[at.topic, at.partition]
        ]

    def _consumer(self, group: str) -> Consumer:
        # Not by the admin client: see `flusso_shared.changelog.kafka.group_offsets`.
        if group not in self._consumers:
            settings = {"bootstrap.servers": self._servers, "group.id": group}
            self._consumers[group] = Consumer(settings)
        return self._consumers[group]


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
