"""Combines the options of `command_line` with the configuration."""

from __future__ import annotations

from pathlib import Path

import typer

from flusso_shared.config.model import Server
from flusso_shared.config.project import Project
from flusso_shared.config.toml_file import check_address, check_prefix
from flusso_shared.process.http import Certificate, Credentials
from flusso_shared.process.service import Addresses

CAPTURE_ADDRESSES = ("127.0.0.1:9464", "127.0.0.1:9465")
"""Of capture and of `flusso run`, where no others are chosen: the public and the private one."""
WORKER_ADDRESSES = ("127.0.0.1:9474", "127.0.0.1:9475")
"""The same of a worker."""


def addresses(
    project: Project,
    given: tuple[str | None, str | None],
    credentials: tuple[str, str],
    certificate: tuple[Path | None, Path | None],
    defaults: tuple[str, str] = CAPTURE_ADDRESSES,
) -> Addresses:
    """Flag or environment, else the configuration, else the default.

    `given` are the public and the private address, `certificate` the files of the latter and of its key.
    """
    server = project.config.server
    public, private = given[0] or server.public_address, given[1] or server.private_address
    chosen = {"public": public, "private": private}
    found = Addresses(
        public or defaults[0],
        private or defaults[1],
        Credentials(*credentials),
        _certificate(server, *certificate),
        frozenset(surface for surface, address in chosen.items() if address is None),
    )
    for option, address in (("public", found.public), ("private", found.private)):
        if wrong := check_address(address):
            raise typer.BadParameter(wrong, param_hint=f"--{option}-address")
    return found


def _certificate(server: Server, file: Path | None, key: Path | None) -> Certificate | None:
    """A key in the configuration belongs to the certificate there."""
    if file is not None:
        return Certificate(str(file), None if key is None else str(key))
    if key is not None and server.private_cert is None:
        raise typer.BadParameter("needs its --private-cert", param_hint="--private-key")
    if server.private_cert is None:
        return None
    return Certificate(server.private_cert, server.private_key if key is None else str(key))


def index_prefix(project: Project, given: str | None) -> str:
    """Flag or environment (an empty one too), else the configuration."""
    prefix = project.config.prefix if given is None else given
    if wrong := check_prefix(prefix):
        raise typer.BadParameter(wrong, param_hint="--index-prefix")
    return prefix


def timeout(seconds: float) -> float | None:
    """`--startup-timeout` in seconds; None for 0, which waits without a limit."""
    return seconds or None


def given(flag: bool | None, otherwise: bool) -> bool:
    """The flag where it was given, else the configured value."""
    return otherwise if flag is None else flag
