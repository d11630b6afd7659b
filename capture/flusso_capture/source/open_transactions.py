"""Transactions that are open on the server, as an operator finds them."""

from __future__ import annotations

from flusso_capture.source.connection import Connection

# Without pg_read_all_stats, sessions of other roles have no backend_xid here.
_THAT_WRITE = """
SELECT datname, pid, NULL FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
UNION ALL
SELECT database, NULL, gid FROM pg_prepared_xacts
ORDER BY 1, 2, 3
"""


def that_write(connection: Connection) -> list[str]:
    """Those of all databases that have a transaction id and can be seen."""
    return [described(*row) for row in connection.execute(_THAT_WRITE)]


def described(database: str, pid: int | None, gid: str | None) -> str:
    """A transaction of a session, or one that is prepared: it has no process (`pg_locks`)."""
    if pid is not None:
        return f"backend {pid} of database {database}"
    # An operator copies it into the statement that ends it.
    quoted = (gid or "").replace("'", "''")
    return f"prepared transaction '{quoted}' of database {database} (until COMMIT PREPARED or ROLLBACK PREPARED)"
