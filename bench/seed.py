"""How long seeding an index takes through Kafka, against the bare work of building and posting it.

Run it as `python bench/seed.py`; see bench/README.md.  It makes a scratch database, topics, slots and
indexes with names of their own and removes all of it, also when it fails or is interrupted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from bare import Bare, BareScript  # noqa: E402  (the two folders are no packages)

from support import processes  # noqa: E402
from support.expected import compare  # noqa: E402
from support.idle import end_offsets  # noqa: E402
from support.processes import Pipeline, Site, cleaned_up  # noqa: E402
from support.stores import dev as store  # noqa: E402

SCHEMA = ROOT / "dev" / "schemas" / "users.schema.yml"
LIMIT = 1.25
SAMPLE = 500
DEADLINE = 300.0
NAME = "flusso_bench_" + uuid.uuid4().hex[:8]

console = Console()


@dataclass(frozen=True)
class Product:
    """What one run of the product took until the alias was there, in seconds."""

    from_start: float
    """Since the processes were started (interpreters, connections, topics and slot included)."""
    from_first_record: float | None
    """Since the first snapshot record stood in Kafka; None for `flusso run`."""


@dataclass(frozen=True)
class Round:
    """One round: the bare script, then the product."""

    bare: Bare
    product: Product
    documents: int


def main() -> None:
    options = arguments()
    with scratch_database(options.postgres) as database_url:
        console.print(f"building a store with {options.users:,} users ...")
        prepare(database_url, options.users)
        script = BareScript(database_url, options.opensearch, SCHEMA)
        console.print("warming up ...")
        warm_up(options, database_url, script)
        rounds = []
        for number in range(options.rounds):
            rounds.append(one_round(options, database_url, script, number))
            console.print(told(rounds[-1], number))
    console.print(summary(rounds, options.embedded))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    env = os.environ.get
    parser.add_argument(
        "--postgres",
        default=env("FLUSSO_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    )
    parser.add_argument("--kafka", default=env("FLUSSO_TEST_KAFKA", "127.0.0.1:9092"))
    parser.add_argument(
        "--opensearch", default=env("FLUSSO_TEST_OPENSEARCH_URL", "http://127.0.0.1:9200")
    )
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--embedded", action="store_true", help="measure `flusso run` instead")
    return parser.parse_args()


# --- one round ------------------------------------------------------------------------------------


def one_round(
    options: argparse.Namespace, database_url: str, script: BareScript, number: int
) -> Round:
    """Bare and product into fresh indexes, taking turns at going first; both are compared and removed."""
    site = site_of(options, database_url, f"{NAME}_{number}")
    bare_index = f"{site.index_prefix}bare"
    with cleaned_names(site), tempfile.TemporaryDirectory() as folder:
        if number % 2:
            product = run_product(options, site, Path(folder))
            bare = script.run(bare_index)
        else:
            bare = script.run(bare_index)
            product = run_product(options, site, Path(folder))
        documents = same_documents(site, bare_index)
    return Round(bare, product, documents)


def site_of(options: argparse.Namespace, database_url: str, name: str) -> Site:
    """The servers, and names for one round."""
    return Site(
        database_url=database_url,
        kafka=options.kafka,
        opensearch_url=options.opensearch,
        slot=name,
        topic_prefix=name,
        index_prefix=f"{name}_",
        indexes=("users",),
        partitions=options.partitions,
    )


def warm_up(options: argparse.Namespace, database_url: str, script: BareScript) -> None:
    """A run of each that does not count: the first pays for cold caches and code not yet compiled."""
    site = site_of(options, database_url, f"{NAME}_warm")
    with cleaned_names(site), tempfile.TemporaryDirectory() as folder:
        script.run(f"{site.index_prefix}bare")
        run_product(options, site, Path(folder))


def run_product(options: argparse.Namespace, site: Site, folder: Path) -> Product:
    """Start the product, time it, stop it."""
    if options.embedded:
        pipeline = processes.embedded_pipeline(site, folder)
    else:
        pipeline = processes.kafka_pipeline(site, folder, options.workers)
    with cleaned_up(pipeline):
        product = seed(site, pipeline, embedded=options.embedded)
        pipeline.stop()
    return product


def seed(site: Site, pipeline: Pipeline, *, embedded: bool) -> Product:
    """Start the product and wait for the alias swap."""
    first: float | None = None
    admin = AdminClient({"bootstrap.servers": site.kafka})
    started = time.monotonic()
    pipeline.start()
    with httpx.Client(base_url=site.opensearch_url) as client:
        while client.head(f"/_alias/{site.index_prefix}users").status_code != httpx.codes.OK:
            pipeline.check()
            if first is None and not embedded and records(admin, site) > 0:
                first = time.monotonic()
            if time.monotonic() - started > DEADLINE:
                raise TimeoutError(f"not live within {DEADLINE:.0f} s")
            time.sleep(0.1)
    live = time.monotonic()
    return Product(live - started, None if first is None else live - first)


def records(admin: AdminClient, site: Site) -> int:
    """How many records the users topic holds; 0 while it does not exist."""
    topic = f"{site.topic_prefix}.public.users"
    found = admin.list_topics(timeout=10).topics.get(topic)
    if found is None:
        return 0
    return sum(end_offsets(admin, [(topic, number) for number in found.partitions]).values())


def same_documents(site: Site, bare_index: str) -> int:
    """The product's index must hold what the bare one holds: the same count, and the same sample."""
    with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
        alias = f"{site.index_prefix}users"
        counts = []
        for index in (bare_index, alias):
            client.post(f"/{index}/_refresh").raise_for_status()
            counts.append(client.get(f"/{index}/_count").json()["count"])
        if counts[0] != counts[1]:
            raise AssertionError(f"{counts[1]} documents, expected {counts[0]}")
        query = {"size": SAMPLE, "query": {"function_score": {"random_score": {}}}}
        hits = client.post(f"/{bare_index}/_search", json=query).json()["hits"]["hits"]
        ids = {"ids": [hit["_id"] for hit in hits]}
        theirs = client.post(f"/{alias}/_mget", json=ids).json()["docs"]
        found = compare.differences(
            {"users": {hit["_id"]: hit["_source"] for hit in hits}},
            {"users": {item["_id"]: item.get("_source") for item in theirs}},
        )
        if found:
            raise AssertionError(compare.report(found))
    return int(counts[1])


# --- what is made and removed ---------------------------------------------------------------------


@contextmanager
def scratch_database(admin_url: str) -> Iterator[str]:
    """A database of its own, dropped at the end."""
    name = sql.Identifier(NAME)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    try:
        yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{NAME}"))
    finally:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def prepare(database_url: str, users: int) -> None:
    """The dev store with exactly `users` users, vacuumed and checkpointed."""
    store.load_store(database_url)
    store.grow(database_url, users)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE users SET deleted = true WHERE id < 10000")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


@contextmanager
def cleaned_names(site: Site) -> Iterator[None]:
    """Remove slot, topics, groups and indexes of one round."""
    try:
        yield
    finally:
        drop_slot(site)
        drop_topics(site)
        with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
            names = client.get(f"/_cat/indices/{site.index_prefix}*?h=index&format=json").json()
            for name in names:
                client.delete(f"/{name['index']}").raise_for_status()


def drop_slot(site: Site) -> None:
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


def drop_topics(site: Site) -> None:
    admin = AdminClient({"bootstrap.servers": site.kafka})
    mine = [
        name
        for name in admin.list_topics(timeout=10).topics
        if name.startswith(f"{site.topic_prefix}.")
    ]
    groups = [
        item.group_id
        for item in admin.list_consumer_groups().result().valid
        if item.group_id.startswith(f"{site.topic_prefix}.")
    ]
    for future in admin.delete_topics(mine).values() if mine else ():
        future.result()
    for future in admin.delete_consumer_groups(groups).values() if groups else ():
        future.result()


# --- telling --------------------------------------------------------------------------------------


def told(item: Round, number: int) -> str:
    """One line about a round."""
    return (
        f"round {number + 1}: {item.documents:,} documents, bare {item.bare.written:.2f} s,"
        f" product {item.product.from_start:.2f} s from process start"
    )


def summary(rounds: list[Round], embedded: bool) -> Table:
    """Medians, rates and ratios over all rounds."""
    documents = rounds[-1].documents
    written = statistics.median(item.bare.written for item in rounds)
    searchable = statistics.median(item.bare.searchable for item in rounds)
    rows = {"bare: written": written, "bare: searchable": searchable}
    name = "flusso run" if embedded else "product"
    firsts = [
        item.product.from_first_record
        for item in rounds
        if item.product.from_first_record is not None
    ]
    if firsts:
        rows[f"{name}: first record to swap"] = statistics.median(firsts)
    rows[f"{name}: start to swap"] = statistics.median(item.product.from_start for item in rounds)
    table = Table(title=f"Seeding {documents:,} users, median of {len(rounds)} rounds")
    for heading in (
        "timed",
        "seconds",
        "documents/s",
        f"to searchable (limit {LIMIT})",
        "to written",
    ):
        table.add_column(heading, justify="left" if heading == "timed" else "right")
    for label, seconds in rows.items():
        ratios = (f"{seconds / end:.2f}" for end in (searchable, written))
        table.add_row(label, f"{seconds:.2f}", f"{documents / seconds:,.0f}", *ratios)
    return table


if __name__ == "__main__":
    main()
