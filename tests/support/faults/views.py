"""What an operator reads in each view of a deployment, as lines in which nothing is of this run alone."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import httpx

from support import exposition, web
from support.commands import run_command
from support.faults.deployment import Deployment
from support.processes import Daemon

_TIMEOUT = 3.0
"""Seconds: a process that stands still does not answer."""
_COLUMNS = 2000
"""So wide that no line wraps."""
COMMAND_DEADLINE = 90.0

Lines = list[str]


class Views:
    """The views of one deployment.  Counters are compared with what they were when this was made."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._before: dict[str, float] = {}
        for daemon in deployment.scenario.pipeline.daemons:
            for name, value in daemon.samples().items():
                self._before[daemon.name + name] = value

    def all(self) -> Mapping[str, Callable[[], Lines]]:
        """Each view by its name."""
        return {
            "`/healthz`": self.healthz,
            "`/status`": self.status,
            "`/metrics`": self.metrics,
            "`flusso status`": self.command,
            "status page": self.page,
        }

    def healthz(self) -> Lines:
        """`/healthz` of each process: its part, the code and the text."""
        return self._of_each("/healthz", lambda _, answer: [f"{answer.status_code} {answer.text}"])

    def status(self) -> Lines:
        """`/status` of each process: its part, and `path = value` per line."""
        return self._of_each("/status", lambda _, answer: _flat("", answer.json()))

    def metrics(self) -> Lines:
        """`/metrics` of each process: its part, and one sample per line, without numbers that differ in each run."""
        return self._of_each("/metrics", self._samples)

    def command(self) -> Lines:
        """The lines of `flusso status`."""
        site = self._deployment.scenario.site
        environment = site.environment() | {
            "FLUSSO_INDEX_PREFIX": site.index_prefix,
            "COLUMNS": str(_COLUMNS),
        }
        folder = self._deployment.folder
        done = run_command(
            folder, environment, "flusso", "status", "--once", deadline=COMMAND_DEADLINE
        )
        assert done.returncode in (0, 1), done.stderr
        return [plain(" ".join(line.split())) for line in done.stdout.splitlines()]

    def page(self) -> Lines:
        """What the status page has: the problems, and the last errors in the table of processes."""
        with web.client(f"http://{self._deployment.asked.private_address()}") as client:
            answer = client.get("/page/data", auth=("admin", "flusso"))
            answer.raise_for_status()
        overview = answer.json()["overview"]
        lines = [
            f"{item['where']}: {item['what']} -> {item['todo']}" for item in overview["problems"]
        ]
        lines += [
            f"{item['part']}: {item['last_error']}"
            for item in overview["processes"]
            if item["last_error"]
        ]
        return [plain(line) for line in lines]

    def _samples(self, daemon: Daemon, answer: httpx.Response) -> Iterator[str]:
        for name, value in exposition.samples(answer.text).items():
            kind = name.partition("{")[0]
            if kind.endswith("_total"):
                shown = "rises" if value > self._before.get(daemon.name + name, 0.0) else "stays"
            elif kind.endswith(("_seconds", "_bytes", "_records")):
                shown = "is above 0" if value > 0 else "is 0"
            else:
                shown = f"is {value:g}"
            yield f"{name} {shown}"

    def _of_each(self, path: str, read: Callable[[Daemon, httpx.Response], Iterable[str]]) -> Lines:
        found: dict[str, None] = {}
        for daemon in self._deployment.scenario.pipeline.daemons:
            part = "capture" if daemon is self._deployment.capture else "worker"
            try:
                with httpx.Client(timeout=_TIMEOUT, verify=False) as client:
                    answer = client.get(f"{daemon.public_url()}{path}")
                lines = [f"{part}: {plain(line.strip())}" for line in read(daemon, answer)]
            except httpx.TransportError:
                lines = [f"{part}: no answer"]
            found |= dict.fromkeys(lines)
        return list(found)


def _flat(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, list):
        for item in value:
            yield from _flat(f"{path}[]", item)
    else:
        yield f"{path} = {value if isinstance(value, str) else json.dumps(value)}"


_PLAIN = (
    (re.compile(r"/\S+/(?=schemas/)"), ""),
    (re.compile(r"_[0-9a-f]{8}_\d+\b"), "_HASH_N"),
    (re.compile(r"127\.0\.0\.1:\d+|localhost:\d+"), "HOST:PORT"),
    (re.compile(r"port=\d+"), "port=PORT"),
    (re.compile(rf"\b{re.escape(socket.gethostname())}\b"), "HOST"),
    (re.compile(r"\b127\.0\.0\.1\b"), "HOST"),
    (re.compile(r"\bport \d+"), "port PORT"),
    (re.compile(r"\bsince \d\d:\d\d:\d\d UTC"), "since TIME"),
    (re.compile(r"PID \d+"), "PID N"),
    (re.compile(r"\b\d+ documents? (?:is|are)\b"), "N documents are"),
    (re.compile(r"\b\d+ changes? waits?\b"), "N changes wait"),
    (re.compile(r"HOST:\d+"), "HOST:PID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b[0-9A-F]+/[0-9A-F]{4,}\b"), "LSN"),
    (re.compile(r"\b\d+(?:\.\d+)? s\b"), "N s"),
)


def plain(text: str) -> str:
    """A line without addresses, ids, positions and durations."""
    for pattern, word in _PLAIN:
        text = pattern.sub(word, text)
    return text
