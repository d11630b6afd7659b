"""The connections that a worker keeps to a cluster: as many as threads use them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.clock import SystemClock
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status
from flusso_worker.generations.local_store import LocalStore
from flusso_worker.options import WorkerOptions
from flusso_worker.pipeline.spec import WorkerContext
from flusso_worker.wiring import Destinations
from services import Services
from support.kits.index_kit import connection

pytestmark = pytest.mark.services

INDEXES = 11
THREADS = 6 * INDEXES


def test_no_connection_is_discarded(
    services: Services, caplog: pytest.LogCaptureFixture, index_prefix: str
) -> None:
    options = WorkerOptions(
        conninfo=services.postgres_url,
        topic_prefix="t",
        index_prefix=index_prefix,
        opensearch=(connection(services.opensearch_url),),
        stdout=(),
        policy=lambda _index: "stop",
    )
    together = threading.Barrier(THREADS)
    context = WorkerContext(MemoryLog(), Metrics(), Status())
    clock = SystemClock(threading.Event())
    with (
        Destinations(options, context, clock, INDEXES, LocalStore()) as destinations,
        ThreadPoolExecutor(THREADS) as executor,
        caplog.at_level(logging.WARNING, "urllib3"),
    ):
        (cluster,) = destinations.clusters

        def ask(_: int) -> int:
            together.wait(30)
            return cluster.request("GET", "/_cluster/health", params={"timeout": "1s"}).status

        assert set(executor.map(ask, range(THREADS))) == {200}
    assert not [item for item in caplog.records if item.name.startswith("urllib3")]
