"""Asks Postgres whether it answers, over one session that stays open."""

from __future__ import annotations

import psycopg

from flusso_shared.postgres.connection import Connection, Conninfo, connect
from flusso_shared.postgres.errors import translate

_APPLICATION = "flusso-health"


class PostgresProbe:
    """A `process.server_watch.Probe`."""

    server = "postgres"

    def __init__(self, conninfo: Conninfo) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None

    def ask(self) -> str | None:
        """Raises `RetryableError` and `FatalError` as a connection does."""
        try:
            if self._connection is None:
                self._connection = connect(self._conninfo, _APPLICATION)
            self._connection.execute("SELECT 1")
            version = self._connection.info.parameter_status("server_version")
        except psycopg.Error as error:
            self.close()
            raise translate(error, "ask Postgres whether it answers") from error
        # `17.5 (Debian 17.5-1.pgdg120+1)`
        return version.split()[0] if version else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
