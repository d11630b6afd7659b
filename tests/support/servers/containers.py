"""The three servers as containers, from the images of `docker-compose.yml`."""

from __future__ import annotations

import gc
import http.client
import socket
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

import docker  # type: ignore[import-untyped]
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer

from stacklib import programs

_DEADLINE = 180.0


def engine_answers() -> bool:
    """Whether a Docker engine can be reached."""
    with warnings.catch_warnings():
        # The library leaves a socket open when no server listens.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _pinged()
        gc.collect()
    return answers


def _pinged() -> bool:
    try:
        with closing(docker.from_env()) as client:
            client.ping()
    except (DockerException, OSError):
        return False
    return True


@contextmanager
def started(services: Iterable[str]) -> Iterator[dict[str, str]]:
    """Start those services, wait until each answers, give their addresses; removed on leaving."""
    with ExitStack() as stack:
        yield {service: _START[service](stack) for service in services}


def _postgres(stack: ExitStack) -> str:
    container = (
        DockerContainer("postgres:17")
        .with_env("POSTGRES_PASSWORD", "postgres")
        .with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
        .with_exposed_ports(5432)
        .with_command(
            "postgres -c wal_level=logical -c max_wal_senders=40 -c max_replication_slots=40"
            " -c max_connections=200 -c fsync=off -c full_page_writes=off"
        )
    )
    stack.enter_context(container)
    host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
    url = f"postgresql://postgres:postgres@{host}:{port}/postgres"

    def connects() -> bool:
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    _wait("postgres", connects)
    return url


def _kafka(stack: ExitStack) -> str:
    # A broker tells its clients its own address, so the port has to be known before it starts.
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    container = DockerContainer("apache/kafka:4.1.0").with_bind_ports(port, port)
    # What the container says of it is known only after its start.
    host = str(container.get_docker_client().host())
    settings = {
        "KAFKA_JVM_PERFORMANCE_OPTS": " ".join(programs.BRIEF_JAVA),
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:29093",
        "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:29093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    for name, value in settings.items():
        container.with_env(name, value)
    stack.enter_context(container)
    address = f"{host}:{port}"

    def lists_topics() -> bool:
        try:
            AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=3)
        except KafkaException:
            return False
        return True

    _wait("kafka", lists_topics)
    return address


def _opensearch(stack: ExitStack) -> str:
    container = (
        DockerContainer("opensearchproject/opensearch:3")
        .with_env("discovery.type", "single-node")
        .with_env("DISABLE_SECURITY_PLUGIN", "true")
        .with_env("DISABLE_INSTALL_DEMO_CONFIG", "true")
        .with_env("cluster.routing.allocation.disk.threshold_enabled", "false")
        .with_env("OPENSEARCH_JAVA_OPTS", " ".join(("-Xms1g", "-Xmx1g", *programs.BRIEF_JAVA)))
        .with_exposed_ports(9200)
    )
    stack.enter_context(container)
    host, port = container.get_container_host_ip(), container.get_exposed_port(9200)
    url = f"http://{host}:{port}"

    def is_yellow() -> bool:
        health = f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s"
        try:
            with urllib.request.urlopen(health, timeout=3):
                return True
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return False

    _wait("opensearch", is_yellow)
    return url


_START: dict[str, Callable[[ExitStack], str]] = {
    "postgres": _postgres,
    "kafka": _kafka,
    "opensearch": _opensearch,
}


def _wait(service: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _DEADLINE
    while not ready():
        assert time.monotonic() < end, f"the {service} container does not answer"
        time.sleep(0.2)
