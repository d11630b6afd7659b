"""`flusso pause` and `flusso resume`: stop keeping an index up to date for a while, and go on where it stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from flusso_cli.admin.deployment import ServerCaOption, ServerOption, console
from flusso_cli.admin.generations import bookkeeping
from flusso_cli.admin.remote import Access
from flusso_shared.process import command_line

IndexArgument = Annotated[str, typer.Argument(help="Name of the index in flusso.toml.")]


def pause(
    index: IndexArgument,
    server: ServerOption = None,
    server_ca: ServerCaOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
) -> None:
    """Apply no changes to an index until it is resumed; queries are answered as before."""
    access = Access(server, admin_user, admin_password, server_ca)
    with bookkeeping(access, (config, lock, locked), index_prefix) as source:
        console().print(source.pause(index))


def resume(
    index: IndexArgument,
    server: ServerOption = None,
    server_ca: ServerCaOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
) -> None:
    """Apply changes to a paused index again, from where it was paused."""
    access = Access(server, admin_user, admin_password, server_ca)
    with bookkeeping(access, (config, lock, locked), index_prefix) as source:
        console().print(source.resume(index))
