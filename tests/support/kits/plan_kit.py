"""A deployment of the example store over Kafka whose files are edited, planned and deployed, and what the servers then have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka.admin import AdminClient

from services import Services
from support import names, web
from support.generation_records import recorded
from support.processes import Site, cleaned_up, kafka_pipeline
from support.stores import dev as store
from support.stores.dev import ROOT
from support.waiting import until_none

DEADLINE = 90.0
_CONFIG = """\
[source]
type = "postgres"

[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:9200"
refresh_interval = "1s"
number_of_replicas = 0
number_of_shards = {shards}

[queue]
type = "kafka"
topic_prefix = "{topic_prefix}"
partitions = 2
replication_factor = 1
"""
_RAN = re.compile(r"(?:: ran |old values of [^:]*: )(.*) action=")


@dataclass
class Files:
    """`flusso.toml` and the schema files, as text to edit."""

    schemas: dict[str, str]
    options: dict[str, str] = field(default_factory=dict)
    """Per index lines of TOML."""
    shards: int = 1

    def replace(self, index: str, before: str, after: str) -> None:
        """Edit a schema file; `before` is there once."""
        assert self.schemas[index].count(before) == 1, before
        self.schemas[index] = self.schemas[index].replace(before, after)


@dataclass(frozen=True)
class State:
    """What the servers have."""

    generations: Mapping[str, list[tuple[str, str]]]
    """Per index physical names and states."""
    published: frozenset[str]
    identities: Mapping[str, str]
    """Per table `pg_class.relreplident`."""
    topics: frozenset[str]


class Deployed:
    """Capture and a worker over the example store."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self._folder = folder
        schemas = {
            path.name.partition(".")[0]: path.read_text()
            for path in sorted((ROOT / "dev/schemas").glob("*.yml"))
        }
        self.files = Files(schemas)
        self.pipeline = kafka_pipeline(site, folder, 1)
        self.capture, self.worker = self.pipeline.daemons
        self._running = False

    def write(self) -> None:
        """Put the files where the commands look."""
        text = _CONFIG.format(shards=self.files.shards, topic_prefix=self.site.topic_prefix)
        for name, schema in self.files.schemas.items():
            (self._folder / f"{name}.schema.yml").write_text(schema)
            options = self.files.options.get(name, "")
            text += f'[[index]]\nname = "{name}"\nschema = "{name}.schema.yml"\n{options}'
        (self._folder / "flusso.toml").write_text(text)

    def plan(self) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of `flusso plan`."""
        names = ("--slot", self.site.slot, "--publication", self.site.slot)
        done = self.site.run(self._folder, "plan", "--json", *names, deadline=DEADLINE)
        assert done.returncode in (0, 2), done
        return done.returncode, json.loads(done.stdout)

    def shown(self) -> str:
        """What `flusso plan` prints for people."""
        names = ("--slot", self.site.slot, "--publication", self.site.slot)
        return self.site.run(self._folder, "plan", *names, deadline=DEADLINE).stdout

    def deploy(self) -> None:
        """Restart both processes with the files, and wait until they have done everything."""
        if self._running:
            self.pipeline.stop()
        self._running = True
        self.pipeline.start()
        enabled = {
            name: "seeded"
            for name in self.files.schemas
            if "enabled = false" not in self.files.options.get(name, "")
        }

        def missing() -> str | None:
            self.pipeline.check()
            capture, worker = self.capture.status(), self.worker.status()
            if capture["phase"] != "live" or worker["indexes"] != enabled:
                return f"capture is {capture['phase']}, indexes are {worker['indexes']}"
            unfinished = {
                name: found
                for name, found in self._generations().items()
                if [state for _, state in found] not in ([], ["live"])
            }
            if unfinished:
                return f"generations are {unfinished}"
            code, announced = self.plan()
            return None if code == 0 else json.dumps(announced)

        until_none("everything is done", missing, DEADLINE)

    def state(self) -> State:
        """What the servers have now."""
        generations = self._generations()
        listed = AdminClient({"bootstrap.servers": self.site.kafka}).list_topics(timeout=30)
        topics = {name for name in listed.topics if name.startswith(self.site.topic_prefix)}
        with psycopg.connect(self.site.database_url) as database:
            return State(generations, *self.catalog(database), frozenset(topics))

    def _generations(self) -> dict[str, list[tuple[str, str]]]:
        return recorded(self.site.opensearch_url, self.site.index_prefix)

    def catalog(
        self, database: psycopg.Connection[Any]
    ) -> tuple[frozenset[str], Mapping[str, str]]:
        """The published tables, and the replica identity of every table."""
        published = database.execute(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = %s", (self.site.slot,)
        )
        identities = database.execute(
            "SELECT relname, relreplident::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        return frozenset(row[0] for row in published), dict(identities.fetchall())

    def after(self, announced: Mapping[str, Any], before: State) -> State:
        """What the servers have to have after what was announced, and nothing else."""
        generations = {name: list(found) for name, found in before.generations.items()}
        for item in announced["indexes"]:
            if item["action"] in ("create", "rebuild"):
                generations[item["index"]] = [(item["next_generation"], "live")]
        with psycopg.connect(self.site.database_url) as database:
            for statement in announced["statements"]:
                if not statement["sql"].startswith("SELECT"):
                    database.execute(statement["sql"])
            catalog = self.catalog(database)
            database.rollback()
        return State(generations, *catalog, before.topics | set(announced["topics"]))

    def statements(self) -> list[str]:
        """What capture ran, by its log since the start, in that order."""
        return [found.strip() for found in _RAN.findall(self.capture.text())]

    def rows_read(self) -> dict[str, int]:
        """Per table the rows that capture has read since its start."""
        found: dict[str, int] = {}
        for key, value in self.capture.samples().items():
            if match := re.fullmatch(r'flusso_snapshot_rows_total\{table="(.*)"\}', key):
                found[match[1]] = int(value)
        return {table: rows for table, rows in found.items() if rows}

    def built(self, index: str) -> int:
        """Documents that the worker has written since its start."""
        name, label = "flusso_documents_built_total{", f'index="{index}"'
        found = self.worker.samples().items()
        return int(sum(value for key, value in found if key.startswith(name) and label in key))

    def count(self, table: str) -> int:
        """Rows of a table."""
        with psycopg.connect(self.site.database_url) as database:
            row = database.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None
            return int(row[0])

    def documents(self, index: str) -> int:
        """Documents that queries find."""
        alias = f"{self.site.index_prefix}{index}"
        with web.client(self.site.opensearch_url) as client:
            client.post(f"/{alias}/_refresh").raise_for_status()
            return int(client.get(f"/{alias}/_count").json()["count"])


@contextmanager
def deployed(services: Services, folder: Path) -> Iterator[Deployed]:
    """A deployment of its own; nothing runs yet."""
    with names.site(services) as site:
        store.load_store(site.database_url)
        made = Deployed(site, folder)
        with cleaned_up(made.pipeline):
            yield made
