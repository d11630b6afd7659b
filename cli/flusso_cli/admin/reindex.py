"""`flusso reindex`: rebuild an index from the change log while the old one answers queries."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from flusso_cli.admin.deployment import ServerCaOption, ServerOption, console
from flusso_cli.admin.generations import Bookkeeping, bookkeeping
from flusso_cli.admin.remote import Access
from flusso_shared.errors import FatalError
from flusso_shared.process import command_line
from flusso_shared.process.progress_bar import Waiting
from flusso_worker.generations.view import GenerationView

_POLL_SECONDS = 1.0
_IDLE_ROUNDS = 20
"""Rounds after which a request that no worker has begun is reported."""
_GONE_ROUNDS = 3


def reindex(
    index: Annotated[str, typer.Argument(help="Name of the index in flusso.toml.")],
    wait: Annotated[
        bool,
        typer.Option("--wait", envvar="FLUSSO_WAIT", help="Wait until the new generation is live."),
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel the generation that is being built.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Make the schema here the newest; workers with another schema stand by.",
        ),
    ] = False,
    server: ServerOption = None,
    server_ca: ServerCaOption = None,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    index_prefix: command_line.IndexPrefixOption = None,
    admin_user: command_line.UserOption = command_line.DEFAULT_USER,
    admin_password: command_line.PasswordOption = command_line.DEFAULT_PASSWORD,
) -> None:
    """Build a new generation of an index, and switch to it when it is complete."""
    if wait and cancel:
        raise typer.BadParameter("a cancelled generation cannot be waited for", param_hint="--wait")
    if take_over and (wait or cancel):
        raise typer.BadParameter(
            "cannot be combined with the other options", param_hint="--take-over"
        )
    access = Access(server, admin_user, admin_password, server_ca)
    with bookkeeping(access, (config, lock, locked), index_prefix) as source:
        if cancel:
            console().print(source.cancel(index))
            return
        if take_over:
            console().print(source.take_over(index))
            return
        name = index.strip().lower()
        before = _live(source.generations(), name) if wait else None
        console().print(source.reindex(index))
        if wait:
            console().print(f"{_Wait(source, name, before).finished()} is live")


def _live(found: list[GenerationView], index: str) -> GenerationView | None:
    live = [view for view in found if view.index == index and view.state == "live"]
    return live[-1] if live else None


class _Wait:
    """Until one generation is live and no other is left."""

    def __init__(self, source: Bookkeeping, index: str, before: GenerationView | None) -> None:
        self._source = source
        self._index = index
        self._before = before
        self._idle = 0
        self._pause = threading.Event()
        self._console = console(stderr=True)

    def finished(self) -> str:
        """The physical name of the new generation, once it is live; raises `FatalError` when it was given up."""
        step = f"seeding {self._index}"
        with Waiting(step) as display:
            while True:
                found = [v for v in self._source.generations() if v.index == self._index]
                if done := self._done(found):
                    return done
                for view in found:
                    if view.state == "seeding" and view.total:
                        display.advance(step, view.done or 0, view.total)
                self._look_for_life(found)
                self._pause.wait(_POLL_SECONDS)

    def _done(self, found: list[GenerationView]) -> str | None:
        if len(found) != 1 or found[0].state != "live":
            return None
        replaced = self._before is None or found[0].generation != self._before.generation
        return found[0].generation if replaced else None

    def _look_for_life(self, found: list[GenerationView]) -> None:
        begun = any(view.state in ("creating", "seeding") for view in found)
        asked = any(view.to_be_replaced for view in found)
        self._idle = 0 if begun else self._idle + 1
        if not asked and self._before is not None and self._idle >= _GONE_ROUNDS:
            live = _live(found, self._index)
            if live is not None and live.generation == self._before.generation:
                raise FatalError(f"the reindex of {self._index} was cancelled")
        if self._idle == _IDLE_ROUNDS:
            self._console.print("no worker has begun yet; is one running?")
