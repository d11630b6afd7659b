"""Pauses an index, or resumes it: one document in the bookkeeping, compare-and-set.

While it exists, no worker runs a pipeline of the index or changes its generations.  Each worker notices it in its next
round, so a repeated request has no further effect, and a process that crashes here leaves a complete record or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flusso_shared.errors import RetryableError
from flusso_shared.names import TableName
from flusso_shared.seams import Groups
from flusso_worker.generations.record import Known, Pause, Reindex
from flusso_worker.generations.reindex import require_known
from flusso_worker.generations.store import GenerationStore

_MAX_ATTEMPTS = 20
_DAY_SECONDS = 86_400.0
MAX_PAUSE_SECONDS = 6 * _DAY_SECONDS
"""Of changes that an index may continue after; it is rebuilt when more were published while it was paused.

Topics retain every change for seven days.  One day is left for what the index was behind before, and to catch up.
"""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where an index stands in the change log."""

    groups: Callable[[], Groups]
    """Asked for only where the index reads a log that outlives its process."""
    topic_prefix: str


def pause(store: GenerationStore, index: str, positions: Positions, now: float) -> str:
    """Pause an index at `now`, in seconds since the epoch; return what that means, for the operator.

    Raises `FatalError` when nothing is recorded of the index, `RetryableError` when other processes keep changing it, or the
    change log does not answer.
    """
    store.ensure()
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        if known.paused is not None:
            return f"{index} is paused already, since {_shown(known.paused.pause.at)}"
        require_known(known, index)
        ends = positions.groups().ends(_tables(known)) if _in_kafka(known) else {}
        if store.pause(Pause(index, now, ends)):
            return f"{index} is paused{_consequence(known, index)}"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def resume(store: GenerationStore, index: str, positions: Positions, now: float) -> str:
    """Resume a paused index at `now`; return what happens next, for the operator.

    Raises `RetryableError` when other processes keep changing what is recorded of it, or the change log does not answer.
    """
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        if known.paused is None:
            return f"{index} is not paused"
        # In this order: no worker reads from offsets after which changes may be gone.
        reason = _outdated(known, known.paused.pause, positions) if _in_kafka(known) else None
        if reason is not None and not store.ask(_request(known, index, now), known.asked):
            continue
        if store.resume(known.paused):
            return f"{index} is resumed{_after(known, reason)}"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def _consequence(known: Known, index: str) -> str:
    """What happens while it is paused."""
    seeding = " Its seeding stops too, and goes on then." if _seeding(known) else ""
    if _in_kafka(known):
        days = MAX_PAUSE_SECONDS / _DAY_SECONDS
        return (
            f": within seconds no worker reads its changes any more. Its offsets stay where they are; `flusso resume {index}`"
            f" continues there, or rebuilds the index after more than {days:.0f} days of changes.{seeding}"
        )
    return (
        ": its changes wait in memory from now on, and the slot with them. When the queue is full, or after an hour, they are"
        f" dropped, so that other indexes go on; `flusso resume {index}` then rebuilds the index.{seeding}"
    )


def _after(known: Known, reason: str | None) -> str:
    if reason is not None:
        return f", and rebuilt: {reason}"
    if any(item.generation.missed for item in known.stored):
        return ", and seeded again: its changes did not all fit into memory"
    return ""


def _outdated(known: Known, paused: Pause, positions: Positions) -> str | None:
    """Why changes may be gone from the topics that it has not applied; None where they are all there.

    By the timestamps in the topics alone: clocks of two machines are never compared.
    """
    groups = positions.groups()
    recent = groups.starts((), _tables(known), MAX_PAUSE_SECONDS)
    if any(recent.get(at, 0) > end for at, end in paused.ends.items()):
        days = MAX_PAUSE_SECONDS / _DAY_SECONDS
        return f"more than {days:.0f} days of changes were published meanwhile, and topics retain every change for seven"
    for item in known.stored:
        generation = item.generation
        if generation.state in ("seeding", "live"):
            group = generation.name.group(positions.topic_prefix)
            committed = groups.committed(group, generation.plan.tables)
            if not generation.starts.keys() <= committed.keys():
                return "its offsets in Kafka have expired"
    return None


def _request(known: Known, index: str, now: float) -> Reindex:
    """Replaces every generation that there is."""
    newest = max(item.generation.name.number for item in known.stored)
    return Reindex(index, max(newest, known.superseded), now)


def _tables(known: Known) -> set[TableName]:
    return {table for item in known.stored for table in item.generation.plan.tables}


def _in_kafka(known: Known) -> bool:
    return any(item.generation.durable for item in known.stored)


def _seeding(known: Known) -> bool:
    return any(item.generation.state in ("creating", "seeding") for item in known.stored)


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
