"""What every sink does: OpenSearch, standard output, and the scripted sink of the tests."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest

from fakes.scripted_sink import ScriptedSink
from flusso_shared.clock import SystemClock
from flusso_shared.config.model import StdoutSinkConfig
from flusso_shared.names import GenerationName
from flusso_shared.seams import Batch, Conflict, Operation, Sink, Written
from flusso_worker.sinks.opensearch import OpenSearchSink
from flusso_worker.sinks.stdout import StdoutSink
from support.kits.index_kit import IndexKit

GENERATION = GenerationName("users", "01234567", 1)
VERSION = 1 << 48
NAME = "primary"

OPENSEARCH = pytest.param("opensearch", marks=pytest.mark.services)


@dataclass(frozen=True)
class Destination:
    """A sink and what a reader of its destination finds there."""

    sink: Sink
    generation: GenerationName
    documents: Callable[[], dict[int, Any]]

    def write(self, *operations: Operation) -> Written:
        return self.sink.write(Batch(self.generation, operations, time.monotonic()))


def _scripted(_request: pytest.FixtureRequest) -> Iterator[Destination]:
    sink = ScriptedSink(name=NAME)
    yield Destination(
        sink,
        GENERATION,
        lambda: {int(key): json.loads(document) for key, document in sink.documents.items()},
    )


def _stdout(_request: pytest.FixtureRequest) -> Iterator[Destination]:
    out = io.StringIO()

    def documents() -> dict[int, Any]:
        """What a reader keeps that applies the lines in their order."""
        found: dict[int, Any] = {}
        for line in map(json.loads, out.getvalue().split("\n")[:-1]):
            if line["op"] == "delete":
                found.pop(int(line["id"]), None)
            else:
                found[int(line["id"])] = line["document"]
        return found

    config = StdoutSinkConfig(name=NAME, type="stdout", pretty=False)
    yield Destination(StdoutSink(config, out), GENERATION, documents)


def _opensearch(request: pytest.FixtureRequest) -> Iterator[Destination]:
    url = request.getfixturevalue("services").opensearch_url
    index = IndexKit(url, request.getfixturevalue("index_prefix"))
    index.create()
    yield Destination(
        OpenSearchSink(index.cluster, SystemClock(Event())), index.name, index.documents
    )
    index.close()


_MAKERS = {"scripted": _scripted, "stdout": _stdout, "opensearch": _opensearch}


@pytest.fixture(params=["scripted", "stdout", OPENSEARCH])
def destination(request: pytest.FixtureRequest) -> Iterator[Destination]:
    yield from _MAKERS[request.param](request)


@pytest.fixture(params=["scripted", OPENSEARCH])
def versioned(request: pytest.FixtureRequest) -> Iterator[Destination]:
    """A destination that stores documents, and so compares versions.  A stream stores nothing."""
    yield from _MAKERS[request.param](request)


def value(number: int, name: str = "first") -> dict[str, Any]:
    return {"id": number, "name": name}


def put(number: int, name: str = "first", version: int = VERSION) -> Operation:
    return Operation(str(number), version, json.dumps(value(number, name)).encode())


def delete(number: int, version: int = VERSION) -> Operation:
    return Operation(str(number), version, None)


def test_a_sink_has_the_configured_name(destination: Destination) -> None:
    assert destination.sink.name == NAME


def test_a_batch_is_at_the_destination_when_write_returns(destination: Destination) -> None:
    assert destination.write(*map(put, range(20))) == Written()
    assert destination.documents() == {number: value(number) for number in range(20)}


def test_an_empty_batch_writes_nothing(destination: Destination) -> None:
    assert destination.write() == Written()
    assert destination.documents() == {}


def test_a_newer_write_replaces_the_document(destination: Destination) -> None:
    destination.write(put(1), put(2))
    assert destination.write(put(1, "second", VERSION + 1)) == Written()
    assert destination.documents() == {1: value(1, "second"), 2: value(2)}


def test_a_delete_removes_the_document(destination: Destination) -> None:
    destination.write(put(1), put(2))
    assert destination.write(delete(1, VERSION + 1)) == Written()
    assert destination.documents() == {2: value(2)}


def test_a_delete_of_a_missing_document_is_no_error(destination: Destination) -> None:
    assert destination.write(delete(1), delete(2)) == Written()
    assert destination.documents() == {}


def test_a_deleted_document_can_be_written_again(destination: Destination) -> None:
    destination.write(put(1))
    destination.write(delete(1, VERSION + 1))
    assert destination.write(put(1, "second", VERSION + 2)) == Written()
    assert destination.documents() == {1: value(1, "second")}


def test_writing_a_batch_twice_changes_nothing(destination: Destination) -> None:
    destination.write(put(3))
    batch = [put(1), put(2), delete(3, VERSION + 1)]
    for _ in range(2):
        assert destination.write(*batch) == Written()
    assert destination.documents() == {1: value(1), 2: value(2)}


def test_text_arrives_as_it_is(destination: Destination) -> None:
    """Line breaks, quotes, control characters, and characters of two and four bytes."""
    name = 'a\nb "c" \\ \x01 é \U0001f600 \u2028'
    destination.write(put(1, name))
    assert destination.documents() == {1: value(1, name)}


def test_threads_may_write_at_once(destination: Destination) -> None:
    """Two flush threads of one index share the sink; each document is written by one thread at a time."""

    def write(thread: int) -> list[Written]:
        first = thread * 100
        return [
            destination.write(*[put(number) for number in range(at, at + 5)])
            for at in range(first, first + 50, 5)
        ]

    with ThreadPoolExecutor(4) as executor:
        verdicts = [each for done in executor.map(write, range(4)) for each in done]
    assert set(verdicts) == {Written()}
    wanted = [thread * 100 + number for thread in range(4) for number in range(50)]
    assert destination.documents() == {number: value(number) for number in wanted}


def test_a_sink_can_be_closed_twice(destination: Destination) -> None:
    destination.write(put(1))
    destination.sink.close()
    destination.sink.close()
    assert destination.documents() == {1: value(1)}


def test_a_late_older_write_is_reported_and_changes_nothing(versioned: Destination) -> None:
    versioned.write(put(1, "newer", VERSION + 5), put(2))
    written = versioned.write(put(1, "older", VERSION), put(2, "second", VERSION + 1))
    assert written == Written(conflicts=(Conflict("1", VERSION, VERSION + 5),))
    assert versioned.documents() == {1: value(1, "newer"), 2: value(2, "second")}


def test_a_late_older_delete_is_reported_and_changes_nothing(versioned: Destination) -> None:
    versioned.write(put(1, "newer", VERSION + 5))
    written = versioned.write(delete(1))
    assert written == Written(conflicts=(Conflict("1", VERSION, VERSION + 5),))
    assert versioned.documents() == {1: value(1, "newer")}


def test_a_late_older_write_does_not_bring_a_deleted_document_back(versioned: Destination) -> None:
    versioned.write(put(1))
    versioned.write(delete(1, VERSION + 5))
    written = versioned.write(put(1, "older", VERSION + 1))
    assert written == Written(conflicts=(Conflict("1", VERSION + 1, VERSION + 5),))
    assert versioned.documents() == {}
