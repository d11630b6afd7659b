"""Several indexes over the same tables, and many of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient
from measure import Measure, Reading
from world import World, await_aliases, count_documents, large_store, running

from support.commands import inherited_environment, run_command
from support.processes import Daemon

_IDLE_SECONDS = 30
_TICKS = os.sysconf("SC_CLK_TCK")


def built_per_document(world: World) -> list[Reading]:
    """Documents built for one seeded, over the indexes that `flusso init --all` makes of the example store."""
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        large_store(database_url, world.sized(2_000, 50))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        schemas = _init(folder, database_url)
        site = stack.enter_context(world.site(database_url))
        site = site.with_schemas(folder, schemas)
        pipeline, _ = stack.enter_context(running(site, 0))
        pipeline.start()
        await_aliases(site, pipeline, *schemas)
        documents = sum(count_documents(site, f"{site.index_prefix}{name}") for name in schemas)
        built = pipeline.daemons[0].metric("flusso_documents_built_total")
        return [Reading(built / documents, None, {"documents": documents, "built": built})]


def _init(folder: Path, database_url: str) -> Mapping[str, str]:
    environment = inherited_environment() | {"DATABASE_URL": database_url}
    done = run_command(folder, environment, "flusso", "init", "--all", deadline=60)
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted((folder / "schemas").glob("*.schema.yml"))
    return {path.name.partition(".")[0]: path.read_text(encoding="utf-8") for path in found}


def many(world: World) -> list[Reading]:
    """Per cent of a core that the busiest process of 200 idle indexes takes; start, memory and connections beside it."""
    tables = world.sized(200, 5)
    seconds = world.sized(_IDLE_SECONDS, 2)
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        connection = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        schemas: dict[str, str] = {}
        for number in range(tables):
            name = f"things_{number:03}"
            connection.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, name text)".encode())
            connection.execute(f"INSERT INTO {name} VALUES (1, 'one')".encode())
            schemas[name] = (
                f"version: 1\ntable: {name}\nprimary_key: id\nfields:\n  - integer: id\n    required: true\n"
                "  - text: name\n"
            )
        site = stack.enter_context(world.site(database_url, partitions=1))
        site = site.with_schemas(folder, schemas)
        pipeline, _ = stack.enter_context(running(site, 1))
        started = time.monotonic()
        pipeline.start()
        await_aliases(site, pipeline, *schemas)
        start = time.monotonic() - started
        time.sleep(seconds)  # what the seeding leaves to do
        readings = []
        for _ in range(world.rounds):
            before = [_processor_seconds(daemon) for daemon in pipeline.daemons]
            time.sleep(seconds)
            used = [
                _processor_seconds(daemon) - earlier
                for daemon, earlier in zip(pipeline.daemons, before, strict=True)
            ]
            details = {
                "start, s": start,
                "memory of the largest, MB": max(map(_memory, pipeline.daemons)),
                "connections to Postgres": _connections(connection),
                "consumer groups": _groups(site.kafka, site.topic_prefix),
            }
            readings.append(Reading(100 * max(used) / seconds, None, details))
        return readings


def _processor_seconds(daemon: Daemon) -> float:
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(daemon: Daemon) -> float:
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def _connections(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    return int(str(row[0])) if row else 0


def _groups(kafka: str, prefix: str) -> int:
    # Without a name for it, it would be gone before the answer.
    client = AdminClient({"bootstrap.servers": kafka, "log_level": 4})
    found = client.list_consumer_groups().result()
    assert not found.errors, found.errors
    return sum(item.group_id.startswith(f"{prefix}.") for item in found.valid)


MEASURES = [
    Measure(
        "built",
        "documents built per document seeded: an index for each of the ten tables of the example store with 2,000 more users",
        "documents",
        1.1,
        at_most=True,
        run=built_per_document,
    ),
    Measure(
        "many-indexes",
        "200 indexes in one file, idle: processor time of the busier process",
        "% of a core",
        3,
        at_most=True,
        run=many,
    ),
]
