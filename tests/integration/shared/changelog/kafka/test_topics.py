"""Topics as capture makes and finds them, and what is said when it cannot."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.errors import ConfigError, FatalError, RetryableError
from flusso_shared.names import TableName
from services import Services
from support.kits.change_logs import ORDERS, USERS, connection
from support.waiting import until

pytestmark = pytest.mark.services


def settings(servers: str, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": servers})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    found: Any = admin.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in found.items()}


def partitions(servers: str, topic: str) -> int:
    return len(
        AdminClient({"bootstrap.servers": servers}).list_topics(topic).topics[topic].partitions
    )


def create(servers: str, topic: str, count: int, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    named = {name.replace("_", "."): value for name, value in config.items()}
    new = NewTopic(topic, num_partitions=count, replication_factor=1, config=named)
    admin.create_topics([new])[topic].result(30)


def test_topics_are_created_compacted(services: Services, topic_prefix: str) -> None:
    log = KafkaLog(connection(services.kafka, topic_prefix, partitions=3))
    assert set(log.missing([USERS])) == {f"{topic_prefix}._control", f"{topic_prefix}.public.users"}
    log.prepare([USERS])
    assert log.missing([USERS]) == []
    topic = f"{topic_prefix}.public.users"
    assert partitions(services.kafka, topic) == 3
    assert partitions(services.kafka, f"{topic_prefix}._control") == 1
    found = settings(services.kafka, topic)
    assert found["cleanup.policy"] == "compact"
    assert found["min.compaction.lag.ms"] == str(7 * 24 * 3600 * 1000)


def test_looking_for_topics_creates_none(services: Services, topic_prefix: str) -> None:
    log = KafkaLog(connection(services.kafka, topic_prefix))
    log.missing([USERS])
    with pytest.raises(RetryableError, match="do not exist yet"):
        log.groups.ends([USERS])
    with pytest.raises(RetryableError, match=r"_control"):
        log.control.load()
    assert len(log.missing([USERS])) == 2


def test_topics_that_exist_are_left_alone(
    services: Services, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    create(services.kafka, f"{topic_prefix}.public.users", 2, cleanup_policy="delete")
    log = KafkaLog(connection(services.kafka, topic_prefix, partitions=5))
    with caplog.at_level(logging.WARNING):
        log.prepare([USERS])
        log.prepare([USERS])
    assert partitions(services.kafka, f"{topic_prefix}.public.users") == 2
    assert settings(services.kafka, f"{topic_prefix}.public.users")["cleanup.policy"] == "delete"
    said = [each for each in caplog.messages if "cleanup.policy=delete" in each]
    assert len(said) == 1
    assert "set cleanup.policy=compact" in said[0]


def test_a_table_may_be_called_anything(services: Services, topic_prefix: str) -> None:
    odd = TableName("Mein Schema", "a.b/ü")
    log = KafkaLog(connection(services.kafka, topic_prefix, partitions=1))
    log.prepare([odd])
    assert log.missing([odd]) == []


def test_more_replicas_than_brokers_name_the_setting(services: Services, topic_prefix: str) -> None:
    queue = connection(services.kafka, topic_prefix).model_copy(update={"replication_factor": 99})
    with pytest.raises(FatalError, match="set `replication_factor` in \\[queue\\]"):
        KafkaLog(queue).prepare([USERS])


def test_a_prefix_that_kafka_refuses_names_the_setting(
    services: Services, topic_prefix: str
) -> None:
    queue = connection(services.kafka, f"{topic_prefix} odd/name")
    with pytest.raises(FatalError, match="topic_prefix"):
        KafkaLog(queue).prepare([USERS])


def test_an_unknown_property_names_the_section(services: Services, topic_prefix: str) -> None:
    queue = connection(services.kafka, topic_prefix, no_such_thing=1)
    with pytest.raises(ConfigError, match=r"no\.such\.thing.*\[queue\.properties\]"):
        KafkaLog(queue).prepare([USERS])


def test_a_limit_that_is_no_number_names_the_section(services: Services, topic_prefix: str) -> None:
    queue = connection(services.kafka, topic_prefix, message_max_bytes="1 MB")
    with pytest.raises(ConfigError, match=r"\[queue\.properties\] has message\.max\.bytes"):
        KafkaLog(queue)


def test_a_broker_that_is_not_there_is_waited_for(
    topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 1.0)
    nowhere = "127.0.0.1:1"
    with pytest.raises(RetryableError, match=f"(?s){nowhere}.*refused"):
        KafkaLog(connection(nowhere, topic_prefix)).prepare([ORDERS])


def test_tls_to_a_plain_listener_is_distinguished_from_an_outage(
    services: Services, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 2.0)
    log = KafkaLog(connection(services.kafka, topic_prefix, security_protocol="SSL"))
    told = [""]

    def attempt() -> None:
        with pytest.raises(RetryableError) as caught:
            log.prepare([USERS])
        told.append(str(caught.value))

    # On a slow machine the client finds out after a request has timed out, and it has two ways to put it.
    until(
        "the reason",
        lambda: "PLAINTEXT broker listener" in told[-1] or "SSL_HANDSHAKE" in told[-1],
        step=attempt,
    )


def test_a_refused_login_names_the_remedy(
    services: Services, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flusso_shared.changelog.kafka.admin.REQUEST_TIMEOUT_SECONDS", 2.0)
    queue = connection(
        services.kafka,
        topic_prefix,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanisms="PLAIN",
        sasl_username="unknown",
        sasl_password="wrong",
    )
    with pytest.raises(FatalError, match=r"check .*sasl.*\[queue\.properties\]"):
        KafkaLog(queue).prepare([USERS])


def test_nothing_is_connected_before_it_is_needed(topic_prefix: str) -> None:
    KafkaLog(connection("127.0.0.1:1", topic_prefix)).close()
