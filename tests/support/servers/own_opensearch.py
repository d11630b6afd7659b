"""An OpenSearch of the older line, 2.19, beside that of the run: to be stopped and started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stacklib import jars, programs
from stacklib.daemon import Daemon, Launch
from stacklib.layout import Layout
from stacklib.opensearch import OpenSearch
from stacklib.ports import HOST, free_ports
from support.servers.folder import server_folder
from support.waiting import until_none

_OPTIONS = ("-Xms384m", "-Xmx512m", *programs.BRIEF_JAVA)
_GRACE = 30.0


class OwnOpenSearch:
    """One node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = OpenSearch(Layout.temporary(folder))
        self._daemon = Daemon(folder / "run")
        self._port, self._transport = free_ports(2)
        self.url = f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._daemon.start(_launch(self._folder, self._port, self._transport), self._port)
        until_none("OpenSearch 2.19 answers", self._missing, 180.0)

    def stop(self) -> None:
        """A clean shutdown; the data stays."""
        self._daemon.stop(self._service.stop_signal, _GRACE)

    def _missing(self) -> str | None:
        if self._daemon.running() is None:
            return f"it stopped: {self._daemon.tail()}"
        return None if self._service.ready(self._port) else "it does not answer"


@contextmanager
def own_opensearch_2() -> Iterator[OwnOpenSearch]:
    """A node that runs, gone at the end."""
    with server_folder() as folder:
        node = OwnOpenSearch(folder)
        try:
            node.start()
            yield node
        finally:
            node.stop()


def _launch(folder: Path, port: int, transport: int) -> Launch:
    cache = Layout.temporary(folder).cache
    classes = jars.fetch("opensearch-2", cache)
    java = programs.require_jdk().program
    node = jars.POMS / "opensearch" / "Node.java"
    command: list[str | Path] = [java, *_OPTIONS, "-cp", f"{classes}/*", node, folder / "data"]
    return Launch([*command, str(port), str(transport)], folder)
