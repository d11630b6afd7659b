"""All servers together: up, down, status, wipe."""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stacklib.daemon import Daemon
from stacklib.kafka import Kafka
from stacklib.layout import PORT_VARIABLES, Layout
from stacklib.opensearch import OpenSearch
from stacklib.ports import require_free
from stacklib.postgres import Postgres
from stacklib.problem import Problem
from stacklib.progress import Step
from stacklib.service import Service

_DEADLINE = 120.0
_GRACE = 30.0
_POLL = 0.1


@dataclass(frozen=True)
class State:
    """How one server is."""

    service: str
    port: int
    pid: int | None
    ready: bool


class Stack:
    """The servers of one layout, or those named by `only`."""

    def __init__(self, layout: Layout, only: Collection[str] = tuple(PORT_VARIABLES)) -> None:
        self._layout = layout
        self._postgres = Postgres(layout)
        services: list[Service] = [self._postgres, Kafka(layout), OpenSearch(layout)]
        self._services = [service for service in services if service.name in only]
        self._daemons = {
            service.name: Daemon(layout.folder / "run" / service.name) for service in services
        }

    def up(self) -> list[str]:
        """Start what does not run, wait until it answers; gives what was started.

        When it fails or is interrupted, what it started is stopped again.
        """
        with self._alone():
            missing = [service for service in self._services if not self._runs(service)]
            self._check(missing)
            started: list[Service] = []
            try:
                for service in missing:
                    service.prepare()
                for service in missing:
                    started.append(service)
                    port = self._layout.ports[service.name]
                    self._daemons[service.name].start(service.launch(port), port)
                for service in missing:
                    self._wait(service)
                self._create_store()
            except BaseException:
                self._stop(started)
                raise
            return [service.name for service in missing]

    def down(self, only: Collection[str] | None = None) -> None:
        """Stop what runs; the data stays."""
        with self._alone():
            self._stop([item for item in self._services if only is None or item.name in only])

    def wipe(self) -> None:
        """Stop what runs and remove the data."""
        with self._alone():
            self._stop(self._services)
            for service in self._services:
                service.wipe()
                self._daemons[service.name].log.unlink(missing_ok=True)

    def status(self) -> list[State]:
        """How each server is."""
        found = []
        for service in self._services:
            running = self._daemons[service.name].running()
            port = running.port if running else self._layout.ports[service.name]
            ready = running is not None and service.ready(port)
            found.append(State(service.name, port, running.pid if running else None, ready))
        return found

    def addresses(self) -> dict[str, str]:
        """What clients connect to, of each server."""
        return {
            service.name: service.address(self._port(service.name)) for service in self._services
        }

    def logs(self) -> dict[str, Daemon]:
        """The processes, by name, for their logs."""
        return {service.name: self._daemons[service.name] for service in self._services}

    def _runs(self, service: Service) -> bool:
        return self._daemons[service.name].running() is not None

    def _port(self, name: str) -> int:
        running = self._daemons[name].running()
        return running.port if running else self._layout.ports[name]

    def _check(self, services: list[Service]) -> None:
        """Say at once everything that is in the way."""
        problems = []
        for service in services:
            for check in (service.check, lambda name=service.name: self._check_port(name)):
                try:
                    check()
                except Problem as problem:
                    problems.append(str(problem))
        if problems:
            raise Problem("\n".join(dict.fromkeys(problems)))

    def _check_port(self, name: str) -> None:
        require_free(name, self._layout.ports[name], PORT_VARIABLES[name][0])

    def _wait(self, service: Service) -> None:
        daemon = self._daemons[service.name]
        with Step(service.name) as step:
            end = time.monotonic() + _DEADLINE
            while not service.ready(self._port(service.name)):
                if daemon.running() is None:
                    raise Problem(f"{service.name} stopped while it started:\n{daemon.tail()}")
                if time.monotonic() > end:
                    raise Problem(
                        f"{service.name} did not answer within {_DEADLINE:.0f} s. Its log says:\n"
                        f"{daemon.tail()}"
                    )
                step.tell("starting")
                time.sleep(_POLL)
            step.end_with(f"ready at {service.address(self._port(service.name))}")

    def _create_store(self) -> None:
        if self._layout.with_store and self._postgres in self._services:
            with Step("store") as step:
                made = self._postgres.create_store(self._port(self._postgres.name))
                step.end_with("made, with its seed" if made else "is there already")

    def _stop(self, services: list[Service]) -> None:
        for service in reversed(services):
            daemon = self._daemons[service.name]
            if daemon.running() is None:
                continue
            with _undisturbed(), Step(service.name) as step:
                step.tell("stopping")
                daemon.stop(service.stop_signal, _GRACE)
                step.end_with("stopped")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep a second `dev/stack` of the same working copy out for now."""
        self._layout.folder.mkdir(parents=True, exist_ok=True)
        with (self._layout.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an impatient second Ctrl-C not leave a server behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
