"""Asks the brokers about the topics.  Creates nothing; brokers that do not answer are a warning."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType

from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.changelog.kafka.admin import Admin
from flusso_shared.changelog.kafka.client import Clients
from flusso_shared.changelog.kafka.errors import error_of
from flusso_shared.changelog.topic_names import control_topic, topic_name
from flusso_shared.config.model import QueueConnection
from flusso_shared.errors import FatalError, FlussoError
from flusso_shared.names import TableName

_ANSWER_TIMEOUT_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it stands."""

    name: str
    partitions: int
    policy: str | None
    """`cleanup.policy`; None when it may not be read."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What the brokers say."""

    brokers: int
    topics: Mapping[str, Topic]
    wanted: tuple[str, ...]
    """The control topic first."""

    @property
    def missing(self) -> list[str]:
        """Topics that capture has still to create."""
        return [name for name in self.wanted if name not in self.topics]


def ask(queue: QueueConnection, tables: Collection[TableName]) -> BrokerFacts:
    """The topics of `tables`.  Raises `FlussoError` when the brokers do not answer, or refuse to."""
    prefix = queue.topic_prefix
    wanted = (control_topic(prefix), *sorted(topic_name(prefix, table) for table in tables))
    admin = Admin(Clients(queue))
    try:
        brokers = len(admin.client.list_topics(timeout=_ANSWER_TIMEOUT_SECONDS).brokers)
    except KafkaException as error:
        raise admin.translated(error_of(error), "ask the brokers") from error
    found = admin.partitions(wanted)
    policies = _policies(admin, list(found))
    topics = {
        name: Topic(name, len(partitions), policies.get(name)) for name, partitions in found.items()
    }
    return BrokerFacts(brokers, topics, wanted)


def _policies(admin: Admin, topics: list[str]) -> dict[str, str]:
    """`cleanup.policy` of those that may be asked for it."""
    if not topics:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    found: dict[str, str] = {}
    for resource, future in admin.client.describe_configs(
        resources, request_timeout=_ANSWER_TIMEOUT_SECONDS
    ).items():
        error = future.exception(_ANSWER_TIMEOUT_SECONDS * 2)
        policy = None if error else future.result().get("cleanup.policy")
        if policy is not None and policy.value is not None:
            found[resource.name] = policy.value
    return found


def unreachable(error: FlussoError) -> Diagnostic:
    """The brokers did not answer, or refused to."""
    refused = isinstance(error, FatalError)
    return Diagnostic(
        "error" if refused else "warning",
        "brokers",
        str(error),
        subject="kafka",
        cure=""
        if refused
        else "start them, or look at bootstrap_servers of [queue]; topics were not checked",
    )


def check_brokers(queue: QueueConnection, facts: BrokerFacts) -> Iterator[Diagnostic]:
    """What is wrong with the topics that are there, and with those still to be made."""
    if facts.missing and queue.replication_factor > facts.brokers:
        yield Diagnostic(
            "error",
            "replication-factor",
            f"topics cannot be created with {queue.replication_factor} replicas on {facts.brokers} broker(s)",
            subject="kafka",
            cure="set `replication_factor` of [queue] to at most the number of brokers",
        )
    for topic in facts.topics.values():
        yield from _check_topic(topic, queue, control=topic.name == facts.wanted[0])


def _check_topic(topic: Topic, queue: QueueConnection, *, control: bool) -> Iterator[Diagnostic]:
    subject = f"topic {topic.name}"
    if topic.policy not in (None, "compact"):
        yield Diagnostic(
            "warning",
            "cleanup-policy",
            f"topic {topic.name} has cleanup.policy={topic.policy}: rows that do not change for long get lost"
            " from it, and a new index would miss them",
            subject=subject,
            cure=f"kafka-configs.sh --alter --topic {topic.name} --add-config cleanup.policy=compact",
        )
    if control and topic.partitions != 1:
        yield Diagnostic(
            "error",
            "control-partitions",
            f"the control topic {topic.name} has {topic.partitions} partitions; its order needs one",
            subject=subject,
            cure="delete it; capture creates it as it must be",
        )
    if not control and topic.partitions != queue.partitions:
        yield Diagnostic(
            "warning",
            "partitions",
            f"topic {topic.name} has {topic.partitions} partitions, the configuration says {queue.partitions}",
            subject=subject,
            cure="nothing, if that is intended; capture creates topics and never changes them",
        )
