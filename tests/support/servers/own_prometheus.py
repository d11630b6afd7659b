"""A Prometheus of a test's own, which scrapes the test's processes every second."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from stacklib import programs
from stacklib.daemon import Daemon, Launch
from stacklib.ports import HOST, free_ports
from support import web
from support.deploy.dashboard import MONITORING
from support.waiting import until_none

_CONFIGURATION = MONITORING / "prometheus" / "prometheus.yml"
_GRACE = 20.0
_EVERY = "1s"


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> dict[str, float]:
        """The value of each series, by its labels."""
        with web.client(self.url) as client:
            answer = client.get("/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return {str(item["metric"]): float(item["value"][1]) for item in result}


@contextmanager
def scraping(jobs: Mapping[str, str]) -> Iterator[Prometheus]:
    """A server with the repository's configuration and rules; `jobs` are names and `host:port`."""
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="flusso-prometheus-") as name:
        folder = Path(name)
        daemon = Daemon(folder / "run")
        daemon.start(_launch(folder, port, jobs), port)
        try:
            server = Prometheus(f"http://{HOST}:{port}")
            until_none("Prometheus answers", lambda: _missing(daemon, server))
            yield server
        finally:
            daemon.stop(signal.SIGTERM, _GRACE)


def _launch(folder: Path, port: int, jobs: Mapping[str, str]) -> Launch:
    configuration = yaml.safe_load(_CONFIGURATION.read_text())
    configuration["global"] = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    configuration["rule_files"] = [
        str(_CONFIGURATION.parent / file) for file in configuration["rule_files"]
    ]
    # The names of the services mean nothing here.
    configuration["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [address]}]}
        for job, address in jobs.items()
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    return Launch(
        [
            programs.require_prometheus("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
        ],
        folder,
    )


def _missing(daemon: Daemon, server: Prometheus) -> str | None:
    if daemon.running() is None:
        return f"it stopped: {daemon.tail()}"
    try:
        ready = web.get(f"{server.url}/-/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        ready = False
    return None if ready else "it does not answer"
