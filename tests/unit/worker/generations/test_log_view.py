"""What the keepers of one process know of the log."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fakes.still_clock import StillClock
from flusso_shared.changelog.control_records import LINEAGE_KEY, Lineage
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.seams import ChangeLog
from flusso_worker.generations.shared_readings import LogView

USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")
LINEAGE = Lineage("1", "slot", "0/1")


class Log:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.absent: set[TableName] = set()
        self.denied: set[TableName] = set()
        self.loads = 0
        self.asked: list[set[TableName]] = []
        self.control = SimpleNamespace(load=self._load)

    def _load(self) -> dict[str, dict[str, Any]]:
        self.loads += 1
        return dict(self.records)

    def missing(self, tables: Collection[TableName]) -> list[str]:
        self.asked.append(set(tables))
        if denied := self.denied.intersection(tables):
            raise FatalError(f"may not look at {denied}")
        return [table.name for table in sorted(tables) if table in self.absent]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def view(log: Log, clock: StillClock, moment: float = 1.0) -> LogView:
    return LogView(cast(ChangeLog, log), [USERS, ORDERS], clock, moment)


def test_it_is_read_once_in_a_moment(log: Log, clock: StillClock) -> None:
    made = view(log, clock)
    assert made.read().lineage is None
    log.records[LINEAGE_KEY] = LINEAGE.to_json()
    assert made.read().lineage is None
    assert made.missing([USERS]) == []
    assert (log.loads, log.asked) == (1, [{USERS, ORDERS}])
    clock.now += 1.0
    assert made.read().lineage == LINEAGE


def test_without_a_moment_it_is_read_each_time(log: Log, clock: StillClock) -> None:
    made = view(log, clock, moment=0.0)
    made.read()
    log.records[LINEAGE_KEY] = LINEAGE.to_json()
    assert made.read().lineage == LINEAGE


def test_an_index_waits_for_the_topics_of_its_own_tables(log: Log, clock: StillClock) -> None:
    log.absent = {ORDERS}
    made = view(log, clock)
    assert made.missing([USERS]) == []
    assert made.missing([USERS, ORDERS]) == ["orders"]


def test_a_topic_that_may_not_be_seen_stops_its_own_index(log: Log, clock: StillClock) -> None:
    log.denied = {ORDERS}
    made = view(log, clock)
    assert made.read().lineage is None
    assert made.missing([USERS]) == []
    with pytest.raises(FatalError):
        made.missing([ORDERS])
