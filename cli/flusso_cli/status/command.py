"""`flusso status`: looks at the deployment, on a terminal again and again."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from flusso_cli.admin.deployment import JsonOption, ServerCaOption, ServerOption
from flusso_cli.admin.remote import Access, Remote, has_records
from flusso_cli.overview.connect import from_outside
from flusso_cli.overview.model import Overview
from flusso_cli.overview.observer import Observer
from flusso_cli.status.screen import screen
from flusso_shared.config.choose import find_project
from flusso_shared.errors import FatalError
from flusso_shared.process import command_line, option_values

Look = Callable[[], Overview]

_RATE_SECONDS = 2.0
"""Between the two looks of a single report: rates are known from the second one on."""
_SLOW_SECONDS = 2.0
"""A look that takes so long has waited for a server in vain."""
_PIPE_COLUMNS = 160
_DEFAULT_INTERVAL = 2.0

SlotOption = Annotated[
    str | None,
    typer.Option(
        "--slot",
        envvar="FLUSSO_SLOT",
        help="Name of the replication slot; by default that of the capture that runs.",
    ),
]


def status(
    server: ServerOption = None,
    server_ca: ServerCaOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    slot: SlotOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            envvar="FLUSSO_ONCE",
            help="Print one report and end, as it does where standard output is no terminal.",
        ),
    ] = False,
    as_json: JsonOption = False,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            min=0.5,
            envvar="FLUSSO_INTERVAL",
            help="Seconds between two looks on a terminal.",
        ),
    ] = _DEFAULT_INTERVAL,
) -> None:
    """Show the whole deployment: what is late, by how much, why, and which processes run.

    Exit code 1 while it is failing, that is, needs an operator.  0 otherwise, also while it is degraded.
    """
    access = Access(server, admin_user, admin_password, server_ca)
    terminal = Console(highlight=False, markup=False, emoji=False)
    if terminal.is_terminal:
        # Lines in between would tear the screen, and what they report is on it.
        logging.disable(logging.ERROR)
    with _looking(access, (config, lock, locked), index_prefix, slot) as look:
        if as_json or once or not terminal.is_terminal:
            found = _report(look)
            _print(terminal, found, as_json=as_json)
        else:
            found = _follow(look, terminal, interval)
    if found.health.state == "failing":
        raise typer.Exit(1)


@contextmanager
def _looking(
    access: Access,
    files: tuple[Path | None, Path, bool],
    index_prefix: str | None,
    slot: str | None,
) -> Iterator[Look]:
    """A process that is named, else the servers of the configuration here, else a process at the default address."""
    config, lock, locked = files
    found = None if access.server is not None else find_project(config, lock, locked=locked)
    with ExitStack() as stack:
        if found is not None and has_records(found[0]):
            project = found[0]
            prefix = option_values.index_prefix(project, index_prefix)
            yield Observer(from_outside(project, prefix, slot, stack)).look
            return
        remote = Remote(access if found is None else access.instead_of_servers(found[0]))
        stack.callback(remote.close)
        yield remote.overview


def _report(look: Look) -> Overview:
    """One overview, with rates unless a server does not answer: then the reason is worth more, and soon."""
    began = time.monotonic()
    found = look()
    slow = time.monotonic() - began > _SLOW_SECONDS
    if slow or all(index.rate is not None for index in found.indexes):
        return found
    threading.Event().wait(_RATE_SECONDS)
    return look()


def _print(terminal: Console, overview: Overview, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(overview.to_json(), indent=2))
        return
    if not terminal.is_terminal:
        terminal.width = max(terminal.width, _PIPE_COLUMNS)
    terminal.print(screen(overview))


def _follow(look: Look, terminal: Console, interval: float) -> Overview:
    """Show one overview after the other in its place until Ctrl-C; returns the last one."""
    pause = threading.Event()
    found = look()
    with Live(screen(found), console=terminal, auto_refresh=False) as live:
        try:
            live.refresh()
            while True:
                pause.wait(interval)
                try:
                    found = look()
                    live.update(screen(found), refresh=True)
                except FatalError as error:
                    gone = Text(f"{error}\nThis is what it said last:\n", style="bold red")
                    live.update(Group(gone, screen(found)), refresh=True)
        except KeyboardInterrupt:
            return found
