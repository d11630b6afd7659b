"""The change log over Kafka: puts writer, reader, groups and control of one cluster together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.kafka.control import ControlTopic
from flusso_shared.changelog.kafka.group_offsets import GroupOffsets
from flusso_shared.changelog.kafka.groups import KafkaGroups
from flusso_shared.changelog.kafka.reader import KafkaReader
from flusso_shared.changelog.kafka.topics import Topics
from flusso_shared.changelog.kafka.writer import KafkaWriter, Keep
from flusso_shared.config.model import QueueConnection
from flusso_shared.names import TableName
from flusso_shared.seams import TopicPartition


class KafkaLog:
    """A `ChangeLog` in Kafka.  Nothing is connected before the first call that needs it."""

    durable = True

    def __init__(
        self, connection: QueueConnection, keep: Keep | None = None, *, traced: bool = False
    ) -> None:
        """`keep` has the key and link columns of each table: they stay in a change however large it is.

        `traced`: whether readers give changes the trace in the headers of their records.
        """
        self._clients = Clients(connection)
        self._admin = Admin(self._clients)
        self._topics = Topics(self._clients, self._admin)
        self._offsets = GroupOffsets(self._clients)
        self._groups = KafkaGroups(self._admin, self._topics, self._offsets)
        self._control = ControlTopic(self._clients, self._admin, self._topics.control)
        self._keep: Keep = keep or {}
        self._traced = traced

    @property
    def where(self) -> str:
        return f"the change log in Kafka at {self._clients.connection.bootstrap_servers}"

    def prepare(self, tables: Collection[TableName]) -> dict[TableName, str]:
        return self._topics.prepare(tables)

    def missing(self, tables: Collection[TableName]) -> list[str]:
        return self._topics.missing(tables)

    def writer(self) -> KafkaWriter:
        return KafkaWriter(self._clients, self._topics, self._keep)

    def reader(
        self,
        group: str,
        tables: Sequence[TableName],
        on_revoked: Callable[[Collection[TopicPartition]], None],
    ) -> KafkaReader:
        topics = list(dict.fromkeys(self._topics.name(table) for table in tables))
        return KafkaReader(self._clients, group, topics, on_revoked, traced=self._traced)

    def holds_back(self, group: str, *, seeding: bool = False, overdue: bool = False) -> bool:
        return False

    @property
    def control(self) -> ControlTopic:
        return self._control

    @property
    def groups(self) -> KafkaGroups:
        return self._groups

    def ask_brokers(self) -> None:
        """Ask any broker for the control topic.  Raises `RetryableError` when none answers, or `FatalError`."""
        self._admin.ask(self._topics.control)

    def close(self) -> None:
        """Close what the log opened itself.  Writers and readers are closed by their owners."""
        self._offsets.close()
        self._control.close()
