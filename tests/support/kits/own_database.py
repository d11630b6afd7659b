"""What reads for one index, with sessions of its own."""

from __future__ import annotations

from flusso_shared.clock import Clock
from flusso_shared.postgres.connection import Conninfo
from flusso_worker.postgres.database import Database
from flusso_worker.postgres.sessions import Sessions


class OwnDatabase(Database):
    """Its sessions are closed with it."""

    def __init__(self, conninfo: Conninfo, application: str, clock: Clock) -> None:
        self._own = Sessions(conninfo)
        super().__init__(self._own, application, clock)

    def close(self) -> None:
        super().close()
        self._own.close()
