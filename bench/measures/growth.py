"""Whether the time grows in proportion to the work: changes, rows and indexes, each over a range of a hundred."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
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
    return [
        Reading(
            _backlog(world, large) / large,
            _backlog(world, small) / small,
            {"small": small, "large": large},
        )
        for _ in range(world.rounds)
    ]


def rows(world: World) -> list[Reading]:
    """The same for the rows of a table that is seeded."""
    small, large = world.sized(100_000, 200), world.sized(10_000_000, 800)
    return [
        Reading(
            _seeding(world, large, 1) / large,
            _seeding(world, small, 1) / small,
            {"small": small, "large": large},
        )
        for _ in range(world.rounds)
    ]


def indexes(world: World) -> list[Reading]:
    """The same for the indexes of a table that is seeded, per index."""
    table, many = world.sized(20_000, 200), world.sized(50, 4)
    return [
        Reading(
            _seeding(world, table, many) / many,
            _seeding(world, table, 1),
            {"rows": table, "indexes": many},
        )
        for _ in range(world.rounds)
    ]


def _seeding(world: World, many: int, indexes: int) -> float:
    """Seconds from the start of the processes until `indexes` indexes over a table of so many rows are live."""
    with ExitStack() as stack:
        seeded = _Seeded(stack, world, many, indexes)
        return seeded.seconds


def _backlog(world: World, many: int) -> float:
    """Seconds in which a worker works off a change of each of so many rows."""
    with ExitStack() as stack:
        seeded = _Seeded(stack, world, many, 1)
        worker = seeded.pipeline.daemons[1]
        worker.stop()
        before = records_of(seeded.site, "things")
        seeded.connection.execute("UPDATE things SET name = 'changed'")
        until(
            "all changes are in Kafka",
            lambda: records_of(seeded.site, "things") >= before + many,
            DEADLINE,
        )
        started = time.monotonic()
        worker.start()
        await_documents(seeded.site, seeded.pipeline, "things_0", "name", "changed", many)
        return time.monotonic() - started


class _Seeded:
    """A table of so many rows, and indexes over it that are live.  `stack` ends all of it."""

    def __init__(self, stack: ExitStack, world: World, many: int, indexes: int) -> None:
        database_url = stack.enter_context(world.database())
        self.connection = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        self.connection.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)")
        self.connection.execute(
            "INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, %s) n", (many,)
        )
        settle(self.connection)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = [f"things_{number}" for number in range(indexes)]
        site = stack.enter_context(world.site(database_url))
        self.site = site.with_schemas(folder, dict.fromkeys(names, _SCHEMA))
        self.pipeline, _ = stack.enter_context(running(self.site, 1))
        started = time.monotonic()
        self.pipeline.start()
        await_aliases(self.site, self.pipeline, *names)
        self.seconds = time.monotonic() - started


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
