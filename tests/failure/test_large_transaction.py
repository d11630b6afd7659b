"""A transaction of 500,000 rows (a million in a soak) goes through capture in bounded memory and is confirmed once, at its end."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from support.idle import end_offsets
from support.processes import (
    MEMORY,
    Site,
    cleaned_up,
    kafka_pipeline,
    peak_memory,
)
from support.soak import SOAK
from support.stores import dev as store
from support.waiting import until_none

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

ROWS = 1_000_000 if SOAK else 500_000
DEADLINE = 150.0


@dataclass(frozen=True)
class Sample:
    """The slot's confirmed position, and how many records were in the topic *after* it was read."""

    confirmed: int
    records: int


@dataclass
class Watch:
    """Samples the slot and the topic from a thread of its own until the block ends."""

    site: Site
    topic: str
    samples: list[Sample] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._work, name="watch")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _work(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.site.kafka})
        with psycopg.connect(self.site.database_url, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                at = confirmed(connection, self.site.slot)
                self.samples.append(Sample(at, self._records(admin)))

    def _records(self, admin: AdminClient) -> int:
        partitions = [(self.topic, number) for number in range(self.site.partitions)]
        return sum(end_offsets(admin, partitions).values())


def confirmed(connection: psycopg.Connection[tuple[object, ...]], slot: str) -> int:
    """The slot's confirmed position as a number; 0 before there is one."""
    row = connection.execute(
        "SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
        (slot,),
    ).fetchone()
    return int(str(row[0])) if row else 0


def position(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """The end of the log now."""
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_huge_transaction_is_streamed_through_and_confirmed_once(
    site: Site, tmp_path: Path
) -> None:
    store.load_store(site.database_url)
    site = replace(site, indexes=("users",), fresh=True)
    with cleaned_up(kafka_pipeline(site, tmp_path, workers=0)) as pipeline:
        pipeline.start()
        (capture,) = pipeline.daemons

        def not_live() -> str | None:
            capture.check()
            phase = capture.status()["phase"]
            return None if phase == "live" else f"capture is {phase}"

        until_none("capture is live", not_live, DEADLINE)
        with (
            Watch(site, f"{site.topic_prefix}.public.users") as watch,
            psycopg.connect(site.database_url) as connection,
        ):
            until_none("sampling", lambda: None if watch.samples else "no sample", DEADLINE)
            before = watch.samples[-1].records
            with connection.transaction():
                connection.execute(
                    "INSERT INTO users (id, email, full_name)"
                    " SELECT n, 'u' || n || '@example.org', repeat('x', 40)"
                    " FROM generate_series(1000001, 1000000 + %s) n",
                    (ROWS,),
                )
                start_of_commit = position(connection)
            end_of_commit = position(connection)

            def not_confirmed() -> str | None:
                capture.check()
                last = watch.samples[-1]
                return None if last.confirmed >= end_of_commit else f"{last}"

            nudge(connection)
            until_none("confirmed", not_confirmed, DEADLINE)
        peak = peak_memory(capture.pid)
        capture.stop()

    on_the_way = [item for item in watch.samples if before < item.records < before + ROWS]
    assert on_the_way, "no sample was taken while the transaction went through"
    # Every row carries the same commit position: confirming it before the last ack would lose rows.
    passed = [item for item in watch.samples if item.confirmed > start_of_commit]
    assert min(item.records for item in passed) >= before + ROWS
    assert peak < MEMORY, f"capture held {peak / 1024 / 1024:.0f} MB"


def nudge(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """One more small commit: the position read after the big one may lie past that one's end."""
    with connection.transaction():
        connection.execute("UPDATE users SET tier = 'pro' WHERE id = 1")
