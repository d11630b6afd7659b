"""Requests that take OpenSearch long are followed by smaller ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.seams import Batch, Operation
from flusso_worker.sinks.cluster import Cluster, Reply
from flusso_worker.sinks.opensearch import OpenSearchSink
from services import Services
from support.kits.index_kit import IndexKit, connection

pytestmark = pytest.mark.services


class PacedClock(SystemClock):
    """Its time is that of the requests: each document takes `seconds`."""

    def __init__(self) -> None:
        super().__init__(threading.Event())
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class PacedCluster(Cluster):
    """A real cluster, and a clock that says how long its requests took."""

    def __init__(self, url: str, clock: PacedClock) -> None:
        super().__init__(connection(url))
        self._clock = clock
        self.seconds = 0.0
        """Of each document."""
        self.sizes: list[int] = []

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
    ) -> Reply:
        size = body.count(b'{"index":')
        self.sizes.append(size)
        self._clock.now += size * self.seconds
        return super().request(method, path, body, params, allow)


def test_the_size_of_requests_follows_their_time(index: IndexKit, services: Services) -> None:
    clock = PacedClock()
    documents = [
        Operation(str(number), 1 << 48, json.dumps({"id": number, "name": "x"}).encode())
        for number in range(2000)
    ]
    with closing(PacedCluster(services.opensearch_url, clock)) as cluster:
        sink = OpenSearchSink(cluster, clock)

        def written() -> list[int]:
            cluster.sizes.clear()
            assert sink.write(Batch(index.name, documents, clock.monotonic())).rejected == ()
            assert sum(cluster.sizes) == len(documents)
            return list(cluster.sizes)

        quick = [written() for _ in range(6)]
        assert quick[0][0] == 100
        assert quick[-1] == [1000, 1000]
        assert all(max(one) <= max(other) for one, other in pairwise(quick))
        cluster.seconds = 0.001
        written()
        assert set(written()) == {100}
