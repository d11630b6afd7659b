"""The programs of the demonstration: capture and two workers, and a search page over what they made."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demolib import search
from stacklib.daemon import Daemon, Launch
from stacklib.layout import ROOT
from stacklib.ports import HOST, accepts, free_ports, require_free
from stacklib.problem import Problem

_CONFIG = ROOT / "dev" / "flusso.toml"
_GRACE = 30.0
_POLL = 0.1
_PAGE_PORT = 8080


@dataclass(frozen=True)
class Program:
    """One program, started."""

    name: str
    daemon: Daemon
    public_url: str
    output: Path

    def status(self) -> dict[str, Any]:
        """Its `/status`; empty while it does not answer."""
        return dict(search.get(f"{self.public_url}/status") or {})

    def check(self) -> None:
        """Fail if it has ended by itself."""
        if self.daemon.running() is None:
            raise Problem(
                f"{self.name} has stopped. Its log, {_shown(self.daemon.log)}, ends with:\n"
                f"{self.daemon.tail()}"
            )


def start(addresses: Mapping[str, str], folder: Path) -> list[Program]:
    """Start capture and two workers over those servers; their logs go below `folder`."""
    programs: list[Program] = []
    try:
        for name, command, port in (
            ("capture", "flusso-capture", 9464),
            ("worker-1", "flusso-worker", 9474),
            ("worker-2", "flusso-worker", 9476),
        ):
            programs.append(_start(command, port, addresses, folder / name))
    except BaseException:
        stop(programs)
        raise
    return programs


def start_page(addresses: Mapping[str, str], folder: Path) -> Program:
    """Start the search page; gives it when it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(folder)
    daemon.stop(signal.SIGTERM, _GRACE)
    daemon.log.unlink(missing_ok=True)
    port, _ = _ports(_PAGE_PORT)
    environment = _environment(addresses) | {
        "PYTHONPATH": str(ROOT / "dev"),
        "OPENSEARCH_URL": addresses["opensearch"],
        # A lock in the folder of the repository may be of another configuration.
        "FLUSSO_MODELS_CHECK": "off",
        "BIND": f"{HOST}:{port}",
    }
    command: list[str | Path] = [sys.executable, "-m", "searchlib.main"]
    daemon.start(Launch(command, ROOT, environment=environment), port)
    page = Program(folder.name, daemon, f"http://{HOST}:{port}", daemon.log)
    while not accepts(port):
        page.check()
        time.sleep(_POLL)
    return page


def stop(programs: Sequence[Program]) -> None:
    """End them, each in its own good time: what they have taken on is finished and committed."""
    for program in programs:
        running = program.daemon.running()
        if running is not None:
            os.kill(running.pid, signal.SIGTERM)
    for program in programs:
        program.daemon.stop(signal.SIGTERM, _GRACE)


def _start(command: str, port: int, addresses: Mapping[str, str], folder: Path) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(folder)
    # One that a killed demonstration left behind would hold the slot.
    daemon.stop(signal.SIGTERM, _GRACE)
    daemon.log.unlink(missing_ok=True)
    public, private = _ports(port)
    output = folder / "documents.jsonl"
    output.unlink(missing_ok=True)
    daemon.start(
        Launch(
            [
                Path(sys.executable).with_name(command),
                *("--config", _CONFIG),
                *("--lock", folder / "flusso.lock"),
                *("--public-address", f"{HOST}:{public}"),
                *("--private-address", f"{HOST}:{private}"),
            ],
            ROOT,
            environment=_environment(addresses),
            output=output,
        ),
        public,
    )
    return Program(folder.name, daemon, f"http://{HOST}:{public}", output)


def _ports(wanted: int) -> tuple[int, int]:
    """The usual pair of ports, or any other if they are taken."""
    try:
        for port in (wanted, wanted + 1):
            require_free("", port, "")
    except Problem:
        first, second = free_ports(2)
        return first, second
    return wanted, wanted + 1


def _environment(addresses: Mapping[str, str]) -> dict[str, str]:
    # Settings of the product that happen to be exported here are not meant for the demonstration,
    # and the demonstration's own path is not meant for the product.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLUSSO", "PYTHONPATH"))
    }
    return inherited | {
        "DATABASE_URL": addresses["postgres"],
        "KAFKA_BOOTSTRAP_SERVERS": addresses["kafka"],
        "PRIMARY_OPENSEARCH_URL": addresses["opensearch"],
    }


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
