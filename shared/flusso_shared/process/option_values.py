"""Combines the options of `command_line` with the configuration."""

from __future__ import annotations

import typer

from flusso_shared.config.project import Project
from flusso_shared.config.toml_file import check_address, check_prefix
from flusso_shared.process.http import Credentials
from flusso_shared.process.service import Addresses


def addresses(
    project: Project, public: str | None, private: str | None, user: str, password: str
) -> Addresses:
    """Flag or environment, else the configuration, else the default."""
    server = project.config.server
    found = Addresses(
        public or server.public_address,
        private or server.private_address,
        Credentials(user, password),
    )
    for option, address in (("public", found.public), ("private", found.private)):
        if wrong := check_address(address):
            raise typer.BadParameter(wrong, param_hint=f"--{option}-address")
    return found


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
