"""Runs capture in a thread against a real database, over a log that the test holds in its hands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from fakes.held_log import HeldLog
from flusso_capture.daemon import Capture, CaptureContext, CaptureOptions
from flusso_shared.change import Change
from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError, StoppedError
from flusso_shared.metrics import Metrics
from flusso_shared.names import TableName
from flusso_shared.plan.model import (
    ColumnField,
    Edge,
    FieldMapping,
    IndexPlan,
    JoinField,
    Plan,
    Way,
)
from flusso_shared.status import Status
from support.documents import run
from support.waiting import patient, until

USERS = TableName("public", "users")
ORDERS = TableName("public", "orders")

_TABLES = """
CREATE TABLE users (id bigint PRIMARY KEY, name text, note text);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text);
CREATE TABLE unrelated (id bigint PRIMARY KEY, note text);
"""


def _column(name: str) -> ColumnField:
    return ColumnField(name, "keyword", name, FieldMapping("keyword"), nullable=True)


def plan() -> Plan:
    """Users with their orders."""
    orders = JoinField(
        "orders",
        "has_many",
        Edge(ORDERS, ("id",), ("user_id",)),
        ("id",),
        (_column("id"), _column("note")),
        FieldMapping("object"),
        nullable=False,
    )
    index = IndexPlan(
        name="users",
        hash="0badcafe",
        root=USERS,
        key=("id",),
        fields=(_column("id"), _column("name"), orders),
        soft_delete=None,
        filters=(),
        ways=(Way(USERS, ("id",), (), ""), Way(ORDERS, ("user_id",), (), "orders")),
    )
    return Plan((index,))


def create_tables(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)


@dataclass
class Kit:
    """One database, one slot, one log; capture is started and stopped over them."""

    url: str
    slot: str
    plan: Plan = field(default_factory=plan)
    log: HeldLog = field(default_factory=HeldLog)
    wanted: Callable[[], Collection[TableName]] | None = frozenset
    changes: list[Change] = field(default_factory=list)
    status: Status = field(default_factory=Status)
    metrics: Metrics = field(default_factory=Metrics)
    owns_status: bool = True

    def options(self, **other: Any) -> CaptureOptions:
        base = CaptureOptions(self.url, slot=self.slot, publication=self.slot)
        return replace(base, **other)

    def capture(self, stop: threading.Event, **other: Any) -> Capture:
        context = CaptureContext(
            self.metrics, self.status, SystemClock(stop), stop, owns_status=self.owns_status
        )
        return Capture(self.options(**other), self.plan, self.log, context, self.wanted)

    def prepare(self, **other: Any) -> None:
        self.capture(threading.Event(), **other).prepare()

    @contextmanager
    def preparing(
        self, stop: threading.Event, within: float = 30.0
    ) -> Iterator[list[StoppedError]]:
        """Capture prepares meanwhile, and is over `within` seconds after the block; how it was ended, by `stop`."""
        stopped: list[StoppedError] = []

        def work() -> None:
            try:
                self.capture(stop).prepare()
            except StoppedError as error:
                stopped.append(error)

        thread = threading.Thread(target=work, name="prepare")
        thread.start()
        try:
            yield stopped
        except BaseException:
            stop.set()
            raise
        finally:
            thread.join(patient(within))
        assert not thread.is_alive()

    @contextmanager
    def running(self, **other: Any) -> Iterator[Capture]:
        """Capture runs inside the block; what ends it early fails the test."""
        stop = threading.Event()
        capture = self.capture(stop, **other)
        capture.prepare()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                capture.run()
            except BaseException as error:  # noqa: BLE001 - raised again at the end
                failures.append(error)

        thread = threading.Thread(target=work, name="capture")
        thread.start()
        try:
            yield capture
        finally:
            stop.set()
            thread.join(patient(30))
            assert not thread.is_alive()
            if failures:
                raise failures[0]

    def failure(self, *statements: str, **options: Any) -> FatalError:
        """Run capture and the statements; what capture ends with, by itself."""
        try:
            with self.running(**options):
                self.sql(*statements)
                until("the end", lambda: self.status.phase == "stopped")
        except FatalError as error:
            return error
        raise AssertionError("capture did not fail")

    def sql(self, *statements: str) -> None:
        """Each statement in a transaction of its own."""
        run(self.url, *statements)

    def drop_slot(self) -> None:
        """Drop the slot, however often capture takes it again."""
        self.sql(
            "DO $$ DECLARE p int; BEGIN LOOP"
            f" SELECT active_pid INTO p FROM pg_replication_slots WHERE slot_name = '{self.slot}';"
            " PERFORM pg_terminate_backend(p, 5000);"
            f" BEGIN PERFORM pg_drop_replication_slot('{self.slot}'); EXIT;"
            " EXCEPTION WHEN object_in_use THEN NULL; END; END LOOP; END $$"
        )

    def one(self, query: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def expect(self, number: int) -> list[Change]:
        """The next `number` changes."""

        def arrived() -> bool:
            self.changes += self.log.take()
            return len(self.changes) >= number

        until(f"{number} changes", arrived)
        found, self.changes = self.changes[:number], self.changes[number:]
        return found

    def confirmed(self) -> int:
        return int(
            self.one(
                "SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots"
                f" WHERE slot_name = '{self.slot}'"
            )
        )

    def position(self) -> int:
        return int(self.one("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
