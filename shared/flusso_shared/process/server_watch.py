"""Asks each server at intervals whether it answers, so that an outage shows although nothing is to be read or written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from flusso_shared.errors import FlussoError
from flusso_shared.metrics import Metrics
from flusso_shared.status import Status

_INTERVAL_SECONDS = 1.5
"""With the time after which silence counts (`health.servers`): less than 5 s from the outage to `/healthz`."""


class Probe(Protocol):
    """Asks one server.  Owned by one thread."""

    @property
    def server(self) -> str:
        """The name of the server in `/status`."""
        ...

    def ask(self) -> str | None:
        """One cheap request; returns the version of the server where the answer contains it.

        May block for as long as the server is silent.  Raises `FlussoError` when it does not answer, or refuses.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class _FirstAnswers:
    """Calls a function once, when the last of the servers has answered for the first time.  Thread-safe."""

    def __init__(self, servers: Iterable[str], then: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._silent = set(servers)
        self._then = then

    def answered(self, server: str) -> None:
        with self._lock:
            if server not in self._silent:
                return
            self._silent.remove(server)
            last = not self._silent
        if last:
            self._then()


@contextmanager
def watching(
    status: Status,
    metrics: Metrics,
    stop: threading.Event,
    probes: Sequence[Probe],
    on_all_answered: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Within the block each probe asks its server in a thread of its own, and `status.servers` has the answers.

    `on_all_answered` is called once, in one of these threads, when each has answered.
    """
    over = threading.Event()
    first = _FirstAnswers([probe.server for probe in probes], on_all_answered)
    for probe in probes:
        metrics.gauge("flusso_server_up", probe.server).set_function(
            partial(_is_up, status, probe.server)
        )
        name = f"watch-{probe.server}"
        # A daemon: a server that is silent must not hold up the end of the process.
        threading.Thread(
            target=_watch, args=(name, probe, status, stop, over, first), name=name, daemon=True
        ).start()
    try:
        yield
    finally:
        over.set()


def _is_up(status: Status, server: str) -> float:
    return float(server not in status.servers.outages())


def _watch(
    name: str,
    probe: Probe,
    status: Status,
    stop: threading.Event,
    over: threading.Event,
    first: _FirstAnswers,
) -> None:
    servers, server = status.servers, probe.server
    try:
        while not (over.is_set() or stop.is_set()):
            servers.asked(server)
            try:
                version = probe.ask()
            except FlussoError as error:
                servers.failed(server, str(error))
            else:
                servers.answered(server, version)
                first.answered(server)
            over.wait(_INTERVAL_SECONDS)
        probe.close()
    except BaseException as error:  # noqa: BLE001 - it is what /healthz reports
        status.thread_ended(name, error)
