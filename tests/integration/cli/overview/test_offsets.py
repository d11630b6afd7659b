"""The offsets of a change log, also where topics are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from flusso_cli.overview.offsets import read_offsets
from flusso_cli.overview.rates import Position
from flusso_shared.changelog.control_records import Lineage
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.errors import RetryableError
from flusso_shared.names import GenerationName, TableName
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.record import Generation
from services import Services
from support.kits.change_logs import change, connection, patiently, publish
from support.stores.small import PLAN
from support.waiting import until

USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")
PREFIX = "flusso"
GENERATION = Generation(
    GenerationName(PLAN.name, PLAN.hash, 1), "live", Lineage("1", "slot", "0/1"), PLAN, {}
)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[ChangeLog, str]]:
    """A log with the topics of two tables, and its prefix."""
    if request.param == "memory":
        yield MemoryLog(), PREFIX
        return
    servers = request.getfixturevalue("services").kafka
    prefix = request.getfixturevalue("topic_prefix")
    with closing(KafkaLog(connection(servers, prefix, 2))) as made:
        made.prepare((USERS, ORDERS))
        yield made, prefix


def test_a_group_is_where_it_has_committed(log: tuple[ChangeLog, str]) -> None:
    made, prefix = log
    group = GENERATION.name.group(prefix)
    starts = patiently(lambda: made.groups.starts((USERS, ORDERS), (), 60))
    patiently(lambda: made.groups.reset(group, starts))
    writer = made.writer()
    # In memory only what some group reads is kept, and acknowledged once it is applied.
    reader = made.reader(group, (USERS,), lambda _: None)
    acknowledged = publish(writer, [change(key) for key in range(5)])
    if made.durable:
        until("all are published", lambda: len(acknowledged) == 5, step=lambda: writer.poll(0.1))
    patiently(lambda: reader.poll(100, 0.1))
    found = read_offsets(made, prefix, (USERS,), [GENERATION])
    position = found.position(GENERATION, prefix)
    assert position == Position(0, 5)
    shown = {topic.table: topic for topic in found.shown()}
    assert shown["public.users"].records == 5
    reader.close()
    writer.close(0)


@pytest.mark.services
def test_a_topic_that_does_not_exist_is_named_and_hides_no_other(
    services: Services, topic_prefix: str
) -> None:
    with closing(KafkaLog(connection(services.kafka, topic_prefix, 2))) as made:
        made.prepare((USERS, ORDERS))
        group = GENERATION.name.group(topic_prefix)
        ends = patiently(lambda: made.groups.ends((USERS, ORDERS)))
        patiently(lambda: made.groups.reset(group, ends))
        found = read_offsets(made, topic_prefix, (), [GENERATION])
        assert found.error is not None
        assert found.error.startswith("topics do not exist: ")
        assert f"{topic_prefix}.public.items" in found.error
        assert f"{topic_prefix}.public.users" not in found.error
        shown = {topic.table: (topic.partitions, topic.records) for topic in found.shown()}
        assert shown["public.users"] == (2, 0)
        assert shown["public.items"] == (None, None)
        assert found.position(GENERATION, topic_prefix) == Position(0, 0)


def test_a_group_that_could_not_be_asked_has_no_offsets(log: tuple[ChangeLog, str]) -> None:
    made, prefix = log
    found = read_offsets(made, prefix, (USERS,), [])
    assert found.position(GENERATION, prefix) is None
    with pytest.raises(RetryableError, match="were not read"):
        found.committed(GENERATION.name.group(prefix), (USERS,))
