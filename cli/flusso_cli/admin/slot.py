"""`flusso slot`: the state of the replication slot, and its removal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from flusso_capture.source import slot as capture_slot
from flusso_cli.admin.deployment import JsonOption, console, one_attempt
from flusso_cli.overview.slot_state import SlotState, read
from flusso_shared.config.choices import OnLostPosition
from flusso_shared.config.choose import needed_project
from flusso_shared.config.connections import source_conninfo
from flusso_shared.errors import FatalError
from flusso_shared.postgres import connection as postgres
from flusso_shared.postgres.connection import Connection
from flusso_shared.postgres.errors import translate
from flusso_shared.process import command_line
from flusso_shared.process.commands import App
from flusso_shared.process.environment import environment
from flusso_shared.process.progress_bar import Waiting

slot = App(
    no_args_is_help=True,
    help="Show or drop the replication slot.",
)

_APPLICATION = "flusso slot"


@slot.command()
def status(
    slot: command_line.SlotOption = "flusso",
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the slot: its positions, the log that Postgres keeps for it, and the process that reads it.

    Exit code 1 when it does not exist.
    """
    with Waiting("asking Postgres"), _source(config, lock, locked=locked) as source:
        found = read(source.connection, slot)
    if as_json:
        state = {} if found is None else found.to_json()
        console().print(json.dumps({"slot": slot, "exists": found is not None, **state}, indent=2))
    elif found is None:
        console().print(
            f"replication slot {slot} does not exist at {source.address}; capture creates it at its start, and then"
            " builds every index"
        )
    else:
        console().print("\n".join([*_lines(slot, found), *_notes(found, source.on_lost_position)]))
    if found is None:
        raise typer.Exit(1)


@slot.command()
def drop(
    slot: command_line.SlotOption = "flusso",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Drop it without a question on the terminal.")
    ] = False,
    config: command_line.ConfigOption = None,
    lock: command_line.LockOption = command_line.DEFAULT_LOCK,
    locked: command_line.LockedOption = False,
) -> None:
    """Drop the slot, so that Postgres keeps no log for it.  The next start of capture rebuilds every index.

    Refused while a process reads from the slot.
    """
    with _source(config, lock, locked=locked) as source:
        state = _droppable(source, slot)
        follows = _after_loss(source.on_lost_position)
        if not yes:
            _confirm(f"Drop replication slot {slot} at {source.address}? {follows}")
        try:
            capture_slot.drop(source.connection, slot)
        except psycopg.errors.ObjectInUse:
            raise _in_use(slot, read(source.connection, slot) or state) from None
        except psycopg.Error as error:
            raise translate(error, f"drop replication slot {slot}") from error
    freed = "" if state.retained_bytes is None else f", which kept {state.retained_bytes:,} bytes"
    console().print(f"dropped replication slot {slot}{freed}. {follows}")


@dataclass(frozen=True, slots=True)
class _Source:
    """The database of a configuration, connected."""

    connection: Connection
    address: str
    on_lost_position: OnLostPosition


@contextmanager
def _source(config: Path | None, lock: Path, *, locked: bool) -> Iterator[_Source]:
    project, _ = needed_project(config, lock, locked=locked)
    conninfo = source_conninfo(project.config.source, environment())
    with one_attempt(), postgres.connect(conninfo, _APPLICATION) as connection:
        where = postgres.address(conninfo)
        yield _Source(connection, where, project.config.source.on_lost_position)


def _droppable(source: _Source, name: str) -> SlotState:
    """The state of a slot of capture that no process reads; raises `FatalError` for any other."""
    state = read(source.connection, name)
    # It raises for a slot with another plugin or of another database.
    if capture_slot.read(source.connection, name) is None or state is None:
        raise FatalError(
            f"cannot drop replication slot {name}: it does not exist at {source.address}; name the slot with --slot"
            " (pg_replication_slots lists all)"
        )
    if state.active:
        raise _in_use(name, state)
    return state


def _in_use(name: str, state: SlotState) -> FatalError:
    return FatalError(
        f"cannot drop replication slot {name}: {state.holder or 'a process'} reads from it; stop capture, then drop the"
        " slot"
    )


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "dropping the slot needs this option where there is no terminal to ask at",
            param_hint="--yes",
        )
    typer.confirm(question, abort=True)


def _after_loss(on_lost_position: OnLostPosition) -> str:
    if on_lost_position == "stop":
        return (
            'The next start of capture stops, because of on_lost_position = "stop"; with --on-lost-position rebuild it'
            " rebuilds every index."
        )
    return "The next start of capture rebuilds every index."


def _lines(name: str, state: SlotState) -> list[str]:
    rows = [
        ("slot", f"{name} ({state.type}, {state.plugin or 'no plugin'}, {state.database or '-'})"),
        ("active", "yes" if state.active else "no"),
        ("read by", str(state.holder or "-")),
        ("wal_status", state.wal_status or "-"),
        ("invalidated", state.invalidation_reason or "-"),
        ("restart LSN", state.restart_lsn or "-"),
        ("confirmed LSN", state.confirmed_lsn or "-"),
        ("lag", _bytes(state.lag_bytes)),
        ("retained", _bytes(state.retained_bytes)),
        ("safe", _bytes(state.safe_bytes)),
        (
            "age",
            "-" if state.age_transactions is None else f"{state.age_transactions:,} transactions",
        ),
        ("inactive since", state.inactive_since or "-"),
    ]
    return [f"{what:<15} {value}" for what, value in rows]


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value:,} bytes"


def _notes(state: SlotState, on_lost_position: OnLostPosition) -> Iterator[str]:
    if state.wal_status == "lost":
        yield f"Postgres removed log that the slot needs. {_after_loss(on_lost_position)}"
    elif state.wal_status == "unreserved":
        yield (
            "Postgres removes log that the slot needs at its next checkpoint: start capture, or raise"
            " max_slot_wal_keep_size"
        )
    elif not state.active:
        yield (
            "No process reads from the slot, and Postgres keeps the log for it: start capture, or drop the slot if the"
            " deployment is retired"
        )
