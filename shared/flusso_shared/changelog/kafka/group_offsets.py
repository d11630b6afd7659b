"""Reads and sets the offsets of consumer groups from outside, each through a consumer without a subscription.

Not through the admin client: librdkafka hands an answer that names another coordinator (or none yet) to the
consumer group of the client that asked (`rd_kafka_handle_OffsetFetch`, `rd_kafka_handle_OffsetCommit`).  An admin
client has none, and the process ends with a segmentation fault.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from flusso_shared.changelog.kafka.client import REQUEST_TIMEOUT_SECONDS, ClientErrors, Clients
from flusso_shared.changelog.kafka.errors import UNREACHED, error_of
from flusso_shared.changelog.kafka.partitions import from_confluent, to_confluent
from flusso_shared.errors import FlussoError, RetryableError
from flusso_shared.seams import Offsets, TopicPartition

_POLL_SECONDS = 0.05
_IDLE_SECONDS = 120.0
"""How long the connections of a group that is not asked for are kept."""


class GroupOffsets:
    """The offsets of groups.  Thread-safe; one request at a time for each group."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._outsiders: dict[str, _Outsider] = {}

    def committed(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The group's offsets, where it has any."""
        return self._outsider(group).committed(partitions) if partitions else {}

    def reset(self, group: str, offsets: Offsets) -> None:
        """Set the group's offsets.  Raises `RetryableError` while it has members."""
        if offsets:
            self._outsider(group).reset(offsets)

    def close(self, group: str | None = None) -> None:
        """Close the connections of one group, or of all.  They are made again when they are needed."""
        with self._lock:
            names = list(self._outsiders) if group is None else [group]
            closing = [self._outsiders.pop(name) for name in names if name in self._outsiders]
        for outsider in closing:
            outsider.close()

    def _outsider(self, group: str) -> _Outsider:
        now = time.monotonic()
        with self._lock:
            found = self._outsiders.setdefault(group, _Outsider(self._clients, group))
            found.used_at = now
            idle = [
                name
                for name, outsider in self._outsiders.items()
                if now - outsider.used_at > _IDLE_SECONDS
            ]
        for name in idle:
            self.close(name)
        return found


class _Outsider:
    """A consumer with the id of a group that it never joins."""

    def __init__(self, clients: Clients, group: str) -> None:
        self.used_at = 0.0
        self._clients = clients
        self._group = group
        self._lock = threading.Lock()
        self._errors: ClientErrors = clients.errors()
        self._consumer: Consumer | None = None
        self._answer: tuple[KafkaError | None, list[KafkaPartition]] | None = None

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        doing = f"read the offsets of group {self._group}"
        with self._lock:
            try:
                found = self._open().committed(
                    [to_confluent(each) for each in partitions], timeout=REQUEST_TIMEOUT_SECONDS
                )
            except KafkaException as error:
                raise self._translated(error_of(error), doing) from error
            return self._readable(found, doing)

    def reset(self, offsets: Offsets) -> None:
        doing = f"set the offsets of group {self._group} (it must have no members)"
        with self._lock:
            consumer = self._open()
            self._answer = None
            try:
                # A commit that is waited for has no deadline.
                consumer.commit(
                    offsets=[to_confluent(each, offset) for each, offset in offsets.items()],
                    asynchronous=True,
                )
                error, partitions = self._answered(consumer, doing)
            except KafkaException as exception:
                raise self._translated(error_of(exception), doing) from exception
            if error is not None:
                raise self._translated(error, doing)
            self._readable(partitions, doing)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._clients.consumer(
                self._errors, on_commit=self._take_answer, group_id=self._group
            )
        return self._consumer

    def _take_answer(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        self._answer = error, partitions

    def _answered(
        self, consumer: Consumer, doing: str
    ) -> tuple[KafkaError | None, list[KafkaPartition]]:
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        while self._answer is None:
            if time.monotonic() > deadline:
                # It must not be sent later, when the group has moved on.
                self._drop()
                raise RetryableError(f"cannot {doing}: no answer from {self._servers}")
            consumer.poll(_POLL_SECONDS)
        return self._answer

    def _readable(
        self, partitions: Collection[KafkaPartition], doing: str
    ) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = {}
        for at in partitions:
            if at.error is not None:
                raise self._translated(at.error, doing)
            if at.offset >= 0:
                found[from_confluent(at)] = at.offset
        return found

    def _translated(self, error: KafkaError, doing: str) -> FlussoError:
        """`errors.translate`, looking through "timed out" at what is behind it."""
        if error.code() not in UNREACHED or self._consumer is None:
            return self._clients.translate(error, doing)
        self._consumer.poll(0)
        return self._errors.translate(error, f"{doing} at {self._servers}")

    def _drop(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    @property
    def _servers(self) -> str:
        return self._clients.connection.bootstrap_servers
