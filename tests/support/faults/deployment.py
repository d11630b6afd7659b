"""A deployment with servers of its own, whose parts can be stopped: capture and three workers over Kafka."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from support.processes import SHORT_SESSIONS, Daemon, Site
from support.scenario import Scenario
from support.servers.own_kafka import Broker, own_kafka
from support.servers.own_opensearch import OwnOpenSearch, own_opensearch_2
from support.servers.own_postgres import OwnPostgres, configured_postgres
from support.stores import dev as store

STALL_SECONDS = 10
"""`--stall-timeout` of the processes."""
QUARANTINE_LIMIT = 1
PREFIX = "shop"
"""Of topics and indexes; also the name of the slot and of the publication."""
GATE = 7
"""Statements that build an order wait while this advisory lock is held."""
_DATABASE = "shop"
_GATE = f"""
CREATE FUNCTION passes(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET lock_timeout = 0 AS $$
BEGIN
    PERFORM pg_advisory_lock_shared({GATE});
    PERFORM pg_advisory_unlock_shared({GATE});
    RETURN true;
END $$
"""
_GATED = 'table: orders\nprimary_key: id\nfilters: [{ raw: "passes(id)" }]\n'
_OF_INDEX = f'on_error = "skip"\nquarantine_limit = {QUARANTINE_LIMIT}\n'


@dataclass(frozen=True)
class Deployment:
    """All of it.  Slot, publication and the prefixes have the same names in every run."""

    scenario: Scenario
    folder: Path
    postgres: OwnPostgres
    kafka: Broker
    opensearch: OwnOpenSearch

    @property
    def capture(self) -> Daemon:
        return self.scenario.pipeline.daemons[0]

    @property
    def workers(self) -> list[Daemon]:
        return self.scenario.pipeline.daemons[1:]

    @property
    def asked(self) -> Daemon:
        """A process that no fault touches, to look at the deployment through."""
        return self.workers[1]

    def execute(self, *statements: str) -> None:
        """Each statement in a transaction of its own."""
        self.postgres.execute(*statements, database=_DATABASE)

    def edit(self) -> None:
        """A change of an order, which leaves its document as it is."""
        self.execute("UPDATE orders SET status = status WHERE id = 1001")

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.scenario.site.kafka, "log_level": 0})

    def schema(self, index: str) -> Path:
        """The schema file of an index, which the processes read at their start."""
        return self.scenario.site.schemas / f"{index}.schema.yml"


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """The example store, seeded, and the processes running; every process ends cleanly."""
    schemas = folder / "schemas"
    shutil.copytree(store.ROOT / "dev" / "schemas", schemas)
    orders = schemas / "orders.schema.yml"
    text = orders.read_text(encoding="utf-8")
    gated = text.replace("table: orders\nprimary_key: id\n", _GATED)
    assert gated != text
    orders.write_text(gated, encoding="utf-8")
    with (
        configured_postgres(min_wal_size="32MB") as postgres,
        own_kafka() as cluster,
        own_opensearch_2() as opensearch,
    ):
        postgres.execute(f"CREATE DATABASE {_DATABASE}")
        url = postgres.url(_DATABASE)
        store.load_store(url)
        postgres.execute(_GATE, database=_DATABASE)
        site = Site(
            database_url=url,
            kafka=cluster.address,
            opensearch_url=opensearch.url,
            slot=PREFIX,
            topic_prefix=PREFIX,
            index_prefix=f"{PREFIX}_",
            schemas=schemas,
            more=SHORT_SESSIONS,
            of_index=_OF_INDEX,
        )
        scenario = Scenario.over("kafka, 3 workers", site, folder)
        for daemon in scenario.pipeline.daemons:
            daemon.environment["FLUSSO_STALL_TIMEOUT"] = str(STALL_SECONDS)
        with scenario.running():
            yield Deployment(scenario, folder, postgres, cluster.brokers[0], opensearch)
