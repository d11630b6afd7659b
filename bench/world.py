"""Where measures run: the servers, scratch databases, names, and their removal."""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "dev")]

from support import processes  # noqa: E402  (the two folders are no packages)
from support.idle import end_offsets  # noqa: E402
from support.processes import Pipeline, Settings, Site, cleaned_up  # noqa: E402
from support.stores import dev as store  # noqa: E402

DEADLINE = 3600.0
"""Seconds that the longest wait may take: seeding 10,000,000 rows on a slow machine."""


@dataclass(frozen=True)
class World:
    """The servers, and how much of everything there is."""

    postgres: str
    kafka: str
    opensearch: str
    rounds: int
    scale: float
    """1 for the sizes of the results; less for a run that only shows that a measure works."""
    forked: bool = False
    """Whether processes are forks (`support.commands`): what they take to start, and their memory, is not theirs then."""
    sink: Settings = field(default_factory=dict)
    """What differs from the defaults of `[sinks.NAME]`."""
    queue: Settings = field(default_factory=dict)
    """What differs from the defaults of `[queue]`, and from the partitions of a measure."""

    def sized(self, full: int, least: int) -> int:
        """A number of rows, documents or changes at this scale."""
        return max(least, round(full * self.scale))

    @property
    def uncounted(self) -> int:
        """Rounds before those that count: the first pays for cold caches and code not yet compiled.  None in a small run."""
        return 1 if self.scale >= 1 else 0

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a database of its own, dropped at the end."""
        name = _unique()
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(self.postgres)._replace(path=f"/{name}"))
        finally:
            with psycopg.connect(self.postgres, autocommit=True) as connection:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(drop.format(sql.Identifier(name)))

    @contextmanager
    def site(
        self, database_url: str, *indexes: str, partitions: int = 4, more: str = ""
    ) -> Iterator[Site]:
        """Names of their own; slot, publication, topics, groups and indexes are removed at the end."""
        name = _unique()
        site = Site(
            database_url=database_url,
            kafka=self.kafka,
            opensearch_url=self.opensearch,
            slot=name,
            topic_prefix=name,
            index_prefix=f"{name}_",
            indexes=indexes,
            partitions=partitions,
            sink=self.sink,
            queue=self.queue,
            more=more,
            fresh=not self.forked,
        )
        try:
            yield site
        finally:
            _drop_slot(site)
            _drop_topics(site)
            _drop_indexes(site)


@contextmanager
def running(site: Site, workers: int) -> Iterator[tuple[Pipeline, Path]]:
    """Capture and workers, or `flusso run` for no workers; not started yet.  Gives the folder of the configuration as well."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = (
            processes.kafka_pipeline(site, folder, workers)
            if workers
            else processes.embedded_pipeline(site, folder)
        )
        with cleaned_up(pipeline):
            yield pipeline, folder
            pipeline.stop()


def large_store(database_url: str, users: int) -> None:
    """The example store with exactly `users` users, vacuumed and checkpointed."""
    store.load_store(database_url)
    store.grow(database_url, users)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET deleted = true WHERE id < 10000")
        settle(connection)


def settle(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Leave nothing to be done later: vacuum, analyze, checkpoint."""
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")


def await_aliases(site: Site, pipeline: Pipeline, *indexes: str) -> None:
    """Wait until queries see these indexes: seeded, refreshed and swapped."""
    started = time.monotonic()
    with httpx.Client(base_url=site.opensearch_url) as client:
        for index in indexes:
            while client.head(f"/_alias/{site.index_prefix}{index}").status_code != httpx.codes.OK:
                pipeline.check()
                if time.monotonic() - started > DEADLINE:
                    raise TimeoutError(f"{index} is not live within {DEADLINE:.0f} s")
                time.sleep(0.05)


def await_documents(
    site: Site, pipeline: Pipeline, index: str, field: str, value: str, many: int
) -> None:
    """Wait until so many documents have this value."""
    started = time.monotonic()
    query = {"query": {"bool": {"filter": [{"match_phrase": {field: value}}]}}}
    while count_documents(site, f"{site.index_prefix}{index}", query) < many:
        pipeline.check()
        waited = time.monotonic() - started
        if waited > DEADLINE:
            raise TimeoutError(f"documents of {index} stay behind")
        # Each look is a refresh.
        time.sleep(min(1.0, 0.05 + waited / 50))


def count_documents(site: Site, index: str, query: Mapping[str, object] | None = None) -> int:
    """How many documents a refresh shows."""
    with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
        client.post(f"/{index}/_refresh").raise_for_status()
        answer = client.post(f"/{index}/_count", json=query or {})
        answer.raise_for_status()
        return int(answer.json()["count"])


def records_of(site: Site, table: str) -> int:
    """How many records the topic of a table of schema `public` has; 0 while it does not exist."""
    admin = AdminClient({"bootstrap.servers": site.kafka, "log_level": 4})
    topic = f"{site.topic_prefix}.public.{table}"
    found = admin.list_topics(timeout=10).topics.get(topic)
    if found is None:
        return 0
    return sum(end_offsets(admin, [(topic, number) for number in found.partitions]).values())


def _unique() -> str:
    return "flusso_bench_" + uuid.uuid4().hex[:8]


def _drop_slot(site: Site) -> None:
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s",
            (site.slot,),
        )
        for _ in range(50):
            rows = connection.execute(
                "SELECT active FROM pg_replication_slots WHERE slot_name = %s", (site.slot,)
            ).fetchall()
            if rows == [(False,)]:
                connection.execute("SELECT pg_drop_replication_slot(%s)", (site.slot,))
            if rows != [(True,)]:
                break
            time.sleep(0.1)
        name = sql.Identifier(site.slot)
        connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(name))


def _drop_topics(site: Site) -> None:
    admin = AdminClient({"bootstrap.servers": site.kafka, "log_level": 4})
    start = f"{site.topic_prefix}."
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(start)]
    listed = admin.list_consumer_groups().result().valid
    groups = [item.group_id for item in listed if item.group_id.startswith(start)]
    for future in admin.delete_topics(topics).values() if topics else ():
        future.result()
    for future in admin.delete_consumer_groups(groups).values() if groups else ():
        future.result()


def _drop_indexes(site: Site) -> None:
    with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
        names = client.get(f"/_cat/indices/{site.index_prefix}*?h=index&format=json").json()
        for name in names:
            client.delete(f"/{name['index']}").raise_for_status()
