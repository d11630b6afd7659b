"""The replication slot: made after the publication, checked before every use."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flusso_capture.session import Connection
from flusso_shared.errors import FatalError

logger = logging.getLogger(__name__)

PLUGIN = "pgoutput"

_READ = """
SELECT plugin, slot_type, database, wal_status, confirmed_flush_lsn::text,
       confirmed_flush_lsn - '0/0'::pg_lsn, current_database()
FROM pg_replication_slots WHERE slot_name = %s
"""
_CREATE = "SELECT lsn::text, lsn - '0/0'::pg_lsn FROM pg_create_logical_replication_slot(%s, %s)"
_LAG = """
SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A usable slot.  `confirmed` is where the stream goes on."""

    name: str
    created: bool
    """Whether this call made it."""
    confirmed_text: str
    """As `X/Y`."""
    confirmed: int


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a slot of that name, whatever it is."""
    return connection.execute(_READ, (name,)).fetchone() is not None


def ensure(connection: Connection, name: str) -> Slot:
    """The slot, created if there is none.  Raises `FatalError` when it cannot serve."""
    row = connection.execute(_READ, (name,)).fetchone()
    if row is None:
        return _create(connection, name)
    plugin, kind, database, wal_status, text, confirmed, own_database = row
    if kind != "logical" or plugin != PLUGIN:
        raise FatalError(
            f"replication slot {name} exists with plugin {plugin or 'none'} ({kind}), not {PLUGIN}; "
            "choose another name with --slot, or drop it: " + _drop(name)
        )
    if database != own_database:
        raise FatalError(
            f"replication slot {name} belongs to database {database}, not {own_database} (slot names "
            "are shared by all databases of a server); choose another name with --slot"
        )
    if wal_status == "lost" or confirmed is None:
        raise FatalError(
            f"replication slot {name} was invalidated: the server removed log that it needed "
            "(max_slot_wal_keep_size).  Changes are lost to it, so the indexes have to be built "
            f"anew.  Drop it with {_drop(name)} and start again"
        )
    return Slot(name, False, text, int(confirmed))


def lag(connection: Connection, name: str) -> int | None:
    """Bytes of log after the slot's confirmed position; None when there is no slot."""
    row = connection.execute(_LAG, (name,)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _create(connection: Connection, name: str) -> Slot:
    logger.info(
        "creating replication slot %s: waits for the transactions that are running now",
        name,
        extra={"action": "create_slot"},
    )
    row = connection.execute(_CREATE, (name, PLUGIN)).fetchone()
    assert row is not None
    return Slot(name, True, row[0], int(row[1]))


def _drop(name: str) -> str:
    quoted = name.replace("'", "''")
    return f"SELECT pg_drop_replication_slot('{quoted}');"
