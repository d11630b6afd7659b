"""Workers: what one holds in memory for a change of many documents, and what more of them bring."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
from measure import Measure, Reading
from world import World, await_aliases, await_documents, large_store, running, settle

from support.processes import peak_memory
from support.stores import dev as store

_SCHEMA = """\
version: 1
table: products
primary_key: id
fields:
  - integer: id
    required: true
  - belongs_to: category
    table: categories
    column: category_id
    primary_key: id
    fields:
      - text: name
        required: true
"""
_PERIOD_SECONDS = 0.1
_SHARE = 0.25


def fan_out(world: World) -> list[Reading]:
    """The most memory that a worker holds, in MB, when one row changes a million documents."""
    products = world.sized(1_000_000, 500)
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        store.load_store(database_url)
        connection = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        connection.execute("CREATE INDEX ON products (category_id)")
        connection.execute(
            "INSERT INTO products (id, sku, name, price, category_id, created_at)"
            " SELECT n, 'sku-' || n, 'product', 1, 1, now() FROM generate_series(10000, 9999 + %s) n",
            (products,),
        )
        settle(connection)
        site = stack.enter_context(world.site(database_url))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        site = site.with_schemas(folder, {"products": _SCHEMA})
        pipeline, _ = stack.enter_context(running(site, 1))
        pipeline.start()
        await_aliases(site, pipeline, "products")
        readings = []
        for number in range(world.rounds):
            pipeline.daemons[1].stop()
            pipeline.daemons[1].start()
            name = f"category {number}"
            started = time.monotonic()
            connection.execute("UPDATE categories SET name = %s WHERE id = 1", (name,))
            await_documents(site, pipeline, "products", "category.name", name, products)
            seconds = time.monotonic() - started
            peak = peak_memory(pipeline.daemons[1].pid) / 1024 / 1024
            readings.append(Reading(peak, None, {"documents": products, "s": seconds}))
        return readings


def scaling(world: World) -> list[Reading]:
    """Seeding by one worker, over seeding by four; each of them has a quarter of a core."""
    with world.database() as database_url:
        large_store(database_url, world.sized(20_000, 100))
        readings = []
        for _ in range(world.rounds):
            seconds = {many: _seeded_by(world, database_url, many) for many in (1, 2, 4)}
            details = {f"{many} workers, s": taken for many, taken in seconds.items()}
            readings.append(Reading(seconds[4], seconds[1], details))
        return readings


def _seeded_by(world: World, database_url: str, workers: int) -> float:
    with (
        world.site(database_url, "users", partitions=8) as site,
        running(site, workers) as (pipeline, _),
    ):
        pipeline.start()
        for daemon in pipeline.daemons:
            daemon.public_url()
        with _throttled([daemon.pid for daemon in pipeline.daemons[1:]]):
            started = time.monotonic()
            await_aliases(site, pipeline, "users")
            return time.monotonic() - started


@contextmanager
def _throttled(processes: Sequence[int]) -> Iterator[None]:
    """Let each process run for a quarter of the time, and not at the same time as the others where that is possible."""
    stop = threading.Event()

    def work(pid: int, offset: float) -> None:
        stop.wait(offset)
        while not stop.is_set():
            os.kill(pid, signal.SIGCONT)
            stop.wait(_PERIOD_SECONDS * _SHARE)
            os.kill(pid, signal.SIGSTOP)
            stop.wait(_PERIOD_SECONDS * (1 - _SHARE))
        os.kill(pid, signal.SIGCONT)

    threads = [
        threading.Thread(target=work, args=(pid, _PERIOD_SECONDS * number / len(processes)))
        for number, pid in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


MEASURES = [
    Measure(
        "fan-out",
        "one row of `categories` that 1,000,000 products contain: peak memory of the worker",
        "MB",
        250,
        at_most=True,
        run=fan_out,
    ),
    Measure(
        "scaling",
        "seeding by 4 workers that have a quarter of a core each / by 1",
        "s",
        3.6,
        at_most=False,
        run=scaling,
    ),
]
