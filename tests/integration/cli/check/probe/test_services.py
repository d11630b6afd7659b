"""What `flusso check` asks of Kafka and OpenSearch, on the real ones; nothing is created by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from flusso_cli.check.output.report import Report
from services import Services
from support.documents import run
from support.kits.check_kit import (
    STORE,
    checked,
    only,
    things,
    told,
)

pytestmark = pytest.mark.services

_QUEUE = '[queue]\ntopic_prefix = "{prefix}"\nreplication_factor = {replicas}\npartitions = 4\n'
_SINK = (
    '[sinks.primary]\ntype = "opensearch"\nurl = "{url}"\nnumber_of_replicas = {replicas}\n{more}\n'
)
_NOWHERE = "127.0.0.1:1"


def with_queue(
    folder: Path, url: str, kafka: str, prefix: str, replicas: int = 1, **more: Any
) -> Report:
    return checked(
        folder,
        url,
        things(),
        more=_QUEUE.format(prefix=prefix, replicas=replicas),
        env={"KAFKA_BOOTSTRAP_SERVERS": kafka},
        **more,
    )


def with_sink(
    folder: Path,
    url: str,
    search: str,
    prefix: str,
    *fields: str,
    replicas: int = 0,
    more: str = "",
) -> Report:
    sink = _SINK.format(url=search, replicas=replicas, more=more)
    return checked(folder, url, things(*fields), more=sink, prefix=prefix)


def create(services: Services, name: str, partitions: int, policy: str) -> None:
    admin = AdminClient({"bootstrap.servers": services.kafka})
    topic = NewTopic(name, partitions, 1, config={"cleanup.policy": policy})
    admin.create_topics([topic], operation_timeout=30)[name].result(60)


# --- Kafka --------------------------------------------------------------------------------------


def test_topics_that_are_still_to_be_made(
    services: Services, database: str, tmp_path: Path, topic_prefix: str
) -> None:
    run(database, *STORE)
    report = with_queue(tmp_path, database, services.kafka, topic_prefix)
    assert told(report) == []
    assert report.brokers is not None
    assert report.brokers.missing == [f"{topic_prefix}._control", f"{topic_prefix}.public.things"]
    admin = AdminClient({"bootstrap.servers": services.kafka})
    assert not [
        name for name in admin.list_topics(timeout=30).topics if name.startswith(topic_prefix)
    ]


def test_topics_that_are_not_as_they_should_be(
    services: Services, database: str, tmp_path: Path, topic_prefix: str
) -> None:
    run(database, *STORE)
    create(services, f"{topic_prefix}._control", 2, "compact")
    create(services, f"{topic_prefix}.public.things", 3, "delete")
    report = with_queue(tmp_path, database, services.kafka, topic_prefix)
    assert told(report) == [
        ("error", "control-partitions", f"topic {topic_prefix}._control"),
        ("warning", "cleanup-policy", f"topic {topic_prefix}.public.things"),
        ("warning", "partitions", f"topic {topic_prefix}.public.things"),
    ]
    assert "3 partitions, the configuration says 4" in only(report, "partitions").message


def test_more_replicas_than_brokers(
    services: Services, database: str, tmp_path: Path, topic_prefix: str
) -> None:
    run(database, *STORE)
    report = with_queue(tmp_path, database, services.kafka, topic_prefix, replicas=3)
    assert told(report) == [("error", "replication-factor", "kafka")]


def test_brokers_that_do_not_answer_are_a_warning(
    database: str, tmp_path: Path, topic_prefix: str
) -> None:
    run(database, *STORE)
    report = with_queue(tmp_path, database, _NOWHERE, topic_prefix)
    assert told(report) == [("warning", "brokers", "kafka")]
    assert f"at {_NOWHERE}" in only(report, "brokers").message
    assert "Connection refused" in only(report, "brokers").message


# --- OpenSearch ---------------------------------------------------------------------------------


@pytest.fixture
def search(services: Services) -> str:
    return services.opensearch_url


def indexes(search: str, prefix: str) -> list[str]:
    """Everything there whose name begins with `prefix`."""
    rows = httpx.get(
        f"{search}/_cat/indices/{prefix}*",
        params={"h": "index", "format": "json", "expand_wildcards": "all"},
    ).json()
    templates = httpx.get(f"{search}/_index_template").json()["index_templates"]
    return [str(row["index"]) for row in rows] + [
        str(item["name"]) for item in templates if prefix in json.dumps(item)
    ]


def test_a_cluster_that_takes_the_mapping(
    database: str, tmp_path: Path, search: str, index_prefix: str
) -> None:
    run(database, *STORE)
    field = "{ enum: state, variants: [new, used] }"
    report = with_sink(tmp_path, database, search, index_prefix, field, "{ text: name }")
    assert told(report) == []
    (cluster,) = report.clusters
    assert cluster.sink == "primary"
    assert cluster.version[0].isdigit()
    assert indexes(search, index_prefix) == []


@pytest.mark.parametrize(
    ("field", "more", "part"),
    [
        ("{ text: name, options: { analyzer: nosuch } }", "", "analyzer [nosuch]"),
        (
            "{ custom: name, postgres: [text], opensearch: nosuch }",
            "",
            "No handler for type [nosuch]",
        ),
        (
            "{ decimal: size, options: { format: x } }",
            "",
            "unknown parameter [format] on mapper [size]",
        ),
        ("{ text: name }", 'text_analysis = "icu"', "install the plugin analysis-icu"),
    ],
)
def test_a_mapping_that_is_refused(
    database: str, tmp_path: Path, search: str, index_prefix: str, field: str, more: str, part: str
) -> None:
    run(database, *STORE, "ALTER TABLE things ALTER size TYPE numeric")
    report = with_sink(tmp_path, database, search, index_prefix, field, more=more)
    assert told(report) == [("error", "mapping", "things")]
    found = only(report, "mapping")
    assert part in f"{found.message} {found.cure}"
    assert indexes(search, index_prefix) == []


def test_names_that_are_taken(
    database: str, tmp_path: Path, search: str, index_prefix: str
) -> None:
    run(database, *STORE)
    httpx.put(f"{search}/{index_prefix}things").raise_for_status()
    report = with_sink(tmp_path, database, search, index_prefix)
    assert told(report) == [("error", "name-taken", "things")]
    httpx.delete(f"{search}/{index_prefix}things").raise_for_status()
    body: dict[str, Any] = {"aliases": {f"{index_prefix}things": {}}}
    httpx.put(f"{search}/{index_prefix}other", json=body).raise_for_status()
    report = with_sink(tmp_path, database, search, index_prefix)
    assert told(report) == [("warning", "alias-taken", "things")]


def test_more_replicas_than_nodes(
    database: str, tmp_path: Path, search: str, index_prefix: str
) -> None:
    run(database, *STORE)
    report = with_sink(tmp_path, database, search, index_prefix, replicas=5)
    assert told(report) == [("warning", "replicas", "sink primary")]


def test_a_cluster_that_does_not_answer_is_a_warning(
    database: str, tmp_path: Path, index_prefix: str
) -> None:
    run(database, *STORE)
    report = with_sink(tmp_path, database, f"http://me:hidden@{_NOWHERE}", index_prefix)
    assert told(report) == [("warning", "opensearch", "sink primary")]
    assert "hidden" not in repr(report.diagnostics)
