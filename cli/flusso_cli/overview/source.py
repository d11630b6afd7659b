"""The replication slot of a deployment: which one it is, and its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flusso_cli.overview.model import Source
from flusso_cli.overview.question import Answer
from flusso_cli.overview.slot_state import SlotState, read
from flusso_cli.registry.entry import Entry
from flusso_shared.postgres import connection as postgres
from flusso_shared.postgres.connection import Conninfo

_APPLICATION = "flusso status"
_DEFAULT = "flusso"


def named(given: str | None, entries: Sequence[Entry]) -> Source:
    """Slot and publication: that slot, else those of the newest process that captures, else the defaults."""
    sources = [entry for entry in entries if entry.slot is not None]
    newest = max(sources, key=lambda entry: entry.started_at, default=None)
    slot = given or (newest.slot if newest else None)
    publication = newest.publication if newest else None
    unknown = None if slot else "the name of the slot is on record in OpenSearch, and was not read"
    return Source(slot or _DEFAULT, publication or _DEFAULT, error=unknown)


def read_slot(conninfo: Callable[[], Conninfo], slot: str) -> SlotState | None:
    """Raises `RetryableError` and `FatalError`."""
    with postgres.connect(conninfo(), _APPLICATION) as connection:
        return read(connection, slot)


def described(source: Source, answer: Answer[SlotState | None]) -> Source:
    """`source` with what Postgres says of the slot."""
    state = answer.value
    if state is None:
        absent = f"replication slot {source.slot} does not exist"
        error = answer.error or "; ".join(filter(None, (absent, source.error)))
        return Source(source.slot, source.publication, error=error)
    return Source(
        source.slot,
        source.publication,
        active=state.active,
        wal_status=state.wal_status,
        lag_bytes=state.lag_bytes,
        retained_bytes=state.retained_bytes,
        safe_bytes=state.safe_bytes,
    )
