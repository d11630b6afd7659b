"""Brokers of a test's own, one or three, that it may kill and start again."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stacklib.daemon import Daemon, Launch
from stacklib.kafka import Kafka
from stacklib.layout import Layout
from stacklib.ports import HOST, free_ports
from support.servers.folder import server_folder
from support.servers.kafka_files import kafka_files
from support.waiting import until_none

_GRACE = 30.0


@dataclass
class Broker:
    """One broker; the first one is the controller, too."""

    number: int
    port: int
    folder: Path
    settings: str
    service: Kafka
    cache: Path
    daemon: Daemon = field(init=False)

    def __post_init__(self) -> None:
        self.daemon = Daemon(self.folder / "run")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.daemon.start(self._launch(), self.port)
        until_none(f"broker {self.number} answers", self._missing, 180.0)

    def begin(self) -> None:
        """Start it, without waiting."""
        self.daemon.start(self._launch(), self.port)

    def kill(self) -> None:
        """`kill -9`."""
        self.daemon.stop(signal.SIGKILL, _GRACE)

    def _missing(self) -> str | None:
        if self.daemon.running() is None:
            return f"it stopped: {self.daemon.tail()}"
        return None if self.service.ready(self.port) else "it does not answer"

    def _launch(self) -> Launch:
        files = kafka_files(self.cache)
        settings = self.folder / "server.properties"
        if not settings.exists():
            settings.write_text(self.settings)
            files.format(self.folder / "data", self.number)
        return Launch([*files.java(), "kafka.Kafka", settings], self.folder)


@dataclass(frozen=True)
class Cluster:
    """All brokers."""

    brokers: list[Broker]

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return ",".join(f"{HOST}:{broker.port}" for broker in self.brokers)

    def out_of_sync(self) -> str | None:
        """Partitions that lack a replica, or why the brokers do not say; None when there are none."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            topics = admin.list_topics(timeout=10).topics.values()
        except KafkaException as error:
            return str(error)
        late = [
            f"{topic.topic}[{number}]"
            for topic in topics
            for number, partition in topic.partitions.items()
            if len(partition.isrs) < len(partition.replicas)
        ]
        return ", ".join(late) or None


@contextmanager
def own_kafka(
    brokers: int = 1,
    listeners: Mapping[str, int] = MappingProxyType({}),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Cluster]:
    """A cluster that runs, gone at the end; with three brokers, two replicas must have a record.

    A single one may have further `listeners`, by name with their ports, and `settings`.
    """
    with server_folder() as folder:
        controller, *ports = free_ports(brokers + 1)
        made = [
            _broker(number, port, controller, brokers, folder / str(number), listeners, settings)
            for number, port in enumerate(ports, start=1)
        ]
        try:
            for broker in made:
                broker.folder.mkdir()
                broker.begin()
            for broker in made:
                until_none(f"broker {broker.number} answers", broker._missing, 180.0)
            yield Cluster(made)
        finally:
            for broker in made:
                broker.kill()


def _broker(
    number: int,
    port: int,
    controller: int,
    brokers: int,
    folder: Path,
    listeners: Mapping[str, int],
    more: Mapping[str, str],
) -> Broker:
    first = number == 1
    every = {"PLAINTEXT": port, **listeners}
    own = ",".join(f"{name}://{HOST}:{at}" for name, at in every.items())
    settings = {
        "process.roles": "broker,controller" if first else "broker",
        "node.id": str(number),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"{own},CONTROLLER://{HOST}:{controller}" if first else own,
        "advertised.listeners": own,
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": str(brokers),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(brokers),
        "transaction.state.log.min.isr": "1",
        "min.insync.replicas": "2" if brokers > 1 else "1",
        "broker.session.timeout.ms": "6000",
        # As on the shared broker.
        "group.initial.rebalance.delay.ms": "150",
        "auto.create.topics.enable": "false",
        **more,
    }
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    layout = Layout.temporary(folder)
    return Broker(number, port, folder, text, Kafka(layout), layout.cache)
