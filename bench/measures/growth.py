"""Whether the time grows in proportion to the work: changes, rows and indexes, each over a range of a hundred."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from measure import Measure, Reading
from world import (
    DEADLINE,
    World,
    await_aliases,
    await_documents,
    records_of,
    running,
    settle,
)

from support.processes import Pipeline, Site
from support.waiting import until

_SCHEMA = """\
version: 1
table: things
primary_key: id
fields:
  - integer: id
    required: true
  - text: name
"""


def changes(world: World) -> list[Reading]:
    """Seconds per change of a small backlog, over those of one a hundred times as large."""
    small, large = world.sized(10_000, 100), world.sized(1_000_000, 400)
    with ExitStack() as stack:
        live = {many: _Live(stack, world, many) for many in (small, large)}
        return [
            Reading(
                live[large].backlog(f"round {number}") / large,
                live[small].backlog(f"round {number}") / small,
                {"small": small, "large": large},
            )
            for number in range(world.rounds)
        ]


def rows(world: World) -> list[Reading]:
    """The same for the rows of a table that is seeded."""
    small, large = world.sized(100_000, 200), world.sized(10_000_000, 800)
    with ExitStack() as stack:
        urls = {many: stack.enter_context(_table(world, many)) for many in (small, large)}
        return [
            Reading(
                _seeding(world, urls[large], 1) / large,
                _seeding(world, urls[small], 1) / small,
                {"small": small, "large": large},
            )
            for _ in range(world.rounds)
        ]


def indexes(world: World) -> list[Reading]:
    """The same for the indexes of a table that is seeded, per index."""
    table, many = world.sized(20_000, 200), world.sized(50, 4)
    with _table(world, table) as url:
        return [
            Reading(
                _seeding(world, url, many) / many,
                _seeding(world, url, 1),
                {"rows": table, "indexes": many},
            )
            for _ in range(world.rounds)
        ]


@contextmanager
def _table(world: World, many: int) -> Iterator[str]:
    """The URL of a database with a table of so many rows."""
    with world.database() as database_url:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)")
            connection.execute(
                "INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, %s) n", (many,)
            )
            settle(connection)
        yield database_url


def _seeding(world: World, database_url: str, indexes: int) -> float:
    """Seconds from the start of the processes until so many indexes over the table are live."""
    with ExitStack() as stack:
        _, _, seconds = _seeded(stack, world, database_url, indexes)
        return seconds


def _seeded(
    stack: ExitStack, world: World, database_url: str, indexes: int
) -> tuple[Site, Pipeline, float]:
    """Capture and a worker, which `stack` ends, with so many indexes that are live; and what that took."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    names = [f"things_{number}" for number in range(indexes)]
    site = stack.enter_context(world.site(database_url))
    site = site.with_schemas(folder, dict.fromkeys(names, _SCHEMA))
    pipeline, _ = stack.enter_context(running(site, 1))
    started = time.monotonic()
    pipeline.start()
    await_aliases(site, pipeline, *names)
    return site, pipeline, time.monotonic() - started


class _Live:
    """An index over a table of so many rows, kept by capture and a worker until `stack` ends."""

    def __init__(self, stack: ExitStack, world: World, many: int) -> None:
        self._many = many
        self._url = stack.enter_context(_table(world, many))
        self._site, self._pipeline, _ = _seeded(stack, world, self._url, 1)

    def backlog(self, name: str) -> float:
        """Seconds in which the worker works off a change of each row, all of which are in Kafka before."""
        worker = self._pipeline.daemons[1]
        worker.stop()
        before = records_of(self._site, "things")
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("UPDATE things SET name = %s", (name,))
        until(
            "all changes are in Kafka",
            lambda: records_of(self._site, "things") >= before + self._many,
            DEADLINE,
        )
        started = time.monotonic()
        worker.start()
        await_documents(self._site, self._pipeline, "things_0", "name", name, self._many)
        return time.monotonic() - started


MEASURES = [
    Measure(
        "growth-changes",
        "time per change in a backlog of 10,000 / in one of 1,000,000",
        "s",
        0.8,
        at_most=False,
        run=changes,
    ),
    Measure(
        "growth-rows",
        "time per row of a table of 100,000 that is seeded / of one of 10,000,000",
        "s",
        0.8,
        at_most=False,
        run=rows,
    ),
    Measure(
        "growth-indexes",
        "seeding one index over a table of 20,000 rows / the time per index of 50",
        "s",
        0.8,
        at_most=False,
        run=indexes,
    ),
]
