"""Creates the topics, and looks at those that are there already."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType

from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.client import REQUEST_TIMEOUT_SECONDS, Clients
from flusso_shared.changelog.kafka.errors import error_of
from flusso_shared.changelog.topic_names import control_topic, topic_name
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import TopicPartition

logger = logging.getLogger(__name__)

_SEVEN_DAYS_MS = 7 * 24 * 3600 * 1000
_LEADER_POLL_SECONDS = 0.05
_FRAMING_BYTES = 1024
"""More than a record batch of one record takes beyond key and value."""


class Topics:
    """The topics of one prefix.  `max_message_bytes` is what all topics seen so far take."""

    def __init__(self, clients: Clients, admin: Admin) -> None:
        self._queue = clients.connection
        self._admin = admin
        self.max_message_bytes = clients.max_message_bytes
        self._warned: set[str] = set()

    @property
    def control(self) -> str:
        return control_topic(self._queue.topic_prefix)

    def name(self, table: TableName) -> str:
        return topic_name(self._queue.topic_prefix, table)

    def missing(self, tables: Collection[TableName]) -> list[str]:
        """Which of the tables' topics, and the control topic, do not exist."""
        wanted = [self.control, *sorted({self.name(table) for table in tables})]
        found = self._admin.partitions(wanted)
        return [topic for topic in wanted if topic not in found]

    def prepare(self, tables: Collection[TableName]) -> dict[TableName, str]:
        """Create what is missing; look at the rest.  Gives the topics' ids, which no other topic ever has."""
        missing = self.missing(tables)
        for topic in missing:
            self._create(topic, 1 if topic == self.control else self._queue.partitions)
        self._await_leaders(missing)
        self._inspect([self.control, *sorted({self.name(table) for table in tables})])
        ids = self._admin.ids({self.name(table) for table in tables})
        return {table: ids[self.name(table)] for table in tables if self.name(table) in ids}

    def _create(self, topic: str, partitions: int) -> None:
        new = NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=self._queue.replication_factor,
            config={
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": str(_SEVEN_DAYS_MS),
            },
        )
        future = self._admin.client.create_topics(
            [new],
            request_timeout=REQUEST_TIMEOUT_SECONDS,
            operation_timeout=REQUEST_TIMEOUT_SECONDS,
        )[topic]
        try:
            future.result(REQUEST_TIMEOUT_SECONDS * 2)
        except KafkaException as error:
            self._creation_failed(topic, error)
        else:
            logger.info(
                "created topic %s with %d partitions",
                topic,
                partitions,
                extra={"action": "topic_created", "topic": topic},
            )

    def _await_leaders(self, topics: list[str]) -> None:
        """Wait until every partition of topics just created answers; they do within moments."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        pause = threading.Event()
        while True:
            try:
                self._require_leaders(topics)
            except RetryableError:
                if time.monotonic() >= deadline:
                    raise
                pause.wait(_LEADER_POLL_SECONDS)
            else:
                return

    def _require_leaders(self, topics: list[str]) -> None:
        found = self._admin.partitions(topics)
        if absent := [topic for topic in topics if topic not in found]:
            raise RetryableError(f"topics just created do not appear: {', '.join(absent)}")
        self._admin.latest(
            [TopicPartition(topic, number) for topic in topics for number in found[topic]]
        )

    def _creation_failed(self, topic: str, exception: KafkaException) -> None:
        error = error_of(exception)
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        if error.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            raise FatalError(
                f"cannot create topic {topic} with {self._queue.replication_factor} replicas:"
                f" {error.str()}; set `replication_factor` in [queue] to at most the number of brokers"
            ) from exception
        raise self._admin.translated(error, f"create topic {topic}") from exception

    def _inspect(self, topics: list[str]) -> None:
        """Warn of topics that would lose or keep too much, and learn how large a message they take."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        asked = self._admin.client.describe_configs(
            resources, request_timeout=REQUEST_TIMEOUT_SECONDS
        )
        for resource, future in asked.items():
            try:
                found = future.result(REQUEST_TIMEOUT_SECONDS * 2)
            except KafkaException as error:
                # The user may lack the permission to read settings, and a topic just created may not be everywhere yet.
                logger.debug("cannot read the settings of topic %s: %s", resource.name, error)
                continue
            limit = found.get("max.message.bytes")
            if limit is not None and limit.value is not None:
                taken = int(limit.value) - _FRAMING_BYTES
                self.max_message_bytes = min(self.max_message_bytes, taken)
            policy = found.get("cleanup.policy")
            self._check_policy(resource.name, policy.value if policy is not None else None)

    def _check_policy(self, topic: str, policy: str | None) -> None:
        if policy in (None, "compact") or topic in self._warned:
            return
        self._warned.add(topic)
        logger.warning(
            "topic %s has cleanup.policy=%s: rows that do not change for long get lost from it, and a new "
            "index would miss them; set cleanup.policy=compact on it",
            topic,
            policy,
            extra={"action": "topic_policy", "topic": topic},
        )
