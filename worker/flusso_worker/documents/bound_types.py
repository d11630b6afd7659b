"""Whether columns still have the types that statements were composed for."""

from __future__ import annotations

from flusso_shared.errors import FatalError
from flusso_worker.postgres.database import Database


def require(database: Database, statement: bytes, place: str) -> None:
    """Raises `FatalError` when the types have changed: the index starts again with those of now.

    To be asked before a value is taken for none that the columns can have.
    """
    if not database.rows(statement):
        raise FatalError(
            f"the types of {place} have changed since the index was started; it starts again with the new ones"
        )
