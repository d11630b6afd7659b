"""Builds documents in quarantine anew and writes them, or keeps them with the new reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from flusso_shared.names import GenerationName
from flusso_worker.generations.record import Generation
from flusso_worker.maintenance.document_writer import Workbench
from flusso_worker.quarantine.causes import KnownCause
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore


class Retried(NamedTuple):
    """What became of one entry."""

    entry: Entry
    outcome: Literal["written", "kept", "dropped"]
    """`dropped`: its generation is gone, and with it the document."""
    reason: str = ""
    """Of one that is kept."""


def retry_all(
    entries: Iterable[Entry],
    store: QuarantineStore,
    generation: Callable[[GenerationName], Generation | None],
    workbench: Callable[[Generation], Workbench],
) -> Iterator[Retried]:
    """Retry entries, generation by generation; `workbench` is closed when its generation is through."""
    by_generation: dict[GenerationName, list[Entry]] = {}
    for entry in entries:
        by_generation.setdefault(entry.generation, []).append(entry)
    for name, group in by_generation.items():
        found = generation(name)
        if found is None:
            for entry in group:
                store.drop(entry)
                yield Retried(entry, "dropped")
            continue
        bench = workbench(found)
        try:
            for entry in group:
                yield _retry(entry, store, bench)
        finally:
            bench.close()


def _retry(entry: Entry, store: QuarantineStore, bench: Workbench) -> Retried:
    for built in bench.build([entry.key]):
        bench.write(built, KnownCause(entry.change))
    left = store.get(entry.generation.physical, entry.id)
    return Retried(entry, "written") if left is None else Retried(entry, "kept", left.reason)
