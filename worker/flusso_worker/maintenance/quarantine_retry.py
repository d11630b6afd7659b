"""Builds and writes quarantined documents again; those that fail again are kept with the new reason."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Literal, NamedTuple

from flusso_shared.names import GenerationName
from flusso_worker.generations.record import Generation
from flusso_worker.maintenance.document_writer import DocumentWriter
from flusso_worker.quarantine.causes import KnownCause
from flusso_worker.quarantine.record import Entry
from flusso_worker.quarantine.store import QuarantineStore


class Retried(NamedTuple):
    """The result of one entry."""

    entry: Entry
    outcome: Literal["written", "kept", "dropped"]
    """`dropped`: its generation does not exist any more, and neither does the document."""
    reason: str = ""
    """Why it is kept."""


def retry_all(
    entries: Iterable[Entry],
    store: QuarantineStore,
    generation: Callable[[GenerationName], Generation | None],
    writer_of: Callable[[Generation], DocumentWriter],
) -> Generator[Retried, None, None]:
    """Retry entries, generation by generation; each writer is closed after its generation."""
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
        writer = writer_of(found)
        try:
            for entry in group:
                yield _retry(entry, store, writer)
        finally:
            writer.close()


def _retry(entry: Entry, store: QuarantineStore, writer: DocumentWriter) -> Retried:
    for built in writer.build([entry.key]):
        writer.write(built, KnownCause(entry.change))
    left = store.get(entry.generation.physical, entry.id)
    return Retried(entry, "written") if left is None else Retried(entry, "kept", left.reason)
