"""Slots with `two_phase`: recreated without it, at the same LSN.

Such a slot sends the rows of a prepared transaction at PREPARE TRANSACTION.  They become visible at COMMIT PREPARED, perhaps
hours later, or never.  A slot without `two_phase` sends them at COMMIT PREPARED.  Postgres cannot turn it off in
place before version 18; a copy of a slot never has it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Literal

import psycopg

from flusso_capture.source.connection import Connection
from flusso_capture.source.slot import PLUGIN
from flusso_shared.errors import RetryableError

logger = logging.getLogger(__name__)

_READ = """
SELECT slot_name::text, two_phase, active_pid,
       wal_status IS DISTINCT FROM 'lost' AND confirmed_flush_lsn IS NOT NULL
FROM pg_replication_slots
WHERE slot_name = ANY(%s) AND plugin = %s AND slot_type = 'logical' AND database = current_database()
"""
_EXISTS = "SELECT FROM pg_replication_slots WHERE slot_name = %s"
_COPY = "SELECT pg_copy_logical_replication_slot(%s, %s, false)"
_DROP = "SELECT pg_drop_replication_slot(%s)"
_MAX_SLOT_NAME_LENGTH = 63

Step = tuple[Literal["copy"], str, str] | tuple[Literal["drop"], str]


@dataclass(frozen=True, slots=True)
class Found:
    """A logical slot for pgoutput in this database."""

    two_phase: bool
    active_pid: int | None
    usable: bool
    """Whether the server still has the log that it needs."""


def spare_name(slot: str) -> str:
    """The name of the temporary copy."""
    digest = hashlib.sha256(slot.encode()).hexdigest()[:8]
    return f"{slot[: _MAX_SLOT_NAME_LENGTH - 14]}_copy_{digest}"


def steps(slot: str, own: Found | None, taken: bool, spare: Found | None) -> list[Step]:
    """The steps to a slot without `two_phase` and without a copy, from any point where they were interrupted.

    `taken` is whether any slot has the name, including slots of other plugins and databases.
    """
    copy = spare_name(slot)
    back: list[Step] = [("copy", copy, slot), ("drop", copy)]
    if own is not None and own.two_phase and own.usable:
        stale: list[Step] = [("drop", copy)] if spare is not None else []
        return [*stale, ("copy", slot, copy), ("drop", slot), *back]
    if spare is None:
        return []
    if taken:
        return [("drop", copy)]
    return back if spare.usable else [("drop", copy)]


def turn_off(connection: Connection, slot: str) -> None:
    """Turn off `two_phase` of the slot, if it exists.  Raises `RetryableError` while it is in use."""
    copy = spare_name(slot)
    rows = connection.execute(_READ, ([slot, copy], PLUGIN)).fetchall()
    found = {name: Found(*parts) for name, *parts in rows}
    taken = connection.execute(_EXISTS, (slot,)).fetchone() is not None
    own = found.get(slot)
    todo = steps(slot, own, taken, found.get(copy))
    if not todo:
        return
    if own is not None and own.two_phase:
        if own.active_pid is not None:
            raise RetryableError(
                f"replication slot {slot} has two_phase on and is active for PID {own.active_pid}; it is recreated"
                " without two_phase when that process has stopped"
            )
        logger.warning(
            "replication slot %s has two_phase on: it is recreated without, at the same position",
            slot,
            extra={"action": "two_phase_off"},
        )
    try:
        for step in todo:
            _run(connection, step)
    except (psycopg.errors.DuplicateObject, psycopg.errors.UndefinedObject) as error:
        raise RetryableError(f"another process changes replication slot {slot}") from error


def _run(connection: Connection, step: Step) -> None:
    if step[0] == "copy":
        connection.execute(_COPY, (step[1], step[2]))
    else:
        connection.execute(_DROP, (step[1],))
