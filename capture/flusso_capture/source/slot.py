"""The replication slot: made after the publication, checked before every use."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_capture.source.connection import Connection
from flusso_shared.errors import FatalError

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
SELECT pg_current_wal_lsn() - confirmed_flush_lsn, wal_status, safe_wal_size
FROM pg_replication_slots WHERE slot_name = %s
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of ours.  `confirmed` is where the stream goes on."""

    name: str
    created: bool
    """Whether this process made it."""
    confirmed_text: str
    """As `X/Y`."""
    confirmed: int
    invalidated: bool = False
    """Whether the server removed log that it needs: no more can be read from it."""
    active_pid: int | None = None
    """The server's process that streams from it now."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a slot is doing."""

    lag: int
    """Bytes of log after its confirmed position."""
    wal_status: str
    """As in `pg_replication_slots`: reserved, extended, unreserved, lost."""
    safe_bytes: int | None
    """Bytes that may still be written before it is invalidated; None without a limit."""


def read(connection: Connection, name: str) -> Slot | None:
    """The slot, if there is one.  Raises `FatalError` when it is somebody else's."""
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
    """Make the slot."""
    logger.info(
        "creating replication slot %s: waits for the transactions that are running now",
        name,
        extra={"action": "create_slot"},
    )
    row = connection.execute(_CREATE, (name, PLUGIN)).fetchone()
    assert row is not None
    return Slot(name, True, row[0], int(row[1]))


def drop(connection: Connection, name: str) -> None:
    """Drop the slot, if it is there."""
    logger.warning("dropping replication slot %s", name, extra={"action": "drop_slot"})
    connection.execute(_DROP, (name,))


def health(connection: Connection, name: str) -> Health | None:
    """How the slot is doing; None when there is none, or it has no position."""
    row = connection.execute(_STATE, (name,)).fetchone()
    if row is None or row[0] is None:
        return None
    return Health(int(row[0]), str(row[1]), None if row[2] is None else int(row[2]))


def _drop_statement(name: str) -> str:
    quoted = name.replace("'", "''")
    return f"SELECT pg_drop_replication_slot('{quoted}');"
