"""Kafka in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import base64
import shutil
import signal
import struct
import subprocess
import uuid
from pathlib import Path

from stacklib import jars, programs
from stacklib.daemon import Launch
from stacklib.layout import Layout
from stacklib.ports import HOST, free_ports
from stacklib.problem import Problem
from stacklib.wire import ask

_HEAP = "-Xmx512m"
_API_VERSIONS = 18


class Kafka:
    """A single broker; topics are made on purpose only."""

    name = "kafka"
    stop_signal = signal.SIGTERM

    def __init__(self, layout: Layout) -> None:
        self._cache = layout.cache
        self._folder = layout.folder / self.name
        self._data = self._folder / "data"
        self._options = (_HEAP, *programs.BRIEF_JAVA) if layout.brief else (_HEAP,)

    def check(self) -> None:
        """Fail if Java, or Maven while the jars are missing, is not there."""
        programs.require_jdk()
        if not jars.folder(self.name, self._cache).is_dir():
            programs.require_maven()

    def prepare(self) -> None:
        """Fetch the jars."""
        jars.fetch(self.name, self._cache)

    def launch(self, port: int) -> Launch:
        """How to start it; the data folder is formatted the first time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "server.properties"
        # Only the broker itself talks to the controller, so any free port will do.
        settings.write_text(_properties(port, free_ports(1)[0], self._data))
        java = self._java()
        if not (self._data / "meta.properties").exists():
            self._format(java, settings)
        return Launch([*java, *self._options, "kafka.Kafka", settings], self._folder)

    def ready(self, port: int) -> bool:
        """Whether it answers an ApiVersions request."""
        header = struct.pack(">hhih", _API_VERSIONS, 0, 1, -1)
        answer = ask(port, struct.pack(">i", len(header)) + header)
        return len(answer) >= 10 and struct.unpack_from(">h", answer, 8)[0] == 0

    def address(self, port: int) -> str:
        """The bootstrap server."""
        return f"{HOST}:{port}"

    def wipe(self) -> None:
        """Remove all topics."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _java(self) -> list[str | Path]:
        place = jars.folder(self.name, self._cache)
        return [programs.require_jdk().program, "-cp", f"{place}/*"]

    def _format(self, java: list[str | Path], settings: Path) -> None:
        tool: list[str | Path] = [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        done = subprocess.run(
            [*tool, "--cluster-id", _cluster_id(), "--config", settings],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Problem(f"Kafka's data folder could not be made:\n{done.stdout}{done.stderr}")


def _cluster_id() -> str:
    text = "-"
    while text.startswith("-"):  # it would pass for an option
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text


def _properties(port: int, controller: int, data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        # Workers that start together share out the partitions once, not one after the other.
        "group.initial.rebalance.delay.ms": "150",
        "auto.create.topics.enable": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
