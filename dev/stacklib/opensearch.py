"""OpenSearch, one node in one process: 3.5 on Java 21 or newer, else 2.19."""

from __future__ import annotations

import http.client
import shutil
import signal
from contextlib import closing

from stacklib import jars, programs
from stacklib.daemon import Launch
from stacklib.layout import Layout
from stacklib.ports import HOST, free_ports

_JAVA_FOR_3 = 21
_HEAP = ("-Xms1g", "-Xmx2g")
_TIMEOUT = 3.0


class OpenSearch:
    """A single node without security."""

    name = "opensearch"
    stop_signal = signal.SIGTERM

    def __init__(self, layout: Layout) -> None:
        self._cache = layout.cache
        self._folder = layout.folder / self.name
        self._options = (*_HEAP, *programs.BRIEF_JAVA) if layout.brief else _HEAP

    def check(self) -> None:
        """Fail if Java, or Maven while the jars are missing, is not there."""
        if not jars.folder(self._line(), self._cache).is_dir():
            programs.require_maven()

    def prepare(self) -> None:
        """Fetch the jars."""
        jars.fetch(self._line(), self._cache)

    def launch(self, port: int) -> Launch:
        """How to start it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        line = self._line()
        place = jars.folder(line, self._cache)
        return Launch(
            [
                programs.require_jdk(_JAVA_FOR_3).program,
                *self._options,
                "-cp",
                f"{place}/*",
                jars.POMS / "opensearch" / "Node.java",
                # The data of one line cannot be read by an older one.
                self._folder / line,
                str(port),
                str(free_ports(1)[0]),
            ],
            self._folder,
        )

    def ready(self, port: int) -> bool:
        """Whether it can take documents."""
        try:
            with closing(http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT)) as connection:
                connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
                return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def address(self, port: int) -> str:
        """The base URL."""
        return f"http://{HOST}:{port}"

    def wipe(self) -> None:
        """Remove all indexes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _line() -> str:
        major = programs.require_jdk(_JAVA_FOR_3).major
        return "opensearch" if major >= _JAVA_FOR_3 else "opensearch-2"
