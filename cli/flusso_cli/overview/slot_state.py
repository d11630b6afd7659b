"""What Postgres reports about one replication slot, for an operator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from flusso_shared.postgres.connection import Connection
from flusso_shared.postgres.errors import translate

# `to_jsonb`: columns that a server lacks (before Postgres 17) are NULL.
_READ = """
SELECT s.plugin, s.slot_type, s.database, s.active, s.wal_status, to_jsonb(s) ->> 'invalidation_reason',
       s.restart_lsn::text, s.confirmed_flush_lsn::text,
       (log.written - s.restart_lsn)::bigint, s.safe_wal_size, (log.written - s.confirmed_flush_lsn)::bigint,
       age(s.catalog_xmin), to_jsonb(s) ->> 'inactive_since',
       s.active_pid, a.application_name, a.usename, host(a.client_addr), a.backend_start::text
FROM pg_replication_slots s
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            AS written) log
LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
WHERE s.slot_name = %s
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """The server process that streams from the slot.  Postgres hides all but the PID from some roles."""

    pid: int
    application: str | None
    user: str | None
    client: str | None
    """Address of the client; None for a local socket."""
    since: str | None

    def __str__(self) -> str:
        known = [self.application, self.user and f"user {self.user}"]
        known += [self.client and f"from {self.client}", self.since and f"since {self.since}"]
        details = ", ".join(part for part in known if part)
        return f"PID {self.pid} ({details})" if details else f"PID {self.pid}"


@dataclass(frozen=True, slots=True)
class SlotState:
    """One row of `pg_replication_slots`.  Sizes are in bytes."""

    plugin: str | None
    type: str
    database: str | None
    active: bool
    wal_status: str | None
    """reserved, extended, unreserved or lost."""
    invalidation_reason: str | None
    restart_lsn: str | None
    confirmed_lsn: str | None
    retained_bytes: int | None
    """Log that the server keeps for the slot."""
    safe_bytes: int | None
    """Log that can still be written before the slot is invalidated; None without a limit."""
    lag_bytes: int | None
    """Log after the confirmed position."""
    age_transactions: int | None
    """Transactions since the oldest one whose catalog rows vacuum keeps for the slot."""
    inactive_since: str | None
    """None while it is active, and before Postgres 17."""
    holder: Holder | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(connection: Connection, name: str) -> SlotState | None:
    """The state of a slot; None when it does not exist.  Raises `RetryableError` or `FatalError`."""
    try:
        row = connection.execute(_READ, (name,)).fetchone()
    except psycopg.Error as error:
        raise translate(error, f"read the state of replication slot {name}") from error
    if row is None:
        return None
    holder = None if row[13] is None else Holder(*row[13:])
    return SlotState(
        plugin=row[0],
        type=row[1],
        database=row[2],
        active=row[3],
        wal_status=row[4],
        invalidation_reason=row[5],
        restart_lsn=row[6],
        confirmed_lsn=row[7],
        retained_bytes=row[8],
        safe_bytes=row[9],
        lag_bytes=row[10],
        age_transactions=row[11],
        inactive_since=row[12],
        holder=holder,
    )
