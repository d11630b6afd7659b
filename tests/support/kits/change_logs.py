"""Drives a change log in tests: publishes, reads until enough has come, always with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from flusso_shared import retry
from flusso_shared.change import AnyChange, Change, Op, Record
from flusso_shared.clock import SystemClock
from flusso_shared.config.model import QueueConnection
from flusso_shared.names import TableName
from flusso_shared.seams import (
    ChangeLog,
    ChangeReader,
    ChangeWriter,
    Offsets,
    TopicPartition,
)
from support.waiting import patient, until

USERS = TableName("public", "users")
ORDERS = TableName("public", "orders")
PATIENCE = 30.0

T = TypeVar("T")


def connection(
    servers: str, prefix: str, partitions: int = 4, **properties: str | int
) -> QueueConnection:
    return QueueConnection(
        bootstrap_servers=servers,
        topic_prefix=prefix,
        partitions=partitions,
        replication_factor=1,
        max_value_bytes=65536,
        properties={name.replace("_", "."): value for name, value in properties.items()},
    )


def change(key: object, op: Op = Op.UPDATE, table: TableName = USERS, lsn: int = 1) -> Change:
    image = None if op is Op.DELETE else {"id": str(key)}
    return Change(op, table, (str(key),), None, image, lsn=lsn)


def publish(writer: ChangeWriter, changes: Iterable[AnyChange]) -> list[AnyChange]:
    """Publish all; the list that comes back grows with the acknowledgements."""
    acknowledged: list[AnyChange] = []

    def taken(each: AnyChange) -> bool:
        return writer.publish(each, lambda: acknowledged.append(each))

    for each in changes:
        deadline = time.monotonic() + patient(PATIENCE)
        while not taken(each):
            assert time.monotonic() < deadline, "the buffer stays full"
            writer.poll(0.1)
    return acknowledged


def start(log: ChangeLog, group: str, tables: Collection[TableName] = (USERS,)) -> None:
    """Set the group to the beginning of what is there."""
    # A broker that has just started loads its coordinators first.
    patiently(lambda: log.groups.reset(group, log.groups.starts(tables, (), 60)))


def patiently(action: Callable[[], T]) -> T:
    """Try `action` again while it raises `RetryableError`, with a deadline."""
    stop = threading.Event()
    timer = threading.Timer(PATIENCE, stop.set)
    timer.start()
    try:
        return retry.forever(action, doing="go on", clock=SystemClock(stop))
    finally:
        timer.cancel()


def read(reader: ChangeReader, count: int) -> list[Record]:
    """Exactly `count` records."""
    records: list[Record] = []
    until(
        "records",
        lambda: len(records) >= count,
        step=lambda: records.extend(reader.poll(count - len(records), 0.5)),
    )
    return records


def after(records: Sequence[Record]) -> Offsets:
    """The offsets that say that all of `records` are applied."""
    return {
        TopicPartition(each.position.topic, each.position.partition): each.position.offset + 1
        for each in records
    }
