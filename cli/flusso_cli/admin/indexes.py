"""`flusso indexes`: every index with its generations, their state, lag and progress."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table

from flusso_cli.admin.deployment import Format, FormatOption, ServerCaOption, ServerOption, console
from flusso_cli.admin.generations import bookkeeping
from flusso_cli.admin.remote import Access
from flusso_shared.process import command_line
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.generations.view import GenerationView, states


def indexes(
    server: ServerOption = None,
    server_ca: ServerCaOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
    format: FormatOption = "human",
) -> None:
    """List indexes and their generations, with the lag and the progress of seeding."""
    access = Access(server, admin_user, admin_password, server_ca)
    with (
        Waiting("reading generations"),
        bookkeeping(access, (config, lock, locked), index_prefix) as source,
    ):
        found = source.generations()
    console().print(_shown(found, format))


def _shown(found: Sequence[GenerationView], format: Format) -> str | Table:
    if format == "json":
        return json.dumps(
            {"indexes": states(found), "generations": [view.to_json() for view in found]}, indent=2
        )
    if not found:
        return "no index is known yet"
    table = Table("index", "generation", "state", "made", "lag", "progress", box=None)
    for view in found:
        marks = {"to be replaced": view.to_be_replaced, "paused": view.paused}
        state = ", ".join([view.state, *[mark for mark, given in marks.items() if given]])
        made = datetime.fromtimestamp(view.created_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        lag = "-" if view.lag is None else f"{view.lag:,}"
        table.add_row(view.index, view.generation, state, made, lag, progress_text(view))
    return table


def progress_text(view: GenerationView) -> str:
    """`done / total`, where there is something to say."""
    if view.done is None or not view.total:
        return "-"
    return f"{view.done:,} / {view.total:,} ({100 * view.done // view.total} %)"
