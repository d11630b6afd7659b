"""docker-compose.yml as a project of its own, on free ports, which no other project of this machine meets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services import Services
from stacklib.ports import free_ports
from support.names import unique
from support.processes import Site
from support.servers.docker_engine import attempt, docker

_PORTS = {
    "postgres": "FLUSSO_POSTGRES_PORT",
    "kafka": "FLUSSO_KAFKA_PORT",
    "opensearch": "FLUSSO_OPENSEARCH_PORT",
    "capture": "FLUSSO_CAPTURE_PORT",
    "demo": "FLUSSO_DEMO_PORT",
}
_PROFILES = ("monitoring", "dashboards", "demo")
_TAIL = "60"


@dataclass(frozen=True)
class Compose:
    """One project; its images are built already."""

    project: str
    ports: dict[str, int]
    images: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """`docker compose` in this project, with all profiles known."""
        return docker(*self._command(*arguments), environment=self._environment())

    def up(self, *services: str, workers: int = 1) -> None:
        """Start them, and wait until each is healthy; the number of workers changes without touching the others."""
        options = ["--detach", "--no-build", "--no-recreate", "--wait"]
        if not services:
            options += ["--scale", f"worker={workers}"]
        done = attempt(*self._command("up", *options, *services), environment=self._environment())
        assert done.returncode == 0, f"compose up:\n{done.stdout}{done.stderr}\n{self.logs()}"

    def down(self) -> None:
        """Remove containers, network and volumes."""
        self("down", "--volumes", "--timeout", "10")

    def config(self) -> Any:
        """The file, with variables and merges resolved."""
        return json.loads(self("config", "--format", "json"))

    def containers(self, service: str) -> list[str]:
        """The ids of the running containers of a service."""
        return self("ps", "--quiet", service).split()

    def logs(self) -> str:
        """The last lines of each container."""
        done = attempt(
            *self._command("logs", "--no-color", "--tail", _TAIL), environment=self._environment()
        )
        return done.stdout + done.stderr

    @property
    def network(self) -> str:
        return f"{self.project}_default"

    @property
    def services(self) -> Services:
        """The servers as this machine reaches them."""
        return Services(
            f"postgresql://postgres:postgres@127.0.0.1:{self.ports['postgres']}/postgres",
            f"127.0.0.1:{self.ports['kafka']}",
            f"http://127.0.0.1:{self.ports['opensearch']}",
        )

    def site(self, slot: str = "flusso", index_prefix: str = "") -> Site:
        """The example store, and the names that dev/flusso.toml has."""
        found = self.services
        return Site(
            database_url=found.postgres_url.removesuffix("postgres") + "flusso",
            kafka=found.kafka,
            opensearch_url=found.opensearch_url,
            slot=slot,
            topic_prefix="flusso",
            index_prefix=index_prefix,
        )

    def _command(self, *arguments: str) -> tuple[str, ...]:
        profiles = [item for name in _PROFILES for item in ("--profile", name)]
        # With `up`, a profile would start all of its services.
        known = profiles if arguments[0] != "up" else []
        return ("compose", "--project-name", self.project, *known, *arguments)

    def _environment(self) -> dict[str, str]:
        return self.images | {_PORTS[name]: str(port) for name, port in self.ports.items()}


def project(image: str, demo: str) -> Compose:
    """A project that is not started."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    images = {"FLUSSO_IMAGE": image, "FLUSSO_DEMO_IMAGE": demo}
    return Compose(unique("flusso-test-"), ports, images)


@contextmanager
def running(compose: Compose) -> Iterator[Compose]:
    """Everything of docker-compose.yml without its profiles, with one worker; removed at the end."""
    try:
        compose.up()
        yield compose
    except BaseException as error:
        error.add_note(compose.logs())
        raise
    finally:
        compose.down()
