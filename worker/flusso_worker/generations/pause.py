"""Pauses an index, or resumes it: one document in the bookkeeping, compare-and-set.

While it exists, no worker runs a pipeline of the index or changes its generations.  Each worker notices it in its next
round, so a repeated request has no further effect, and a process that crashes here leaves a complete record or none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flusso_shared.errors import RetryableError
from flusso_worker.generations.record import Known, Pause, Reindex
from flusso_worker.generations.reindex import require_known
from flusso_worker.generations.store import GenerationStore

_MAX_ATTEMPTS = 20
_DAY_SECONDS = 86_400.0
MAX_PAUSE_SECONDS = 6 * _DAY_SECONDS
"""After a longer pause an index is rebuilt.

Topics retain every change for seven days, and brokers the offsets of a group without members; one day is left for what the
index was behind before, and to catch up.
"""


def pause(store: GenerationStore, index: str, now: float) -> str:
    """Pause an index at `now`, in seconds since the epoch; return what that means, for the operator.

    Raises `FatalError` when nothing is recorded of the index, `RetryableError` when other processes keep changing it.
    """
    store.ensure()
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        if known.paused is not None:
            return f"{index} is paused already, since {_shown(known.paused.pause.at)}"
        require_known(known, index)
        if store.pause(Pause(index, now)):
            return f"{index} is paused{_consequence(known, index)}"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def resume(store: GenerationStore, index: str, now: float) -> str:
    """Resume a paused index at `now`; return what happens next, for the operator.

    Raises `RetryableError` when other processes keep changing what is recorded of it.
    """
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        if known.paused is None:
            return f"{index} is not paused"
        # In this order: no worker reads from offsets after which changes may be gone.
        outdated = _outdated(known, now)
        if outdated is not None and not store.ask(outdated, known.asked):
            continue
        if store.resume(known.paused):
            return f"{index} is resumed{_after(known, outdated)}"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def _consequence(known: Known, index: str) -> str:
    """What happens while it is paused."""
    seeding = " Its seeding stops too, and goes on then." if _seeding(known) else ""
    if _in_kafka(known):
        days = MAX_PAUSE_SECONDS / _DAY_SECONDS
        return (
            f": within seconds no worker reads its changes any more. Its offsets stay where they are; `flusso resume {index}`"
            f" continues there, or rebuilds the index after more than {days:.0f} days.{seeding}"
        )
    return (
        ": its changes wait in memory from now on, and the slot with them. When the queue is full, or after an hour, they are"
        f" dropped, so that other indexes go on; `flusso resume {index}` then rebuilds the index.{seeding}"
    )


def _after(known: Known, outdated: Reindex | None) -> str:
    if outdated is not None:
        days = MAX_PAUSE_SECONDS / _DAY_SECONDS
        return f", and rebuilt: it was paused for more than {days:.0f} days, and topics retain every change for seven"
    if any(item.generation.missed for item in known.stored):
        return ", and seeded again: its changes did not all fit into memory"
    return ""


def _outdated(known: Known, now: float) -> Reindex | None:
    """The request to rebuild an index that was paused for too long; None where it can go on."""
    assert known.paused is not None
    if not _in_kafka(known) or now - known.paused.pause.at <= MAX_PAUSE_SECONDS:
        return None
    newest = max(item.generation.name.number for item in known.stored)
    return Reindex(known.paused.pause.index, max(newest, known.superseded), now)


def _in_kafka(known: Known) -> bool:
    return any(item.generation.durable for item in known.stored)


def _seeding(known: Known) -> bool:
    return any(item.generation.state in ("creating", "seeding") for item in known.stored)


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
