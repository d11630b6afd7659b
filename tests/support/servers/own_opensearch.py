"""An OpenSearch of the older line, 2.19, beside that of the run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stacklib import jars, programs
from stacklib.daemon import Daemon, Launch
from stacklib.layout import Layout
from stacklib.opensearch import OpenSearch
from stacklib.ports import HOST, free_ports
from support.waiting import until_none

_OPTIONS = ("-Xms384m", "-Xmx512m", *programs.BRIEF_JAVA)
_GRACE = 30.0


@contextmanager
def own_opensearch_2() -> Iterator[str]:
    """The address of a node that runs, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="flusso-test-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        service = OpenSearch(Layout.temporary(place))
        daemon = Daemon(place / "run")
        port, transport = free_ports(2)
        daemon.start(_launch(place, port, transport), port)

        def missing() -> str | None:
            if daemon.running() is None:
                return f"it stopped: {daemon.tail()}"
            return None if service.ready(port) else "it does not answer"

        try:
            until_none("OpenSearch 2.19 answers", missing, 180.0)
            yield f"http://{HOST}:{port}"
        finally:
            daemon.stop(service.stop_signal, _GRACE)


def _launch(folder: Path, port: int, transport: int) -> Launch:
    cache = Layout.temporary(folder).cache
    classes = jars.fetch("opensearch-2", cache)
    java = programs.require_jdk().program
    node = jars.POMS / "opensearch" / "Node.java"
    command: list[str | Path] = [java, *_OPTIONS, "-cp", f"{classes}/*", node, folder / "data"]
    return Launch([*command, str(port), str(transport)], folder)
