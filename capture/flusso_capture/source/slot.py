"""The replication slot: created after the publication, checked before every use."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_capture.source import open_transactions
from flusso_capture.source.connection import Connection
from flusso_shared.errors import FatalError
from flusso_shared.status import SlotState

logger = logging.getLogger(__name__)

PLUGIN = "pgoutput"

_READ = """
SELECT plugin, slot_type, database, wal_status, confirmed_flush_lsn::text,
       confirmed_flush_lsn - '0/0'::pg_lsn, current_database(), active_pid
FROM pg_replication_slots WHERE slot_name = %s
"""
_CREATE = "SELECT lsn::text, lsn - '0/0'::pg_lsn FROM pg_create_logical_replication_slot(%s, %s)"
_DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
_STATE = """
SELECT wal_status, (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint, (pg_current_wal_lsn() - restart_lsn)::bigint,
       safe_wal_size
FROM pg_replication_slots WHERE slot_name = %s
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A logical slot for pgoutput.  The stream resumes at the LSN `confirmed`."""

    name: str
    created: bool
    """Whether this process created it."""
    confirmed_text: str
    """The confirmed LSN as `X/Y`."""
    confirmed: int
    invalidated: bool = False
    """Whether the server removed log that the slot needs.  Nothing can be read from it any more."""
    active_pid: int | None = None
    """PID of the server process that streams from it now."""


def read(connection: Connection, name: str) -> Slot | None:
    """The slot, or None.  Raises `FatalError` when it has another plugin or belongs to another database."""
    row = connection.execute(_READ, (name,)).fetchone()
    if row is None:
        return None
    plugin, kind, database, wal_status, text, confirmed, own_database, pid = row
    if kind != "logical" or plugin != PLUGIN:
        raise FatalError(
            f"replication slot {name} exists with plugin {plugin or 'none'} ({kind}), not {PLUGIN}; "
            "choose another name with --slot, or drop it: " + _drop_statement(name)
        )
    if database != own_database:
        raise FatalError(
            f"replication slot {name} belongs to database {database}, not {own_database} (slot names "
            "are shared by all databases of a server); choose another name with --slot"
        )
    invalidated = wal_status == "lost" or confirmed is None
    return Slot(name, False, text or "0/0", int(confirmed or 0), invalidated, pid)


def create(connection: Connection, name: str) -> Slot:
    """Create the slot.  Blocks until the transactions that run now have ended."""
    logger.info(
        "creating replication slot %s: waits for the transactions that are running now: %s",
        name,
        ", ".join(open_transactions.that_write(connection)) or "none is seen",
        extra={"action": "create_slot"},
    )
    row = connection.execute(_CREATE, (name, PLUGIN)).fetchone()
    assert row is not None
    return Slot(name, True, row[0], int(row[1]))


def drop(connection: Connection, name: str) -> None:
    """Drop the slot, if it exists."""
    logger.warning("dropping replication slot %s", name, extra={"action": "drop_slot"})
    connection.execute(_DROP, (name,))


def state(connection: Connection, name: str) -> SlotState | None:
    """The state of the slot now; None when it does not exist."""
    row = connection.execute(_STATE, (name,)).fetchone()
    return None if row is None else SlotState(name, *row)


def _drop_statement(name: str) -> str:
    quoted = name.replace("'", "''")
    return f"SELECT pg_drop_replication_slot('{quoted}');"
