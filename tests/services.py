"""Where the real servers of a test run are, and how it comes by them.  Nothing here is a mock.

The address of each server is taken from the environment, where it is set:

    FLUSSO_TEST_POSTGRES_URL     postgresql://postgres@127.0.0.1:5432/postgres   (a superuser)
    FLUSSO_TEST_KAFKA            127.0.0.1:9092
    FLUSSO_TEST_OPENSEARCH_URL   http://127.0.0.1:9200

The other servers are containers where a Docker engine answers, else processes on free ports in a
temporary directory (`dev/stacklib`, what `dev/stack` uses).  `FLUSSO_TEST_SERVERS=containers` or `processes`
decides it.  Either way they are started once per run and stopped at its end.  A program that is missing for
that fails the run and names its package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

VARIABLES = {
    "postgres": "FLUSSO_TEST_POSTGRES_URL",
    "kafka": "FLUSSO_TEST_KAFKA",
    "opensearch": "FLUSSO_TEST_OPENSEARCH_URL",
}
KIND = "FLUSSO_TEST_SERVERS"
_KINDS = ("containers", "processes")


@dataclass(frozen=True)
class Services:
    """The three servers' addresses."""

    postgres_url: str
    """A superuser's connection to a maintenance database."""
    kafka: str
    """Bootstrap servers."""
    opensearch_url: str


@contextmanager
def provided(environment: Mapping[str, str] = os.environ) -> Iterator[Services]:
    """The servers of this run; what had to be started for it is stopped on leaving."""
    addresses = {
        service: environment[variable]
        for service, variable in VARIABLES.items()
        if environment.get(variable)
    }
    missing = [service for service in VARIABLES if service not in addresses]
    with ExitStack() as stack:
        if missing:
            addresses |= stack.enter_context(_started(missing, environment.get(KIND, "")))
        yield Services(addresses["postgres"], addresses["kafka"], addresses["opensearch"])


@contextmanager
def _started(missing: list[str], kind: str) -> Iterator[dict[str, str]]:
    from support.servers import containers

    assert kind in ("", *_KINDS), f"{KIND} is {kind!r}; it has to be one of {_KINDS}"
    if kind == "containers" or (not kind and containers.engine_answers()):
        with containers.started(missing) as addresses:
            yield addresses
    else:
        with _processes(missing) as addresses:
            yield addresses


@contextmanager
def _processes(missing: list[str]) -> Iterator[dict[str, str]]:
    from stacklib.layout import Layout
    from stacklib.stack import Stack
    from support.servers.folder import server_folder

    with server_folder() as folder:
        stack = Stack(Layout.temporary(folder), only=missing)
        try:
            stack.up()
            yield stack.addresses()
        finally:
            stack.wipe()
