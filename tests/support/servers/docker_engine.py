"""The `docker` command, as the tests in containers use it."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.names import unique
from support.stores.dev import ROOT
from support.waiting import until_none

_HOST = "127.0.0.1"
_TAIL = 60


@dataclass(frozen=True)
class Images:
    """The image of this working copy; the tags stay, so that the next build takes seconds."""

    flusso: str = "flusso-kafka:test"
    demo: str = "flusso-kafka:test-demo"
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    revision: str = "0123456789abcdef0123456789abcdef01234567"


def docker(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """The output of one command, which has to succeed."""
    done = attempt(*arguments, environment=environment)
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def attempt(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What one command ends with."""
    return subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        # What this machine's environment sets for the product must not reach a container.
        env={name: value for name, value in os.environ.items() if "FLUSSO" not in name}
        | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def build(tag: str, *arguments: str) -> None:
    """`docker build` with the Dockerfile of the repository, unless an argument names another."""
    docker("build", "--quiet", "--tag", tag, *arguments)


@dataclass(frozen=True)
class Container:
    """One container, started with the options of `docker run`."""

    name: str

    @classmethod
    def start(cls, *options: str) -> Container:
        """`docker run --detach`, with a name that no other container has."""
        container = cls(unique("flusso-test-"))
        try:
            docker("run", "--detach", "--name", container.name, *options)
        except BaseException:
            # An interrupt may come when the engine has made it already.
            container.remove()
            raise
        return container

    def inspect(self) -> Any:
        """What `docker inspect` says of it."""
        return json.loads(docker("inspect", self.name))[0]

    def address(self, port: int) -> str:
        """Where a published port is on this machine: `host:port`."""
        return f"{_HOST}:{docker('port', self.name, str(port)).splitlines()[0].rpartition(':')[2]}"

    def await_healthy(self, seconds: float) -> None:
        """Wait until its HEALTHCHECK has succeeded."""

        def missing() -> str | None:
            state = self.inspect()["State"]
            assert state["Running"], f"it has ended:\n{self.logs()}"
            health = state["Health"]
            said = health["Log"][-1]["Output"] if health["Log"] else "no check has run"
            return None if health["Status"] == "healthy" else f"{health['Status']}: {said}"

        until_none(f"{self.name} is healthy", missing, seconds)

    def logs(self) -> str:
        """The last lines of what it printed."""
        done = attempt("logs", "--tail", str(_TAIL), self.name)
        return done.stdout + done.stderr

    def stop(self, grace: int = 40) -> int:
        """SIGTERM, and SIGKILL after `grace` seconds; gives the exit code."""
        docker("stop", "-t", str(grace), self.name)
        return int(self.inspect()["State"]["ExitCode"])

    def remove(self) -> None:
        """End it, whatever state it is in."""
        with suppress(AssertionError):
            docker("rm", "--force", "--volumes", self.name)


def run(image: str, *command: str, options: Sequence[str] = ()) -> str:
    """The output of a container that runs to its end; `command` begins with the program."""
    program, *rest = command
    return docker("run", "--rm", *options, "--entrypoint", program, image, *rest)


def make_readable(folder: Path) -> None:
    """Let the user of a container read a folder that is mounted."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
