"""Reading: the time of a search with the query client and the fast serializer, beside plain opensearch-py, for the same 1,000 hits of 1.4 KB.

Models cost what pydantic takes for each object: a document with three orders of three lines is 17 of them, one with few related rows is 4.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from measure import Measure, Reading
from opensearchpy import OpenSearch
from world import ROOT, World

from flusso_query import Client, FastSerializer, Search
from flusso_shared.plan.model import IndexPlan
from flusso_shared.schema.compile import compile_index
from flusso_shared.schema.reader import load_schema
from searchlib.documents import Users
from support.kits.query_kit import QueryKit

_HITS = 1_000
_PAIRS = 20
"""Requests of each kind in one reading, in turn."""


def typed(world: World) -> list[Reading]:
    """Milliseconds of one search whose hits become models, of 4 objects each."""
    return _compared(world, _plain, Client.search)


def nested(world: World) -> list[Reading]:
    """The same with models of 17 objects each."""
    return _compared(world, _deep, Client.search)


def untyped(world: World) -> list[Reading]:
    """The same with hits that stay JSON."""
    return _compared(world, _deep, lambda client, search: client.search(search.untyped()))


def _compared(
    world: World,
    document: Callable[[int], dict[str, Any]],
    call: Callable[[Client, Search[Users]], Any],
) -> list[Reading]:
    kit = QueryKit(world.opensearch, f"flusso_bench_{uuid.uuid4().hex[:12]}_")
    try:
        count = world.sized(_HITS, 10)
        kit.seed(_plan(), (document(number) for number in range(1, count + 1)))
        plain = OpenSearch(world.opensearch, timeout=60)
        fast = OpenSearch(world.opensearch, timeout=60, serializer=FastSerializer())
        client = Client(fast, prefix=kit.prefix)
        search = Search(Users).size(count)
        index, body = Users.__binding__.alias(kit.prefix), search.body()
        size = len(json.dumps(document(1)))

        def ours() -> None:
            assert len(call(client, search).hits) == count

        def theirs() -> None:
            assert len(plain.search(index=index, body=body)["hits"]["hits"]) == count

        readings = []
        for number in range(world.uncounted + world.rounds):
            pairs = [(_timed(theirs), _timed(ours)) for _ in range(_PAIRS)]
            yardstick, product = (_Time.mean(times) for times in zip(*pairs, strict=True))
            if number >= world.uncounted:
                details = {
                    "processor time, ms": product.processor,
                    "of the yardstick, ms": yardstick.processor,
                    "bytes of a document": float(size),
                }
                readings.append(Reading(product.elapsed, yardstick.elapsed, details))
        plain.close()
        fast.close()
        return readings
    finally:
        kit.remove_all()
        kit.close()


class _Time(NamedTuple):
    """What a search takes, in milliseconds."""

    elapsed: float
    processor: float
    """Of this process alone."""

    @classmethod
    def mean(cls, times: Iterable[_Time]) -> _Time:
        return cls(*map(statistics.fmean, zip(*times, strict=True)))


def _timed(act: Callable[[], None]) -> _Time:
    """What the other call has left to the collector is not counted."""
    gc.collect()
    began = time.perf_counter(), time.process_time()
    act()
    ended = time.perf_counter(), time.process_time()
    return _Time(*(1000 * (after - before) for before, after in zip(began, ended, strict=True)))


def _plan() -> IndexPlan:
    file = ROOT / "dev" / "schemas" / "users.schema.yml"
    return compile_index("users", load_schema(file, "users"), file.name)


def _plain(number: int) -> dict[str, Any]:
    """Of 1.4 KB, most of it text."""
    return _document(number, addresses=1, orders=0, words=160)


def _deep(number: int) -> dict[str, Any]:
    """Of 1.4 KB, most of it related rows."""
    return _document(number, addresses=2, orders=3, words=6)


def _document(number: int, addresses: int, orders: int, words: int) -> dict[str, Any]:
    """As a worker writes it."""
    moment = f"2024-03-{1 + number % 28:02}T04:05:06.789+00:00"
    order = {
        "status": "paid",
        "total": number + 0.25,
        "placedAt": moment,
        "items": [{"productId": item, "quantity": 2, "unitPrice": 10.5} for item in range(3)],
    }
    address = {
        "kind": "home",
        "line1": f"{number} Example Street",
        "city": "Springfield",
        "postalCode": "12345",
        "country": "US",
    }
    return {
        "id": number,
        "email": f"user{number}@example.com",
        "fullName": f"User Number {number}",
        "account": {"tier": "gold", "country": "US", "createdAt": moment},
        "profile": {
            "bio": "words " * words,
            "avatarUrl": f"https://images.example.com/{number}.png",
            "birthDate": "1990-01-02",
        },
        "addresses": [address] * addresses,
        "orders": [order] * orders,
        "orderCount": 3,
        "deliveredOrders": 0,
        "lifetimeValue": number * 3 + 0.75,
        "avgOrderValue": number + 0.25,
        "lastOrderAt": moment,
    }


MEASURES = [
    Measure(
        "read-typed",
        "searching 1,000 hits as models of 4 objects, beside plain opensearch-py",
        "ms",
        1 / 1.5,
        False,
        typed,
    ),
    Measure(
        "read-nested",
        "searching 1,000 hits as models of 17 objects, beside plain opensearch-py",
        "ms",
        1 / 1.5,
        False,
        nested,
    ),
    Measure(
        "read-untyped",
        "searching 1,000 hits without models, beside plain opensearch-py",
        "ms",
        1 / 1.1,
        False,
        untyped,
    ),
]
