"""Processes in a real `flusso_meta`: their entries, their heartbeats, and what happens while OpenSearch is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from flusso_cli.registry import heartbeat
from flusso_cli.registry.entry import Entry
from flusso_cli.registry.heartbeat import Heartbeat
from flusso_cli.registry.store import Registry
from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.sinks.cluster import Cluster, path
from services import Services
from support.kits.index_kit import connection
from support.waiting import until

pytestmark = pytest.mark.services

DEADLINE = 30.0


class Place:
    """The bookkeeping of one test."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url, self.prefix = url, prefix
        self.cluster = Cluster(connection(url))
        self.registry = Registry(self.cluster, prefix)
        self.meta = f"{prefix}flusso_meta"

    def connect(self) -> Registry:
        """A registry with connections of its own."""
        return Registry(Cluster(connection(self.url)), self.prefix)

    def refresh(self) -> None:
        self.cluster.request("POST", path(self.meta, "_refresh"), allow=(404,))

    def entries(self) -> list[Entry]:
        """The entries, those that were just written included; none while the shard of the index starts."""
        try:
            self.refresh()
            return self.registry.entries()
        except RetryableError:
            return []


@pytest.fixture
def place(services: Services, index_prefix: str) -> Iterator[Place]:
    made = Place(services.opensearch_url, index_prefix)
    yield made
    made.cluster.close()


def entry(id: str, age: float = 0.0) -> Entry:
    """An entry whose last heartbeat is `age` seconds old."""
    now = time.time()
    address = f"http://127.0.0.1:{sum(id.encode())}"
    made = Entry(id, "worker", "host", 1, "0.1.0", "unknown", address, address, now - age)
    return made.beat(now - age)


def test_no_process_is_known_before_the_bookkeeping_exists(place: Place) -> None:
    assert place.registry.entries() == []


def test_entries_are_written_read_and_removed(place: Place) -> None:
    first, second = entry("a"), replace(entry("b"), part="capture", slot="flusso")
    place.registry.put(first)
    place.registry.put(second)
    assert place.entries() == [second, first]
    place.registry.remove(first)
    place.registry.remove(first)
    assert place.entries() == [second]


def test_an_entry_of_another_version_is_passed_over(place: Place) -> None:
    place.registry.put(entry("a"))
    where = path(place.meta, "_doc", "process:later")
    place.cluster.request("PUT", where, {"kind": "process", "who": "a later version"})
    assert [found.id for found in place.entries()] == ["a"]


def test_a_process_beats_and_then_says_that_it_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    with Heartbeat(place.connect, lambda: entry("a")):
        until("three heartbeats", lambda: _sequence(place) >= 3, DEADLINE)
    # The end of the process does not wait for a slow answer.
    until("its end is on record", lambda: [e.ended for e in place.entries()] == [True], DEADLINE)


def test_a_process_that_fails_does_not_say_that_it_ended(place: Place) -> None:
    with suppress(FatalError), Heartbeat(place.connect, lambda: entry("a")):
        until("an entry", lambda: _sequence(place) >= 1, DEADLINE)
        raise FatalError("no")
    (found,) = place.entries()
    assert not found.ended


def test_a_process_removes_the_entries_of_those_that_are_gone(place: Place) -> None:
    place.registry.put(entry("gone", age=3700))
    place.registry.put(entry("silent", age=60))
    place.refresh()
    with Heartbeat(place.connect, lambda: entry("a")):
        until("it is removed", lambda: _ids(place) == {"a", "silent"}, DEADLINE)


def test_an_entry_that_was_removed_comes_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    with Heartbeat(place.connect, lambda: entry("a")):
        until("an entry", lambda: _ids(place) == {"a"}, DEADLINE)
        place.cluster.request("DELETE", path(place.meta))
        until("it is there again", lambda: _ids(place) == {"a"}, DEADLINE)


def test_a_bookkeeping_that_is_away_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(heartbeat, "_MAX_PAUSE_SECONDS", 0.02)
    attempts: list[float] = []

    def connect() -> Registry:
        return Registry(Cluster(connection("http://127.0.0.1:1")), "test_")

    def describe() -> Entry:
        attempts.append(time.monotonic())
        return entry("a")

    with caplog.at_level(logging.WARNING), Heartbeat(connect, describe):
        until("some attempts", lambda: len(attempts) >= 5, DEADLINE)
    assert "the entry of this process" in caplog.text
    assert "does not answer" in caplog.text


def _sequence(place: Place) -> int:
    return max((found.sequence for found in place.entries()), default=0)


def _ids(place: Place) -> set[str]:
    return {found.id for found in place.entries()}
