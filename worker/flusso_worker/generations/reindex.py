"""Requests a new generation of an index, or cancels the request: one document in the bookkeeping, compare-and-set.

The request names the generations to replace: all up to the live one.  Keepers do the rest as for a changed schema.  So
a repeated request has no further effect, and a process that crashes here leaves a complete request or none.
"""

from __future__ import annotations

from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.generations.record import Known, Reindex, Stored
from flusso_worker.generations.schema_order import SchemaOrder
from flusso_worker.generations.store import GenerationStore

_MAX_ATTEMPTS = 20


def ask(store: GenerationStore, index: str, now: float) -> str:
    """Request a new generation in place of the live one; return what happens next, for the operator.

    Raises `FatalError` when nothing is recorded of the index, `RetryableError` when other processes keep changing it.
    """
    store.ensure()
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        live = known.live
        if live is None:
            require_known(known, index)
            return f"reindex of {index} not queued: its first generation is being created already"
        number = live.generation.name.number
        later = f"; {index} is paused, and it begins after `flusso resume {index}`"
        then = later if known.paused is not None else ""
        if known.superseded >= number:
            return f"reindex of {index} queued already{then}"
        if _unfinished(known, live):
            return f"reindex of {index} not queued: a newer generation is being created already"
        if store.ask(Reindex(index, number, now), known.asked):
            return f"reindex of {index} queued{then}"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def require_known(known: Known, index: str) -> None:
    """Raises `FatalError` when the bookkeeping has no generation of an index."""
    if not known.stored:
        raise FatalError(
            f"nothing is recorded of an index {index}: no worker has managed it yet, or it has another name or prefix"
        )


def cancel(store: GenerationStore, index: str) -> str:
    """Cancel the request and retire the generation that is created for it; return the result, for the operator.

    Raises `FatalError` when there is nothing to cancel.
    """
    known = store.read_index(index)
    live = known.live
    if live is None or not (_wanted(known, live) or _unfinished(known, live)):
        raise FatalError(
            f"no reindex of {index} is in progress: none was requested, or its generation is live already"
        )
    for _ in range(_MAX_ATTEMPTS):
        _require_cancellable(known, live, index)
        # In this order: without the request, no worker creates another generation.
        if (known.asked is None or store.withdraw(known.asked)) and _give_up(store, known, live):
            return f"reindex of {index} cancelled; {live.generation.name.physical} stays"
        known = store.read_index(index)
        if known.live is None or known.live.generation.name != live.generation.name:
            raise FatalError(f"the reindex of {index} is finished: too late to cancel it")
        live = known.live
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def take_over(store: GenerationStore, index: str, hash: str) -> str:
    """Record a schema as the newest of its index; return what happens next, for the operator.

    Raises `RetryableError` when other processes keep changing the record.
    """
    store.ensure()
    for _ in range(_MAX_ATTEMPTS):
        known = store.read_index(index)
        order = SchemaOrder(index) if known.ordered is None else known.ordered.order
        if order.hashes[-1:] == (hash,):
            return f"schema {hash} of {index} is the newest already"
        if store.put_order(order.with_newest(hash), known.ordered):
            return f"schema {hash} of {index} takes over once a worker has it"
    raise RetryableError(f"other processes keep changing what is recorded of {index}")


def _require_cancellable(known: Known, live: Stored, index: str) -> None:
    for item in _unfinished(known, live):
        generation = item.generation
        if generation.promoting:
            raise FatalError(f"the reindex of {index} is finished: too late to cancel it")
        if generation.name.hash != live.generation.name.hash:
            raise FatalError(
                f"{generation.name.physical} is being created because the schema of {index} has changed, not by a reindex:"
                " it would be created again. Start the workers with the earlier schema instead"
            )


def _give_up(store: GenerationStore, known: Known, live: Stored) -> bool:
    """Retire what is newer than the live generation; False when it has changed meanwhile."""
    found = _unfinished(known, live)
    return all([store.update(each, each.generation.evolve(state="retired")) for each in found])


def _wanted(known: Known, live: Stored) -> bool:
    return known.superseded >= live.generation.name.number


def _unfinished(known: Known, live: Stored) -> list[Stored]:
    return [
        item
        for item in known.stored
        if item.generation.name.number > live.generation.name.number
        and item.generation.state in ("creating", "seeding")
    ]
