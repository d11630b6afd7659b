"""Runs the real commands as processes, each test with slots, topics and indexes of its own.

with cleaned_up(kafka_pipeline(site, folder, workers=2)) as pipeline:
    pipeline.start()
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from support import exposition, web
from support.commands import Process, inherited_environment, program, run_command, start
from support.stores.dev import ROOT
from support.waiting import patient, until_none

_GRACE = 30.0
_TAIL = 60

_CONFIG = """\
[source]
type = "postgres"

[sinks.primary]
type = "opensearch"
url = "http://127.0.0.1:9200"
{sink}
[queue]
type = "kafka"
{queue}"""

Settings = Mapping[str, str | int | bool]

_INDEX = """
[[index]]
name = "{name}"
schema = "{schema}"
"""

SHORT_SESSIONS = """
[queue.properties]
"session.timeout.ms" = 6000
"""
"""`Site.more` with which others soon take over the partitions of a dead worker."""


@dataclass(frozen=True)
class Site:
    """Where the servers are, and the names that one test has for itself on them."""

    database_url: str
    kafka: str
    opensearch_url: str
    slot: str
    topic_prefix: str
    index_prefix: str
    indexes: tuple[str, ...] = ("orders", "products", "users")
    partitions: int = 4
    replicas: int = 1
    batch_size: int = 1000
    """Documents per bulk request."""
    sink: Settings = field(default_factory=lambda: {"refresh_interval": "1s"})
    """More of `[sinks.primary]`."""
    queue: Settings = field(default_factory=dict)
    """More of `[queue]`."""
    schemas: Path = ROOT / "dev" / "schemas"
    more: str = ""
    """Text of `flusso.toml` that goes before the indexes."""
    of_index: str = ""
    """The same that goes to each of them."""
    fresh: bool = False
    """`Daemon.fresh` of its processes."""

    def environment(self) -> dict[str, str]:
        """The environment of the commands."""
        return inherited_environment() | {
            "DATABASE_URL": self.database_url,
            "PRIMARY_OPENSEARCH_URL": self.opensearch_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "PYTHONFAULTHANDLER": "1",
        }

    def run(
        self, folder: Path, *arguments: str, deadline: float
    ) -> subprocess.CompletedProcess[str]:
        """One `flusso` command to its end, in a folder with a configuration."""
        environment = self.environment() | {"FLUSSO_INDEX_PREFIX": self.index_prefix}
        return run_command(folder, environment, "flusso", *arguments, deadline=deadline)

    def with_schemas(self, folder: Path, schemas: Mapping[str, str], options: str = "") -> Site:
        """The same with an index for each of `schemas` (YAML, by name) and no others.

        `options` are lines of TOML for each index.
        """
        indexes = ""
        for name, text in schemas.items():
            schema = folder / f"{name}.schema.yml"
            schema.write_text(text, encoding="utf-8")
            indexes += f'[[index]]\nname = "{name}"\nschema = "{schema}"\n{options}'
        return replace(self, indexes=(), more=indexes)

    def write_config(self, folder: Path) -> Path:
        """A `flusso.toml` in `folder` over the dev schemas."""
        sink = {"number_of_replicas": 0, "batch_size": self.batch_size, **self.sink}
        queue = {
            "topic_prefix": self.topic_prefix,
            "partitions": self.partitions,
            "replication_factor": self.replicas,
            **self.queue,
        }
        text = _CONFIG.format(sink=_lines(sink), queue=_lines(queue)) + self.more
        for name in self.indexes:
            schema = self.schemas / f"{name}.schema.yml"
            text += _INDEX.format(name=name, schema=schema) + self.of_index
        path = folder / "flusso.toml"
        path.write_text(text)
        return path


def _lines(settings: Settings) -> str:
    """Lines of TOML.  A name with a dot is that of a key in a table."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


@dataclass
class Daemon:
    """One command as a process; started, killed, stopped and started again, one log file for all of it."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    folder: Path | None = None
    """Where it runs; by default where the tests do."""
    supervised: str = ""
    """A process that refused to start with a match of this in its log is started again, as a supervisor does."""
    fresh: bool = False
    """Whether Python is started for it (`support.commands`)."""
    _process: Process | None = None
    _output: IO[bytes] | None = None
    _log_start: int = 0
    _addresses: dict[re.Pattern[str], str] = field(default_factory=dict)
    """What the log has told since the last start."""

    def start(self, failpoint: str = "") -> None:
        """Start the process; it need not be ready when this returns.  `failpoint`: see `failpoints`."""
        assert self._process is None, f"{self.name} runs already"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._addresses.clear()
        self._output = self.log.open("ab")
        environment = self.environment | ({"FLUSSO_FAILPOINT": failpoint} if failpoint else {})
        self._process = start(
            self.command, environment, self.folder, self._output, self._output, fresh=self.fresh
        )

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM; fails unless the process drains and exits 0 within the grace period."""
        code = self._end(signal.SIGTERM)
        assert code == 0 or self._refused(code), (
            f"{self.name} exited {code} on SIGTERM:\n{self.tail()}"
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal, without waiting for what follows."""
        os.kill(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP: it stands still, and whatever it held stays held."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_exit(self, deadline: float) -> int:
        """Wait until the process ends by itself; gives its exit code."""
        process, output = self._process, self._output
        assert process is not None
        assert output is not None
        try:
            code = process.wait(patient(deadline))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end by itself:\n{self.tail()}") from None
        self._process = None
        output.close()
        return code

    def await_log(self, text: str, deadline: float) -> None:
        """Wait until the process, since its last start, has logged `text`."""

        def missing() -> str | None:
            self.check()
            return None if text in self.text() else f"no {text!r} in the log"

        until_none(f"{self.name} says so", missing, deadline)

    def _refused(self, code: int | None) -> bool:
        return (
            code == 1
            and self.supervised != ""
            and re.search(self.supervised, self.text(), re.MULTILINE) is not None
        )

    def check(self) -> None:
        """Fail if the process, which should run, has exited."""
        assert self._process is not None
        code = self._process.poll()
        if self._refused(code):
            assert self._output is not None
            self._process = None
            self._output.close()
            self.start()
            return
        assert code is None, f"{self.name} exited {code} by itself:\n{self.tail()}"

    def clean_up(self) -> None:
        """Whatever state it is in, leave nothing running."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process, output = self._process, self._output
        assert process is not None
        assert output is not None
        self._process = None
        process.send_signal(number)
        try:
            return process.wait(patient(_GRACE))
        except subprocess.TimeoutExpired:
            # Its log then contains the stack of every thread, also when one of them holds the interpreter.
            process.send_signal(signal.SIGABRT)
            process.wait()
            raise AssertionError(f"{self.name} did not exit:\n{self.tail()}") from None
        finally:
            output.close()

    def text(self) -> str:
        """What the process wrote since it was started last."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def tail(self) -> str:
        """The last lines, for a failure's message."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.name}: {self.log}", *lines[-_TAIL:]])

    def public_url(self, deadline: float = 30.0) -> str:
        """The address of the public surface, as the log tells it."""
        return f"http://{self._address(_PUBLIC, deadline)}"

    def private_address(self, deadline: float = 30.0) -> str:
        """`host:port` of the private surface, likewise."""
        return self._address(_PRIVATE, deadline)

    def _address(self, surface: re.Pattern[str], deadline: float) -> str:
        def missing() -> str | None:
            self.check()
            if surface not in self._addresses and (found := surface.search(self.text())):
                self._addresses[surface] = found[1]
            return None if surface in self._addresses else "no address in the log\n" + self.tail()

        until_none(f"{self.name} listens", missing, deadline)
        return self._addresses[surface]

    def status(self) -> dict[str, Any]:
        """The `/status` document."""
        answer = web.get(f"{self.public_url()}/status")
        answer.raise_for_status()
        return dict(answer.json())

    def metric(self, name: str) -> float:
        """The sum over all labels of the metric `name`; 0 when there is none."""
        return sum(value for key, value in self.samples().items() if key.partition("{")[0] == name)

    def samples(self) -> dict[str, float]:
        """What `/metrics` has: name with labels, as it is written there -> value."""
        return exposition.samples(self.exposition())

    def exposition(self) -> str:
        """The text of `/metrics`."""
        answer = web.get(f"{self.public_url()}/metrics")
        answer.raise_for_status()
        return answer.text


_PUBLIC = re.compile(r"(?=[^\n]*public)[^\n]*?(127\.0\.0\.\d+:[1-9]\d*)")
_PRIVATE = re.compile(r'private surface listening on ([^\s"]+)')


@dataclass
class Pipeline:
    """All processes of one deployment, capture (or `flusso run`) first."""

    daemons: list[Daemon] = field(default_factory=list)

    def start(self) -> None:
        for daemon in self.daemons:
            daemon.start()

    def stop(self) -> None:
        """Stop all of them, each cleanly."""
        for daemon in self.daemons:
            daemon.stop()

    def check(self) -> None:
        """Fail if one of them has exited."""
        for daemon in self.daemons:
            daemon.check()

    def tail(self) -> str:
        """The end of every log."""
        return "\n".join(daemon.tail() for daemon in self.daemons)


def kafka_pipeline(site: Site, folder: Path, workers: int) -> Pipeline:
    """Capture and `workers` workers, not started yet."""
    capture = _daemon(
        site, folder, "flusso-capture", ["flusso-capture", *_source(site), *_sink(site)]
    )
    names = [f"flusso-worker-{number}" for number in range(1, workers + 1)]
    return Pipeline(
        [
            capture,
            *(_daemon(site, folder, name, ["flusso-worker", *_sink(site)]) for name in names),
        ]
    )


def embedded_pipeline(site: Site, folder: Path) -> Pipeline:
    """`flusso run`, not started yet."""
    command = ["flusso", "run", *_source(site), *_sink(site)]
    return Pipeline([_daemon(site, folder, "flusso-run", command)])


@contextmanager
def cleaned_up(pipeline: Pipeline) -> Iterator[Pipeline]:
    """Whatever happens, leave no process; a failure tells the ends of the logs."""
    try:
        yield pipeline
    except BaseException as error:
        error.add_note(pipeline.tail())
        raise
    finally:
        for daemon in pipeline.daemons:
            daemon.clean_up()


MEMORY = 250 * 1024 * 1024
"""Bytes that a process of a small deployment stays below, whatever happens around it."""


@contextmanager
def living_through(pipeline: Pipeline) -> Iterator[None]:
    """At the end of the block each process is still the same one, and none has grown."""
    before = [daemon.pid for daemon in pipeline.daemons]
    yield
    pipeline.check()
    assert [daemon.pid for daemon in pipeline.daemons] == before
    for daemon in pipeline.daemons:
        peak = peak_memory(daemon.pid)
        assert peak < MEMORY, f"{daemon.name} held {peak / 1024 / 1024:.0f} MB"


def _source(site: Site) -> list[str]:
    return ["--slot", site.slot, "--publication", site.slot]


def _sink(site: Site) -> list[str]:
    return ["--index-prefix", site.index_prefix]


def _daemon(site: Site, folder: Path, name: str, command: list[str]) -> Daemon:
    common = ["--config", str(site.write_config(folder)), "--lock", str(folder / f"{name}.lock")]
    common += ["--public-address", "127.0.0.1:0", "--private-address", "127.0.0.1:0"]
    return Daemon(
        name,
        [program(command[0]), *command[1:], *common],
        site.environment(),
        folder / f"{name}.log",
        fresh=site.fresh,
    )


def peak_memory(pid: int) -> int:
    """The most memory that the process ever held, in bytes.  A fork had that of its parent."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
