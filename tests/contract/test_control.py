"""What every store of control records does: in memory, in a Kafka topic, in OpenSearch, and the one of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from fakes.held_log import HeldLog
from flusso_shared.changelog.kafka.log import KafkaLog
from flusso_shared.changelog.memory.log import MemoryLog
from flusso_shared.seams import Control
from flusso_worker.generations.control import OpenSearchControl
from flusso_worker.sinks.cluster import Cluster
from support.kits import change_logs, index_kit

Open = Callable[[], Control]
"""Gives the records as one more reader sees them: another process, where they outlive the process."""


def _memory(_request: pytest.FixtureRequest, _stack: ExitStack) -> Open:
    log = MemoryLog()
    return lambda: log.control


def _held(_request: pytest.FixtureRequest, _stack: ExitStack) -> Open:
    log = HeldLog()
    return lambda: log.control


def _kafka(request: pytest.FixtureRequest, stack: ExitStack) -> Open:
    services, prefix = (request.getfixturevalue(name) for name in ("services", "topic_prefix"))

    def made() -> Control:
        log = KafkaLog(change_logs.connection(services.kafka, prefix))
        stack.callback(log.close)
        log.prepare([])
        return log.control

    return made


def _opensearch(request: pytest.FixtureRequest, stack: ExitStack) -> Open:
    services, prefix = (request.getfixturevalue(name) for name in ("services", "index_prefix"))

    def made() -> Control:
        connection = index_kit.connection(services.opensearch_url)
        cluster = stack.enter_context(closing(Cluster(connection)))
        return OpenSearchControl(cluster, prefix, "a_slot")

    return made


def _memory_over_opensearch(request: pytest.FixtureRequest, stack: ExitStack) -> Open:
    """As `flusso run` keeps them where a cluster is configured."""
    lasting = _opensearch(request, stack)
    return lambda: MemoryLog(lasting=lasting()).control


_MAKERS = {
    "memory": _memory,
    "held": _held,
    "kafka": _kafka,
    "opensearch": _opensearch,
    "memory over opensearch": _memory_over_opensearch,
}
_REAL = ("kafka", "opensearch", "memory over opensearch")


@pytest.fixture(
    params=["memory", "held", *(pytest.param(n, marks=pytest.mark.services) for n in _REAL)]
)
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    with ExitStack() as stack:
        yield _MAKERS[request.param](request, stack)


@pytest.fixture
def control(opened: Open) -> Control:
    return opened()


def test_nothing_is_there_at_first(control: Control) -> None:
    assert control.load() == {}


def test_the_newest_value_of_each_key_is_given(control: Control) -> None:
    control.put("lineage", {"slot": "a"})
    control.put("resync/public.users", {"rows": 1})
    control.put("lineage", {"slot": "ü"})
    assert control.load() == {"lineage": {"slot": "ü"}, "resync/public.users": {"rows": 1}}
    control.put("resync/public.users", {"rows": 2})
    assert control.load()["resync/public.users"] == {"rows": 2}


def test_a_value_replaces_the_one_before_as_a_whole(control: Control) -> None:
    control.put("lineage", {"slot": "a", "position": {"lsn": 1, "more": [1, None]}})
    control.put("lineage", {"position": {"lsn": 2}})
    assert control.load() == {"lineage": {"position": {"lsn": 2}}}


def test_another_reader_finds_what_was_put(opened: Open, control: Control) -> None:
    control.put("lineage", {"slot": "a"})
    reader = opened()
    assert reader.load() == {"lineage": {"slot": "a"}}
    control.put("lineage", {"slot": "b"})
    assert reader.load() == {"lineage": {"slot": "b"}}


def test_a_put_can_be_repeated(control: Control) -> None:
    for _ in range(3):
        control.put("lineage", {"slot": "a"})
    assert control.load() == {"lineage": {"slot": "a"}}


def test_what_was_loaded_is_the_callers(control: Control) -> None:
    control.put("lineage", {"slot": "a"})
    control.load().clear()
    assert control.load() == {"lineage": {"slot": "a"}}


def test_threads_may_put_at_once(control: Control) -> None:
    """The stream and the snapshots of one capture process share it."""

    def put(number: int) -> None:
        for round_number in range(5):
            control.put(f"resync/{number}", {"round": round_number})

    with ThreadPoolExecutor(3) as executor:
        list(executor.map(put, range(3)))
    assert control.load() == {f"resync/{number}": {"round": 4} for number in range(3)}
