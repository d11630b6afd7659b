"""Changes of single rows while an index is live: how many per second, and how long one takes."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import psycopg
from measure import Measure, Reading
from world import DEADLINE, ROOT, World, await_aliases, large_store, running
from yardstick import BareScript

from support.processes import Pipeline, Site

_SCHEMA = ROOT / "dev" / "schemas" / "users.schema.yml"
_SAMPLE = 500
_LOOKED_AT = 20
_PAUSE_SECONDS = 0.05
"""The last of the sample are looked at until they are right, then the others: a realtime get makes OpenSearch refresh, which
takes from the product what the yardstick keeps."""
_PER_SECOND = 20

_UPDATES = """
CREATE OR REPLACE PROCEDURE single_updates(many integer, amount numeric) LANGUAGE plpgsql AS $$
DECLARE
  wanted record;
BEGIN
  SET synchronous_commit = off;
  FOR wanted IN
    SELECT DISTINCT ON (o.user_id) o.id FROM orders o JOIN users u ON u.id = o.user_id
    WHERE NOT u.deleted AND o.status <> 'cancelled' ORDER BY o.user_id, o.id LIMIT many
  LOOP
    UPDATE orders SET total = amount WHERE id = wanted.id;
    COMMIT;
  END LOOP;
END $$
"""


def throughput(world: World, workers: int) -> list[Reading]:
    """From the first commit to the last correct document, against building and posting the same documents."""
    changes = world.sized(20_000, 200)
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        large_store(database_url, changes)
        script = BareScript(database_url, world.opensearch, _SCHEMA)
        site = stack.enter_context(world.site(database_url, "users"))
        pipeline, _ = stack.enter_context(running(site, workers))
        pipeline.start()
        await_aliases(site, pipeline, "users")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(_UPDATES)
            users = _users(connection, changes)
            readings = []
            for number in range(world.uncounted + world.rounds):
                bare = script.run(f"{site.index_prefix}bare{number}", users)
                product = _updated(connection, site, pipeline, users, number)
                readings.append(Reading(product, bare.written, {"changes": len(users)}))
            return readings[world.uncounted :]


def _users(connection: psycopg.Connection[tuple[object, ...]], many: int) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT o.user_id FROM orders o JOIN users u ON u.id = o.user_id"
        " WHERE NOT u.deleted AND o.status <> 'cancelled' ORDER BY 1 LIMIT %s",
        (many,),
    )
    return [str(row[0]) for row in rows]


def _updated(
    connection: psycopg.Connection[tuple[object, ...]],
    site: Site,
    pipeline: Pipeline,
    users: Sequence[str],
    number: int,
) -> float:
    """Seconds until a sample of the documents and the last of them have the amount of this round."""
    amount = 1_000_000 + number
    sample = sorted({*random.Random(number).sample(users, min(_SAMPLE, len(users))), users[-1]})
    started = time.monotonic()
    connection.execute("CALL single_updates(%s, %s)", (len(users), amount))
    with httpx.Client(base_url=site.opensearch_url) as client:
        while sample:
            behind = _behind(client, site, sample[-_LOOKED_AT:], amount)
            sample[-_LOOKED_AT:] = behind
            pipeline.check()
            if time.monotonic() - started > DEADLINE:
                raise TimeoutError(f"{len(sample)} documents stay behind")
            if behind:
                time.sleep(_PAUSE_SECONDS)
    return time.monotonic() - started


def _behind(client: httpx.Client, site: Site, ids: list[str], amount: int) -> list[str]:
    """Those whose document does not have the amount yet."""
    answer = client.post(
        f"/{site.index_prefix}users/_mget?_source_includes=orders.total", json={"ids": ids}
    )
    answer.raise_for_status()
    return [
        item["_id"]
        for item in answer.json()["docs"]
        if not any(order["total"] == amount for order in item["_source"]["orders"])
    ]


def latency(world: World, workers: int, *, beside_seeding: bool = False) -> list[Reading]:
    """Milliseconds from a commit until the document can be read by its id: the 99th percentile, and more beside it."""
    seconds = world.sized(20, 2)
    with ExitStack() as stack:
        database_url = stack.enter_context(world.database())
        large_store(database_url, world.sized(100_000 if beside_seeding else 5_000, 200))
        names = ("users", "orders") if beside_seeding else ("users",)
        script = BareScript(database_url, world.opensearch, _SCHEMA)
        site = stack.enter_context(world.site(database_url, *names))
        pipeline, folder = stack.enter_context(running(site, workers))
        pipeline.start()
        await_aliases(site, pipeline, *names)
        script.create(f"{site.index_prefix}bare")
        readings = []
        for _ in range(world.rounds):
            if beside_seeding:
                with _seeding(site, folder):
                    readings.append(_latencies(site, script, seconds))
            else:
                readings.append(_latencies(site, script, seconds))
        return readings


@contextmanager
def _seeding(site: Site, folder: Path) -> Iterator[None]:
    """Another index is built again, time after time, until the block ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            site.run(folder, "reindex", "orders", "--wait", deadline=DEADLINE)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _latencies(site: Site, script: BareScript, seconds: int) -> Reading:
    """Beside each change, what it takes to build and post the same document with nothing in between."""
    waits: list[float] = []
    bare: list[float] = []
    with (
        script.writing(f"{site.index_prefix}bare") as write,
        psycopg.connect(site.database_url, autocommit=True) as connection,
        httpx.Client(base_url=site.opensearch_url) as client,
    ):
        rows = connection.execute("SELECT id FROM users WHERE NOT deleted ORDER BY random()")
        ids = [str(row[0]) for row in rows.fetchmany(seconds * _PER_SECOND)]
        next_at = time.monotonic()
        for number, user in enumerate(ids):
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at += 1 / _PER_SECOND
            email = f"latency-{number}-{time.monotonic_ns()}@example.com"
            connection.execute("UPDATE users SET email = %s WHERE id = %s", (email, user))
            waits.append(_until_there(client, f"{site.index_prefix}users", user, email))
            began = time.monotonic()
            write([(user,)])
            _until_there(client, f"{site.index_prefix}bare", user, email)
            bare.append(1000 * (time.monotonic() - began))
    details = {
        "p50, ms": statistics.median(waits),
        "bare, p50, ms": statistics.median(bare),
        "bare, p99, ms": _p99(bare),
        "changes": len(waits),
    }
    return Reading(_p99(waits), None, details)


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


def _until_there(client: httpx.Client, index: str, user: str, email: str) -> float:
    """Milliseconds from now until the user's document has this address."""
    began = time.monotonic()
    while _email(client, index, user) != email:
        if time.monotonic() - began > DEADLINE:
            raise TimeoutError(f"user {user} stays behind")
    return 1000 * (time.monotonic() - began)


def _email(client: httpx.Client, index: str, user: str) -> object:
    answer = client.get(f"/{index}/_source/{user}?_source_includes=email")
    return answer.json().get("email") if answer.status_code == httpx.codes.OK else None


MEASURES = [
    Measure(
        "live-kafka",
        "20,000 updates of single `orders` rows over 20,000 users, Kafka, 2 workers, first commit to last correct"
        " document / building and posting the same documents",
        "s",
        0.8,
        at_most=False,
        run=partial(throughput, workers=2),
    ),
    Measure(
        "live-run",
        "the same through `flusso run`",
        "s",
        0.8,
        at_most=False,
        run=partial(throughput, workers=0),
    ),
    Measure(
        "latency-kafka",
        "commit to readable by id, 20 changes/s, Kafka, p99",
        "ms",
        28,
        at_most=True,
        run=partial(latency, workers=1),
    ),
    Measure(
        "latency-run",
        "the same through `flusso run`",
        "ms",
        27,
        at_most=True,
        run=partial(latency, workers=0),
    ),
    Measure(
        "latency-seeding",
        "the same over Kafka beside an index that is being seeded",
        "ms",
        60,
        at_most=True,
        run=partial(latency, workers=1, beside_seeding=True),
    ),
]
