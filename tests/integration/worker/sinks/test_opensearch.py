"""The sink over a real OpenSearch: rejected documents, sizes, deleted indexes, blocks that end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flusso_shared.clock import SystemClock
from flusso_shared.errors import FatalError, StoppedError
from flusso_shared.seams import Batch, Operation, Written
from flusso_worker.sinks.cluster import Cluster, path
from flusso_worker.sinks.opensearch import OpenSearchSink, indexed_ids
from services import Services
from support.kits.index_kit import IndexKit, connection
from support.waiting import until

pytestmark = pytest.mark.services

SNAPSHOT = 1 << 48


class Kit:
    """An index of the small store and a sink to it."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.index = IndexKit(url, prefix)
        self.index.create()
        self.stop = threading.Event()
        self.clock = SystemClock(self.stop)
        self.sink = OpenSearchSink(self.index.cluster, self.clock)

    def batch(self, *operations: Operation, built_at: float | None = None) -> Batch:
        now = self.clock.monotonic() if built_at is None else built_at
        return Batch(self.index.name, operations, now)

    def ask(self, method: str, where: str, body: object = None) -> None:
        self.index.cluster.request(method, where, body)


@pytest.fixture
def kit(services: Services, index_prefix: str) -> Iterator[Kit]:
    made = Kit(services.opensearch_url, index_prefix)
    yield made
    made.index.close()


def document(number: int, **fields: object) -> Operation:
    value = {"id": number, "name": f"n{number}", **fields}
    return Operation(str(number), SNAPSHOT + 1, json.dumps(value).encode())


def test_a_rejected_document_does_not_affect_others(kit: Kit) -> None:
    poison = document(2, orders="no object")
    written = kit.sink.write(kit.batch(document(1), poison, document(3)))
    assert [(item.id, item.status) for item in written.rejected] == [("2", 400)]
    assert "orders" in written.rejected[0].reason
    assert sorted(kit.index.documents()) == [1, 3]


def test_a_delete_is_remembered_and_an_older_write_refused(kit: Kit) -> None:
    gone = Operation("1", SNAPSHOT + 5, None)
    assert kit.sink.write(kit.batch(gone)).rejected == ()
    conflicts = kit.sink.write(kit.batch(document(1))).conflicts
    assert [(item.id, item.stored) for item in conflicts] == [("1", SNAPSHOT + 5)]
    assert kit.index.documents() == {}


@pytest.mark.parametrize("operation", [document(1), Operation("1", SNAPSHOT, None)])
def test_a_late_write_never_recreates_a_deleted_index(kit: Kit, operation: Operation) -> None:
    """Versioned deletes create an index, even with `require_alias`."""
    kit.ask("DELETE", path(kit.index.name.physical))
    with pytest.raises(FatalError, match="does not exist or is closed"):
        kit.sink.write(kit.batch(operation))
    reply = kit.index.cluster.request("HEAD", path(kit.index.name.write_alias), allow=(404,))
    assert reply.status == 404


def test_a_request_larger_than_the_server_accepts_is_split(kit: Kit) -> None:
    """The limit of the server is 100 MB; that of the sink is set above it."""
    given = connection(kit.url)
    config = given.config.model_copy(update={"max_bytes": 200_000_000})
    with_large_requests = Cluster(given.model_copy(update={"config": config}))
    sink = OpenSearchSink(with_large_requests, kit.clock)
    padding = b" " * 27_000_000
    large = [
        operation._replace(document=(operation.document or b"") + padding)
        for operation in map(document, range(4))
    ]
    assert sink.write(kit.batch(*large)).rejected == ()
    assert sorted(kit.index.documents()) == [0, 1, 2, 3]
    with_large_requests.close()


def test_a_read_only_index_is_waited_for(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """As after a full disk: no document is rejected or lost."""
    block = "index.blocks.read_only_allow_delete"
    where = path(kit.index.name.physical, "_settings")
    kit.ask("PUT", where, {block: True})
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(kit.sink.write, kit.batch(document(1)))
        until("a first refusal", lambda: "cannot write to" in caplog.text)
        kit.ask("PUT", where, {block: None})
        assert writing.result(60).rejected == ()
    assert sorted(kit.index.documents()) == [1]


def test_a_batch_that_is_too_old_is_not_written(kit: Kit) -> None:
    batch = kit.batch(document(1), document(2), built_at=kit.clock.monotonic() - 1000)
    assert kit.sink.write(batch) == Written(again=frozenset({"1", "2"}))
    assert kit.index.documents() == {}


def test_a_stop_ends_the_wait(kit: Kit) -> None:
    where = path(kit.index.name.physical, "_settings")
    kit.ask("PUT", where, {"index.blocks.write": True})
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(kit.sink.write, kit.batch(document(1)))
        kit.stop.set()
        with pytest.raises(StoppedError):
            writing.result(60)


def test_all_ids_are_listed_in_parts(kit: Kit) -> None:
    kit.sink.write(kit.batch(*[document(number) for number in range(25)]))
    parts = list(indexed_ids(kit.index.cluster, kit.index.name.write_alias, size=10))
    assert [len(part) for part in parts] == [10, 10, 5]
    assert {name for part in parts for name in part} == {str(number) for number in range(25)}
