"""Control records in a compacted Kafka topic of one partition."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.client import REQUEST_TIMEOUT_SECONDS, Clients
from flusso_shared.changelog.kafka.errors import PARTITION_EOF, error_of
from flusso_shared.changelog.kafka.partitions import to_confluent
from flusso_shared.errors import FatalError, FlussoError, RetryableError
from flusso_shared.seams import TopicPartition

logger = logging.getLogger(__name__)

_PUT_TIMEOUT_MS = 30_000
_FETCH_WAIT_MS = 20
_NEW_LEADER_SECONDS = 30.0
"""Seconds that a topic may seem shorter than it was."""


class ControlTopic:
    """`Control` over one topic.  Thread-safe; its clients are made when they are first needed."""

    def __init__(self, clients: Clients, admin: Admin, topic: str) -> None:
        self._clients = clients
        self._admin = admin
        self._topic = topic
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._next = 0
        """The offset after the last record that `_records` has."""
        self._records: dict[str, dict[str, Any]] = {}
        self._shorter_since: float | None = None

    def load(self) -> dict[str, dict[str, Any]]:
        """Reads on from where the last call came to."""
        with self._lock:
            try:
                self._read_to_end()
            except KafkaException as error:
                raise self._clients.translate(error_of(error), f"read {self._topic}") from error
            return {key: dict(value) for key, value in self._records.items()}

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        outcome: list[KafkaError | None] = []
        with self._lock:
            producer = self._writing()
            try:
                producer.produce(
                    self._topic,
                    json.dumps(dict(value), separators=(",", ":")).encode(),
                    key.encode(),
                    on_delivery=lambda error, _: outcome.append(error),
                )
            except (KafkaException, BufferError) as error:
                raise self._not_put(str(error)) from error
            producer.flush(_PUT_TIMEOUT_MS / 1000 + 5)
        if not outcome:
            raise self._not_put("no answer in time")
        if (failed := outcome[0]) is not None:
            self._producer = None
            raise self._clients.translate(failed, f"write to {self._topic}")

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
            self._consumer = self._producer = None
            self._next = 0
            self._records = {}

    def _not_put(self, reason: str) -> FlussoError:
        return RetryableError(f"cannot write to {self._topic}: {reason}")

    def _writing(self) -> Producer:
        if self._producer is None:
            self._producer = self._clients.producer(
                self._clients.errors(), linger_ms=0, message_timeout_ms=_PUT_TIMEOUT_MS
            )
        return self._producer

    def _reading(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._clients.consumer(
                self._clients.errors(),
                # No group is joined: the partition is assigned by hand and nothing is committed.
                group_id=f"{self._topic}.reader",
                auto_offset_reset="earliest",
                fetch_wait_max_ms=_FETCH_WAIT_MS,
            )
        return self._consumer

    def _read_to_end(self) -> None:
        partition = TopicPartition(self._topic, 0)
        end = self._admin.latest([partition])[partition]
        if end < self._next:
            self._notice_shorter()
        self._shorter_since = None
        if end == self._next:
            return
        consumer = self._reading()
        # Assigned only while there is something to read: nothing is asked of the broker in between.
        consumer.assign([to_confluent(partition, self._next)])
        try:
            self._read(consumer, end)
        finally:
            consumer.unassign()

    def _notice_shorter(self) -> None:
        """A leader that was elected just now may not know the end yet; else it is another topic of that name."""
        now = time.monotonic()
        if self._shorter_since is None:
            self._shorter_since = now
        if now - self._shorter_since < _NEW_LEADER_SECONDS:
            raise RetryableError(f"{self._topic} ends before what was read of it: a new leader?")
        logger.error(
            "%s was deleted and created again: it is read from its beginning",
            self._topic,
            extra={"action": "control_topic_recreated"},
        )
        self._next, self._records = 0, {}

    def _read(self, consumer: Consumer, end: int) -> None:
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        while self._next < end:
            message = consumer.poll(max(0.0, deadline - time.monotonic()))
            if message is not None:
                self._take(message)
            elif time.monotonic() >= deadline:
                raise RetryableError(f"cannot read {self._topic} to its end: no answer in time")

    def _take(self, message: Message) -> None:
        error = message.error()
        offset = message.offset()
        if error is not None:
            if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                # The client looks for the coordinator of its group, which it never joins: no right is needed for that.
                return
            if error.code() != PARTITION_EOF:
                raise self._clients.translate(error, f"read {self._topic}")
            # What compaction removed at the tail never comes.
            self._next = max(self._next, offset or 0)
            return
        self._next = (offset or 0) + 1
        key, value = message.key(), message.value()
        if key is None or value is None:
            return
        try:
            self._records[_text(key)] = dict(json.loads(_text(value)))
        except ValueError as refused:
            raise FatalError(
                f"offset {offset} of {self._topic} is no control record ({refused}); "
                "no other program may write to it: give flusso a `topic_prefix` of its own"
            ) from refused


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode()
