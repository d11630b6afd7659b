"""Whether columns still have the types that statements were composed for.

For the connections of document writers, which have no `binding`; in a bound snapshot the types are the same.
"""

from __future__ import annotations

from flusso_shared.errors import FatalError
from flusso_worker.postgres.database import Database


def require_types(database: Database, statement: bytes, place: str) -> None:
    """Raises `FatalError` when the types of the columns `place` have changed: the index starts again with the new ones.

    `statement` returns a row while they have not.  To be called before a value is treated as one that the
    columns cannot contain.
    """
    if not database.rows(statement):
        raise FatalError(
            f"the types of {place} have changed since the index was started; it starts again with the new ones"
        )
