"""Requests to the brokers about topics and their offsets, and the deletion of groups; errors are translated.

Offsets of groups are `group_offsets`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future, TimeoutError
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, OffsetSpec

from flusso_shared.changelog.kafka.client import REQUEST_TIMEOUT_SECONDS, Clients
from flusso_shared.changelog.kafka.errors import (
    STALE_LEADER,
    TIMED_OUT,
    UNKNOWN_TOPIC,
    UNREACHED,
    error_of,
)
from flusso_shared.changelog.kafka.partitions import from_confluent, to_confluent
from flusso_shared.errors import FlussoError, RetryableError
from flusso_shared.seams import TopicPartition

T = TypeVar("T")

_REFRESH_TIMEOUT_SECONDS = 3.0
"""Seconds for a request that any broker answers which is connected; a failed one waits for no more."""


class Admin:
    """One admin client, made when it is first needed.  Thread-safe."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._errors = clients.errors()
        self._lock = threading.Lock()
        self._client: AdminClient | None = None

    @property
    def client(self) -> AdminClient:
        with self._lock:
            if self._client is None:
                self._client = self._clients.admin(self._errors)
            return self._client

    def done(self, future: Future[T], doing: str) -> T:
        """The future's result, or its error translated."""
        try:
            return future.result(REQUEST_TIMEOUT_SECONDS * 2)
        except KafkaException as error:
            raise self.translated(error_of(error), doing) from error
        except TimeoutError as error:
            raise RetryableError(f"cannot {doing}: no answer from {self._servers}") from error

    def translated(self, error: KafkaError, doing: str) -> FlussoError:
        """`errors.translate`, looking through "timed out" at what is behind it."""
        # Serves the callback for errors: it keeps what is behind this one, and renews a password that was replaced.
        self.client.poll(0)
        if error.code() in STALE_LEADER or error.code() in UNREACHED:
            self._refresh()
        if error.code() not in UNREACHED:
            return self._clients.translate(error, doing)
        self.client.poll(0)
        return self._errors.translate(error, f"{doing} at {self._servers}")

    def _refresh(self) -> None:
        """Read the brokers and leaders again: an admin client that saw a broker restart, or go, does not do so by
        itself.  It would ask the broker that is gone for ever, and try to connect to it in a busy loop meanwhile.
        """
        with contextlib.suppress(KafkaException):
            self.client.list_topics(timeout=_REFRESH_TIMEOUT_SECONDS)

    @property
    def _servers(self) -> str:
        return self._clients.connection.bootstrap_servers

    # --- topics -------------------------------------------------------------------------------------

    def partitions(self, topics: Collection[str]) -> dict[str, list[int]]:
        """The partitions of those of `topics` that exist."""
        found = self._described(topics)
        return {name: [info.id for info in topic.partitions] for name, topic in found.items()}

    def ask(self, topic: str) -> None:
        """Ask for the metadata of a topic, which may be missing, at any broker that is connected.

        A request of the other kind goes to one broker in particular, which may be the one that is gone.
        """
        try:
            self.client.list_topics(topic, timeout=_REFRESH_TIMEOUT_SECONDS)
        except KafkaException as error:
            self.client.poll(0)
            doing = f"reach a broker at {self._servers}"
            raise self._errors.translate(error_of(error), doing) from error

    def ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ids of those of `topics` that exist."""
        return {name: str(topic.topic_id) for name, topic in self._described(topics).items()}

    def _described(self, topics: Collection[str]) -> dict[str, Any]:
        if not topics:
            return {}
        asked = self.client.describe_topics(
            TopicCollection(list(topics)), request_timeout=REQUEST_TIMEOUT_SECONDS
        )
        found: dict[str, Any] = {}
        for topic, future in asked.items():
            if error := self._error(future):
                if error.code() in UNKNOWN_TOPIC:
                    continue
                raise self.translated(error, f"look at topic {topic}")
            found[topic] = future.result()
        return found

    def earliest(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the first record of each partition."""
        return self._offsets(partitions, OffsetSpec.earliest())

    def latest(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""
        return self._offsets(partitions, OffsetSpec.latest())

    def recent(
        self, partitions: Collection[TopicPartition], milliseconds: int
    ) -> dict[TopicPartition, int]:
        """The offset of the first record that is at most so much older than the newest of its partition.

        By the timestamps in the log alone: they are of another machine's clock.  Empty partitions are absent.
        """
        newest = self._listed(dict.fromkeys(partitions, OffsetSpec.max_timestamp()))
        since = {
            at: OffsetSpec.for_timestamp(max(0, info.timestamp - milliseconds))
            for at, info in newest.items()
            if info.offset >= 0
        }
        return {at: info.offset for at, info in self._listed(since).items() if info.offset >= 0}

    def _offsets(
        self, partitions: Collection[TopicPartition], spec: Any
    ) -> dict[TopicPartition, int]:
        return {
            at: info.offset for at, info in self._listed(dict.fromkeys(partitions, spec)).items()
        }

    def _listed(self, specs: Mapping[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        if not specs:
            return {}
        asked = self.client.list_offsets(
            {to_confluent(partition): spec for partition, spec in specs.items()},
            request_timeout=REQUEST_TIMEOUT_SECONDS,
        )
        return {
            from_confluent(at): self.done(future, f"read the offsets of {at.topic}")
            for at, future in asked.items()
        }

    # --- groups -------------------------------------------------------------------------------------

    def groups(self) -> list[str]:
        """The groups that the user may see."""
        doing = "list the consumer groups"
        asked = self.client.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_SECONDS)
        found = self.done(asked, doing)
        for error in found.errors:
            raise self.translated(error_of(error), doing) from error
        return [group.group_id for group in found.valid]

    def forget(self, group: str) -> None:
        """Delete the group, if there is one."""
        asked = self.client.delete_consumer_groups([group], request_timeout=REQUEST_TIMEOUT_SECONDS)
        error = self._error(asked[group])
        if error is not None and error.code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise self.translated(error, f"delete group {group}")

    @staticmethod
    def _error(future: Future[Any]) -> KafkaError | None:
        try:
            error = future.exception(REQUEST_TIMEOUT_SECONDS * 2)
        except TimeoutError:
            return KafkaError(TIMED_OUT)
        if error is None:
            return None
        if isinstance(error, KafkaException):
            return error_of(error)
        raise error
