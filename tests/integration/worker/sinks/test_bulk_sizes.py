"""Bulk requests that a proxy before OpenSearch does not accept, over a real proxy and a real OpenSearch."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.seams import Batch, Operation, Written
from flusso_shared.status import Status
from flusso_worker.sinks.cluster import Cluster
from flusso_worker.sinks.opensearch import OpenSearchSink
from services import Services
from support.kits.index_kit import IndexKit, connection
from support.proxies.http_proxy import NarrowProxy
from support.waiting import until

pytestmark = pytest.mark.services

LIMIT = 20_000
MORE_THAN_ENOUGH = 30


class QuickClock(SystemClock):
    """A clock whose waits are short."""

    def wait(self, seconds: float) -> None:
        super().wait(min(seconds, 0.01))


def document(number: int, size: int) -> Operation:
    value = {"id": number, "name": "x" * size}
    return Operation(str(number), 1 << 48, json.dumps(value).encode())


def write(index: IndexKit, proxy: NarrowProxy, status: Status, *operations: Operation) -> Written:
    clock = QuickClock(threading.Event())
    with closing(Cluster(connection(proxy.url))) as cluster:
        sink = OpenSearchSink(cluster, clock, status=status)
        return sink.write(Batch(index.name, operations, clock.monotonic()))


@pytest.mark.parametrize(
    ("answer", "told"), [(None, 413), (413, 413), (400, 400), (502, 413)], ids=str
)
def test_a_request_is_split_until_one_document_is_judged_alone(
    index: IndexKit, services: Services, answer: int | None, told: int
) -> None:
    small = [document(number, 2000) for number in range(1, 31)]
    large = [document(31, 50_000), document(32, 60_000)]
    with NarrowProxy(services.opensearch_url, LIMIT, answer) as proxy:
        written = write(index, proxy, Status(), *small[:15], *large, *small[15:])
    assert [(item.id, item.status) for item in written.rejected] == [("31", told), ("32", told)]
    assert sorted(index.documents()) == list(range(1, 31))


@pytest.mark.parametrize("answer", [None, 413, 400, 502, 503], ids=str)
def test_an_outage_rejects_no_document(
    index: IndexKit, services: Services, answer: int | None
) -> None:
    status = Status()
    with (
        NarrowProxy(services.opensearch_url, 0, answer) as proxy,
        ThreadPoolExecutor(1) as executor,
    ):
        writing = executor.submit(write, index, proxy, status, document(1, 10))
        until("many were cut", lambda: proxy.refused > MORE_THAN_ENOUGH)
        assert not writing.done()
        assert "cannot write to" in str(status.to_json()["last_error"])
        proxy.limit = LIMIT
        assert writing.result(30).rejected == ()
    assert status.to_json()["last_error"] is None
    assert list(index.documents()) == [1]
