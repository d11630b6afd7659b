"""The replication slot and the publication of a deployment: which they are, and their state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from flusso_cli.overview.model import Source
from flusso_cli.overview.question import Answer
from flusso_cli.overview.slot_state import SlotState, read
from flusso_cli.registry.entry import Entry
from flusso_shared.postgres import connection as postgres
from flusso_shared.postgres.connection import Conninfo
from flusso_shared.postgres.errors import translate

_APPLICATION = "flusso status"
_DEFAULT = "flusso"
_REMEDY = "capture creates it if it may; else `flusso check` prints the SQL"
_PUBLICATION = "SELECT 1 FROM pg_publication WHERE pubname = %s"


def named(given: str | None, entries: Sequence[Entry]) -> Source:
    """Slot and publication: that slot, else those of the newest process that captures, else the defaults."""
    sources = [entry for entry in entries if entry.slot is not None]
    newest = max(sources, key=lambda entry: entry.started_at, default=None)
    slot = given or (newest.slot if newest else None)
    publication = newest.publication if newest else None
    unknown = None if slot else "their names are on record in OpenSearch, and were not read"
    return Source(slot or _DEFAULT, publication or _DEFAULT, error=unknown)


@dataclass(frozen=True, slots=True)
class Found:
    """What Postgres has of a source."""

    slot: SlotState | None
    publication: bool
    """Whether the publication exists."""


def find(conninfo: Callable[[], Conninfo], source: Source) -> Found:
    """Raises `RetryableError` and `FatalError`."""
    with postgres.connect(conninfo(), _APPLICATION) as connection:
        slot = read(connection, source.slot)
        try:
            named = connection.execute(_PUBLICATION, (source.publication,)).fetchone()
        except psycopg.Error as error:
            raise translate(error, f"look for publication {source.publication}") from error
        return Found(slot, named is not None)


def described(source: Source, answer: Answer[Found]) -> Source:
    """`source` with what Postgres has of it."""
    found = answer.value
    if found is None:
        return Source(source.slot, source.publication, error=answer.error)
    missing = [
        *([] if found.slot else [f"replication slot {source.slot} does not exist"]),
        *(
            []
            if found.publication
            else [f"publication {source.publication} does not exist ({_REMEDY})"]
        ),
    ]
    error = "; ".join(filter(None, (*missing, source.error))) if missing else None
    state = found.slot
    if state is None:
        return Source(source.slot, source.publication, error=error)
    return Source(
        source.slot,
        source.publication,
        active=state.active,
        wal_status=state.wal_status,
        lag_bytes=state.lag_bytes,
        retained_bytes=state.retained_bytes,
        safe_bytes=state.safe_bytes,
        error=error,
    )
