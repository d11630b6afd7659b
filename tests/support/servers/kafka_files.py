"""What makes brokers of tests start sooner, made once per user: an archive of loaded classes, and the files of a formatted data folder."""

from __future__ import annotations

import base64
import fcntl
import shutil
import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from stacklib import jars, programs
from stacklib.daemon import Daemon
from stacklib.kafka import Kafka
from stacklib.layout import Layout
from stacklib.ports import free_ports
from support.waiting import until

_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
_OPTIONS = ("-Xmx384m", *programs.BRIEF_JAVA)
_GRACE = 120.0


@dataclass(frozen=True)
class KafkaFiles:
    """The jars, and what was made of them."""

    classes: str
    """The class path."""
    archive: Path
    """What Java has loaded and checked of them (JEP 350): a broker starts in 60 % of the processor time with it."""
    checkpoint: Path
    """`bootstrap.checkpoint` of a formatted folder, which has nothing of a node of its own."""

    def java(self) -> list[str | Path]:
        """The command up to the main class."""
        program = programs.require_jdk().program
        return [program, *_OPTIONS, f"-XX:SharedArchiveFile={self.archive}", "-cp", self.classes]

    def format(self, data: Path, node: int) -> None:
        """Make the data folder of a node, as `kafka-storage.sh format` does."""
        data.mkdir()
        directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        properties = f"version=1\nnode.id={node}\ncluster.id={_CLUSTER}\ndirectory.id={directory}\n"
        (data / "meta.properties").write_text(properties)
        shutil.copy(self.checkpoint, data)


def kafka_files(cache: Path) -> KafkaFiles:
    """The files, made if they are not there."""
    place = jars.fetch("kafka", cache)
    made = cache / f"{place.name}-java{programs.require_jdk().major}"
    found = KafkaFiles(f"{place}/*", made / "classes.jsa", made / "bootstrap.checkpoint")
    if made.is_dir():
        return found
    with (cache / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            _make(made)
    return found


def _make(place: Path) -> None:
    """Run a broker of the development stack once."""
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        service, (port,) = Kafka(Layout.temporary(folder)), free_ports(1)
        launch = service.launch(port)
        java, *rest = launch.command
        recording = f"-XX:ArchiveClassesAtExit={files / 'classes.jsa'}"
        daemon = Daemon(folder / "run")
        daemon.start(replace(launch, command=[java, recording, *rest]), port)
        until("the broker answers", lambda: service.ready(port), 180.0)
        (checkpoint,) = folder.glob("**/bootstrap.checkpoint")
        shutil.copy(checkpoint, files)
        daemon.stop(service.stop_signal, _GRACE)
        files.rename(place)
