"""Capture: how fast it works a backlog off, and what it holds in memory."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from measure import Measure, Reading
from world import DEADLINE, World, running, settle

from stacklib import programs
from support.processes import Pipeline, Site, peak_memory

_TRANSACTION = 1000
_TABLE = """
CREATE TABLE items (
  id integer PRIMARY KEY, user_id integer, status text, total numeric(12, 2),
  placed_at timestamptz DEFAULT now(), shipped_at timestamptz, note text, country text, currency text,
  updated_at timestamptz DEFAULT now()
);
CREATE PROCEDURE fill(first integer, many integer, per_transaction integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR start IN 0 .. many - 1 BY per_transaction LOOP
    INSERT INTO items (id, user_id, status, total, note, country, currency)
    SELECT n, n % 1000, 'pending', (n % 500) + 0.5, 'a note of some length here', 'DE', 'EUR'
    FROM generate_series(first + start, first + least(many, start + per_transaction) - 1) n;
    COMMIT;
  END LOOP;
END $$
"""
_SCHEMA = """\
version: 1
table: items
primary_key: id
fields:
  - integer: id
    required: true
  - text: note
"""
_INDEX = '\n[[index]]\nname = "items"\nschema = "{schema}"\n'

_Connection = psycopg.Connection[tuple[object, ...]]


def backlog(world: World) -> list[Reading]:
    """Decoded, produced, acknowledged and confirmed, against `pg_recvlogical` that reads the same to /dev/null."""
    rows = world.sized(500_000, 2_000)
    with _capture(world) as (pipeline, connection, site):
        readings = []
        for number in range(world.uncounted + world.rounds):
            pipeline.stop()
            connection.execute("CALL fill(%s, %s, %s)", (number * rows, rows, _TRANSACTION))
            settle(connection)
            end = _end_of_log(connection)
            bare = _read_by_pg_recvlogical(connection, site, end)
            product = _worked_off(pipeline, connection, site.slot, end)
            readings.append(Reading(product, bare, {"rows": rows}))
        return readings[world.uncounted :]


def memory(world: World) -> list[Reading]:
    """The most memory that capture holds, in MB, when one transaction has a million rows."""
    rows = world.sized(1_000_000, 2_000)
    with _capture(world) as (pipeline, connection, site):
        readings = []
        for number in range(world.rounds):
            connection.execute("CALL fill(%s, %s, %s)", (number * rows, rows, rows))
            _await_confirmed(pipeline, connection, site.slot, _end_of_log(connection))
            peak = peak_memory(pipeline.daemons[0].pid)
            readings.append(Reading(peak / 1024 / 1024, None, {"rows": rows}))
            pipeline.stop()
            _start(pipeline)
        return readings


@contextmanager
def _capture(world: World) -> Iterator[tuple[Pipeline, _Connection, Site]]:
    """Capture of one table, streaming; a connection, and its names."""
    with (
        world.database() as database_url,
        psycopg.connect(database_url, autocommit=True) as connection,
        tempfile.TemporaryDirectory() as folder,
    ):
        connection.execute(_TABLE)
        schema = Path(folder) / "items.schema.yml"
        schema.write_text(_SCHEMA)
        index = _INDEX.format(schema=schema)
        with (
            world.site(database_url, more=index) as site,
            running(site, 1) as (pipeline, _),
        ):
            del pipeline.daemons[1:]  # capture alone
            _start(pipeline)
            yield pipeline, connection, site


def _start(pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.daemons[0].await_log("streaming from slot", DEADLINE)


def _worked_off(pipeline: Pipeline, connection: _Connection, slot: str, end: int) -> float:
    _start(pipeline)
    started = time.monotonic()
    _await_confirmed(pipeline, connection, slot, end)
    return time.monotonic() - started


def _await_confirmed(pipeline: Pipeline, connection: _Connection, slot: str, end: int) -> None:
    started = time.monotonic()
    while (
        _lsn(
            connection,
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s",
            slot,
        )
        < end
    ):
        pipeline.check()
        if time.monotonic() - started > DEADLINE:
            raise TimeoutError("the backlog is not confirmed")
        time.sleep(0.02)


def _read_by_pg_recvlogical(connection: _Connection, site: Site, end: int) -> float:
    """Seconds in which `pg_recvlogical` reads the same from a copy of the slot."""
    copy = f"{site.slot}_copy"
    connection.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", (site.slot, copy))
    try:
        started = time.monotonic()
        subprocess.run(
            [
                programs.require_postgres(None) / "pg_recvlogical",
                *("--dbname", site.database_url, "--slot", copy, "--start", "--no-loop"),
                *("-o", "proto_version=1", "-o", f"publication_names={site.slot}"),
                *("--file", "/dev/null", "--endpos", f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"),
            ],
            check=True,
        )
        return time.monotonic() - started
    finally:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (copy,))


def _end_of_log(connection: _Connection) -> int:
    return _lsn(connection, "SELECT pg_current_wal_lsn()")


def _lsn(connection: _Connection, query: LiteralString, *parameters: str) -> int:
    row = connection.execute(query, parameters).fetchone()
    high, _, low = str(row[0] if row else "0/0").partition("/")
    return int(high, 16) << 32 | int(low, 16)


MEASURES = [
    Measure(
        "capture",
        "capture of a backlog of 500,000 rows in transactions of 1,000: decoded, produced, acknowledged, confirmed /"
        " `pg_recvlogical` to /dev/null",
        "s",
        0.5,
        at_most=False,
        run=backlog,
    ),
    Measure(
        "capture-memory",
        "one transaction of 1,000,000 rows: peak memory of capture",
        "MB",
        100,
        at_most=True,
        run=memory,
    ),
]
