"""Seeding an index, and building it again, against the bare work of building and posting its documents."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
from measure import Measure, Reading
from world import (
    DEADLINE,
    ROOT,
    World,
    await_aliases,
    count_documents,
    large_store,
    records_of,
    running,
)
from yardstick import BareScript

from support.expected import compare
from support.processes import Pipeline, Site

_SCHEMA = ROOT / "dev" / "schemas" / "users.schema.yml"
_USERS, _LEAST = 100_000, 300
_SAMPLE = 500


def seed(world: World, workers: int) -> list[Reading]:
    """Searchable to searchable: from the first snapshot record (of `flusso run`: from its start) to the alias."""
    with world.database() as database_url:
        large_store(database_url, world.sized(_USERS, _LEAST))
        script = BareScript(database_url, world.opensearch, _SCHEMA)
        readings = [
            _round(world, script, database_url, workers, bare_first=bool(number % 2))
            for number in range(world.uncounted + world.rounds)
        ]
        return readings[world.uncounted :]


def _round(
    world: World, script: BareScript, database_url: str, workers: int, *, bare_first: bool
) -> Reading:
    with world.site(database_url, "users") as site:
        bare_index = f"{site.index_prefix}bare"
        bare = script.run(bare_index) if bare_first else None
        with running(site, workers) as (pipeline, _):
            product, from_start = _seeded(site, pipeline, workers)
        bare = bare or script.run(bare_index)
        documents = check_same_documents(site, bare_index)
    return Reading(
        product,
        bare.searchable,
        {"documents": documents, "from the start, s": from_start, "bare, written, s": bare.written},
    )


def _seeded(site: Site, pipeline: Pipeline, workers: int) -> tuple[float, float]:
    """Seconds from the first record, and from the start of the processes, to the alias."""
    started = first = time.monotonic()
    pipeline.start()
    while workers and not records_of(site, "users"):
        pipeline.check()
        if time.monotonic() - started > DEADLINE:
            raise TimeoutError("no snapshot has begun")
        time.sleep(0.02)
    if workers:
        first = time.monotonic()
    await_aliases(site, pipeline, "users")
    now = time.monotonic()
    return now - first, now - started


def reindex(world: World) -> list[Reading]:
    """`flusso reindex --wait` of an index that nothing else changes, over two workers."""
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        large_store(database_url, world.sized(_USERS, _LEAST))
        script = BareScript(database_url, world.opensearch, _SCHEMA)
        site = stack.enter_context(world.site(database_url, "users"))
        pipeline, folder = stack.enter_context(running(site, 2))
        pipeline.start()
        await_aliases(site, pipeline, "users")
        readings = []
        for number in range(world.uncounted + world.rounds):
            bare = script.run(f"{site.index_prefix}bare{number}")
            product = _reindexed(site, folder)
            documents = check_same_documents(site, f"{site.index_prefix}bare{number}")
            readings.append(Reading(product, bare.searchable, {"documents": documents}))
        return readings[world.uncounted :]


def _reindexed(site: Site, folder: Path) -> float:
    started = time.monotonic()
    done = site.run(folder, "reindex", "users", "--wait", deadline=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - started


def check_same_documents(site: Site, bare_index: str) -> int:
    """The product's index must hold what the bare one holds: the same count, and the same sample.  Gives the count."""
    alias = f"{site.index_prefix}users"
    counts = [count_documents(site, index) for index in (bare_index, alias)]
    assert counts[0] == counts[1], f"{counts[1]} documents, expected {counts[0]}"
    with httpx.Client(base_url=site.opensearch_url, timeout=60) as client:
        query = {"size": _SAMPLE, "query": {"function_score": {"random_score": {}}}}
        hits = client.post(f"/{bare_index}/_search", json=query).json()["hits"]["hits"]
        ids = {"ids": [hit["_id"] for hit in hits]}
        theirs = client.post(f"/{alias}/_mget", json=ids).json()["docs"]
    found = compare.differences(
        {"users": {hit["_id"]: hit["_source"] for hit in hits}},
        {"users": {item["_id"]: item.get("_source") for item in theirs}},
    )
    assert not found, compare.report(found)
    return counts[1]


MEASURES = [
    Measure(
        "seed-kafka",
        "seeding 100,000 users over Kafka, 2 workers / bare script, searchable to searchable",
        "s",
        0.92,
        at_most=False,
        run=partial(seed, workers=2),
    ),
    Measure(
        "seed-run",
        "the same through `flusso run`, from the start of the process",
        "s",
        0.95,
        at_most=False,
        run=partial(seed, workers=0),
    ),
    Measure(
        "reindex",
        "`flusso reindex --wait` of that index, 2 workers / bare script",
        "s",
        0.9,
        at_most=False,
        run=reindex,
    ),
]
