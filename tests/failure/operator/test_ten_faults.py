"""Ten faults, one after the other in one deployment: what each view says, after how many seconds, and the cure.

The page `docs/when-things-go-wrong.md` shows what was recorded here: see `support.faults.record`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from support.faults import brought_about, record
from support.faults.deployment import Deployment, deployed
from support.faults.views import Lines, Views
from support.waiting import until_none

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("test_ten_faults"),
]

DEADLINE = 120.0
"""Seconds, on a machine that is busy with other tests; `faults.json` has what was measured."""

WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "opensearch-stopped": {
        "`/healthz`": [r"worker: 200 degraded: OpenSearch at \S+ does not answer: [^;]*refused"],
        "`/status`": [
            r"worker: sinks\.primary\.state = degraded",
            r"worker: sinks\.primary\.last_error = OpenSearch at .* does not answer: .*refused",
        ],
        "`/metrics`": [r'worker: flusso_server_up\{server="opensearch primary"\} is 0'],
        "`flusso status`": [
            r"degraded",
            r"! sink primary: OpenSearch at .* does not answer: .*refused",
            r"Check that it runs at the address of \[sinks\.primary\].*",
        ],
        "status page": [r"sink primary: OpenSearch at .* does not answer: .*refused -> Check .*"],
    },
    "mapping-refused": {
        "`/healthz`": [
            r"worker: 200 degraded: index products has stopped: OpenSearch refuses to create .*; check `options` in .*"
        ],
        "`/status`": [
            r"worker: indexes\.products = stopped",
            r"worker: lag\.products\.last_error = OpenSearch refuses to create .*",
        ],
        "`/metrics`": [r'worker: flusso_index_up\{index="products"\} is 0'],
        "`flusso status`": [
            r"failing",
            r"! index products: it has stopped: OpenSearch refuses to create .*",
            r"Repair what the message names\..*",
        ],
        "status page": [
            r"index products: it has stopped: OpenSearch refuses to create .* -> Repair .*"
        ],
    },
    "kafka-stopped": {
        "`/healthz`": [
            r"capture: 200 degraded: cannot reach a broker at [^;]*",
            r"worker: 200 degraded: cannot reach a broker at [^;]*",
        ],
        "`/status`": [r"worker: health\.reasons\[\] = cannot reach a broker at .*"],
        "`/metrics`": [
            r'capture: flusso_server_up\{server="kafka"\} is 0',
            r'worker: flusso_server_up\{server="kafka"\} is 0',
        ],
        "`flusso status`": [
            r"degraded",
            r"! Kafka: .*Kafka at \S+ has not answered for N s",
            r"Check that the brokers of \[queue\] run.*",
        ],
        "status page": [
            r"Kafka: .*Kafka at \S+ has not answered for N s -> Check that the brokers of \[queue\] run.*"
        ],
    },
    "postgres-stopped": {
        "`/healthz`": [
            r"capture: 200 degraded: cannot connect to Postgres: [^;]*refused[^;]*",
            r"worker: 200 degraded: cannot connect to Postgres: [^;]*refused[^;]*",
        ],
        "`/status`": [r"worker: health\.reasons\[\] = cannot connect to Postgres: .*refused.*"],
        "`/metrics`": [
            r'capture: flusso_server_up\{server="postgres"\} is 0',
            r'worker: flusso_server_up\{server="postgres"\} is 0',
        ],
        "`flusso status`": [
            r"degraded",
            r"! Postgres: cannot connect to Postgres: .*refused.*",
            r"Check that Postgres runs.*",
        ],
        "status page": [r"Postgres: cannot connect to Postgres: .*refused.* -> Check that .*"],
    },
    "slot-invalidated": {
        "`/healthz`": [r"capture: no answer"],
        "`/status`": [r"capture: no answer"],
        "`/metrics`": [r"capture: no answer"],
        "`flusso status`": [
            r"failing",
            r"! slot shop: it is lost: .*",
            r"Raise max_slot_wal_keep_size.*",
            r"! capture HOST \(PID N\): it is silent: .*",
        ],
        "status page": [r"slot shop: it is lost: .* -> Raise max_slot_wal_keep_size.*"],
    },
    "publication-lost": {
        "`/status`": [r"capture: last_error = everything is read again: .*publication .*"],
        "`/metrics`": [r"capture: flusso_errors_total rises"],
        "`flusso status`": [
            r"! capture HOST \(PID N\): last error: everything is read again: .*publication .*"
        ],
        "status page": [r"capture: everything is read again: .*publication .*"],
    },
    "worker-stands-still": {
        "`/healthz`": [r"worker: no answer"],
        "`/status`": [r"worker: no answer"],
        "`/metrics`": [r"worker: no answer"],
        "`flusso status`": [
            r"degraded",
            r"! worker HOST \(PID N\): it is silent: .*",
            r"It hangs, .*",
        ],
        "status page": [r"worker HOST \(PID N\): it is silent: .* -> It hangs, .*"],
    },
    "build-takes-minutes": {
        "`/healthz`": [
            r"worker: 200 degraded: index orders: .* changes wait, .*: Postgres has worked on a statement of it for .*"
        ],
        "`/status`": [
            r"worker: health\.reasons\[\] = index orders: .* changes wait, .*: Postgres has worked on .*",
            r"worker: lag\.orders\.records = 1",
        ],
        "`/metrics`": [r'worker: flusso_index_lag_seconds\{index="orders"\} is above 0'],
        "`flusso status`": [
            r"degraded",
            r"! worker HOST \(PID N\): index orders: .*: Postgres has worked on a statement of it for .*",
        ],
        "status page": [
            r"worker HOST \(PID N\): index orders: .*: Postgres has worked on a statement of it for .*"
        ],
    },
    "quarantine-at-its-limit": {
        "`/healthz`": [
            r"worker: 200 degraded: index users has stopped: .* which is its quarantine_limit"
        ],
        "`/status`": [
            r"worker: indexes\.users = stopped",
            r"worker: lag\.users\.last_error = .* which is its quarantine_limit",
        ],
        "`/metrics`": [r'worker: flusso_index_up\{index="users"\} is 0'],
        "`flusso status`": [
            r"failing",
            r"! index users: it has stopped: .* which is its quarantine_limit",
            r"! index users: N documents are in quarantine: .*",
            r"`flusso quarantine list --index users` has the reasons\..*",
        ],
        "status page": [
            r"index users: it has stopped: .* which is its quarantine_limit",
            r"index users: N documents are in quarantine: .* -> .*",
        ],
    },
    "topic-deleted": {
        "`/status`": [r"capture: last_error = everything is read again: the topics of .*"],
        "`/metrics`": [r"capture: flusso_errors_total rises"],
        "`flusso status`": [
            r"! capture HOST \(PID N\): last error: everything is read again: the topics of .*"
        ],
        "status page": [r"capture: everything is read again: the topics of .*"],
    },
}
"""By fault and view: each is found in a line."""

FAULTS: Mapping[str, Callable[[Deployment], AbstractContextManager[None]]] = {
    "opensearch-stopped": brought_about.opensearch_stopped,
    "mapping-refused": brought_about.mapping_refused,
    "kafka-stopped": brought_about.kafka_stopped,
    "postgres-stopped": brought_about.postgres_stopped,
    "slot-invalidated": brought_about.slot_invalidated,
    "publication-lost": brought_about.publication_lost,
    "worker-stands-still": brought_about.worker_stands_still,
    "build-takes-minutes": brought_about.build_takes_minutes,
    "quarantine-at-its-limit": brought_about.quarantine_at_its_limit,
    "topic-deleted": brought_about.topic_deleted,
}
"""The fault is there in the block, and cured at its end."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("faults")) as made:
        made.scenario.wait_until_live(DEADLINE)
        await_well(made)
        yield made


@pytest.mark.parametrize("name", FAULTS)
def test_every_view_says_what_is_wrong_and_the_cure_works(
    name: str, deployment: Deployment
) -> None:
    views = Views(deployment)
    with FAULTS[name](deployment):
        seen = await_words(views, WORDS[name])
        cured = time.monotonic()
    await_well(deployment)
    well_after = time.monotonic() - cured
    deployment.scenario.assert_equal(DEADLINE)
    record.compare(name, WORDS[name], seen, well_after)


def await_words(views: Views, words: Mapping[str, Sequence[str]]) -> dict[str, record.Seen]:
    """Look at all views at once, until each has said its words."""
    looks, began = views.all(), time.monotonic()

    def look(view: str) -> record.Seen:
        said: list[str] = []

        def missing() -> str | None:
            lines = looks[view]()
            found = {pattern: first(pattern, lines) for pattern in words[view]}
            said[:] = [line for line in found.values() if line is not None]
            absent = [pattern for pattern, line in found.items() if line is None]
            return f"no {absent} in {lines}" if absent else None

        until_none(f"{view} says it", missing, DEADLINE)
        return record.Seen(time.monotonic() - began, said)

    with ThreadPoolExecutor(len(words)) as pool:
        return dict(zip(words, pool.map(look, words), strict=True))


def first(pattern: str, lines: Lines) -> str | None:
    """The first match at the beginning of a line."""
    return next((found[0] for line in lines if (found := re.match(pattern, line))), None)


def await_well(deployment: Deployment) -> None:
    """Wait until no view says that anything is wrong."""
    views = Views(deployment)

    def missing() -> str | None:
        deployment.scenario.pipeline.check()
        if unwell := [line for line in views.healthz() if not line.endswith(": 200 ok")]:
            return str(unwell)
        if wrong := [line for line in views.page() if " -> " in line]:
            return str(wrong)
        first, *_ = views.command()
        return None if first.startswith("ok: ") else first

    until_none("all is well", missing, DEADLINE)
