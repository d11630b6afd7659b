"""Compares an index with its database, document by document, while everything runs; repairs on request.

A document that differs at the first look is a suspect.  It is looked at again after the pipeline has applied what
was committed before, and so on, until it is as it should be, or until neither what is built nor what the sink
holds has changed between two looks with such a wait in between: only that is a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from flusso_worker.maintenance.catch_up import Applied
from flusso_worker.maintenance.document_writer import Workbench
from flusso_worker.maintenance.observations import Documents, Rows, Sight
from flusso_worker.maintenance.report import Difference, Report
from flusso_worker.sinks.cluster import Cluster

MAX_SUSPECTS = 5000
_MOST_LOOKS = 10
_AGAIN = 3
"""Attempts to get past a version that somebody else than this system gave."""


class Side(Protocol):
    """What is looked at again: rows, or documents of one cluster."""

    def look(self, suspects: Sequence[Sight]) -> list[Sight]:
        """What is to be seen of the suspects now."""
        ...

    def repair(self, differences: Sequence[Sight]) -> None:
        """Write what is right, with a version of now."""
        ...


class RowSide:
    """Documents that rows should have."""

    def __init__(self, bench: Workbench, rows: Rows) -> None:
        self._bench = bench
        self._rows = rows

    def look(self, suspects: Sequence[Sight]) -> list[Sight]:
        return self._rows.look(_keys(suspects))

    def repair(self, differences: Sequence[Sight]) -> None:
        for built in self._bench.build(_keys(differences)):
            self._bench.write(built)


class DocumentSide:
    """Documents that no row has, of one cluster."""

    def __init__(self, bench: Workbench, documents: Documents, cluster: Cluster) -> None:
        self._bench = bench
        self._documents = documents
        self._cluster = cluster

    def look(self, suspects: Sequence[Sight]) -> list[Sight]:
        return self._documents.look(self._cluster, [item.id for item in suspects])

    def repair(self, differences: Sequence[Sight]) -> None:
        ids = [item.id for item in differences]
        for _ in range(_AGAIN):
            ids = self._delete(ids)
            if not ids:
                return

    def _delete(self, ids: Sequence[str]) -> list[str]:
        """Delete those without a row; gives those that must be deleted again."""
        bench, documents = self._bench, self._documents
        present, at = bench.patiently(lambda: documents.present(ids), "look for rows")
        absent = [name for name in ids if name not in present]
        return sorted(bench.delete(absent, *at)) if absent else []


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a verification."""

    sample: int | None = None
    """Look at so many random rows and documents only."""
    repair: bool = False
    advance: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    """Told of progress: `rows` or `documents`, how many are compared, of about how many."""


class Verification:
    """Of one index.  Owned by one thread; memory does not grow with the index."""

    def __init__(
        self, bench: Workbench, rows: Rows, documents: Documents, applied: Applied, report: Report
    ) -> None:
        self._bench = bench
        self._rows = rows
        self._documents = documents
        self._applied = applied
        self._report = report

    def run(self, wishes: Wishes) -> Report:
        """Both walks.  Raises `RetryableError` when a server does not answer, `FatalError`."""
        self._walk_rows(wishes)
        for cluster in self._bench.clusters:
            self._walk_documents(cluster, wishes)
        self._report.behind = self._applied.behind
        return self._report

    def _walk_rows(self, wishes: Wishes) -> None:
        total = wishes.sample or self._rows.estimate()
        pages = self._rows.walk() if wishes.sample is None else self._rows.sample(wishes.sample)

        def seen() -> Iterator[list[Sight]]:
            for page in pages:
                yield self._rows.look(page)
                self._report.rows += len(page)
                wishes.advance("rows", self._report.rows, max(total, self._report.rows))

        self._settle(RowSide(self._bench, self._rows), seen(), repair=wishes.repair)

    def _walk_documents(self, cluster: Cluster, wishes: Wishes) -> None:
        documents, sample = self._documents, wishes.sample
        total = sample or documents.count(cluster)
        pages = documents.walk(cluster) if sample is None else documents.sample(cluster, sample)
        done = 0

        def seen() -> Iterator[list[Sight]]:
            nonlocal done
            for page in pages:
                yield documents.look(cluster, page)
                done += len(page)
                self._report.documents += len(page)
                wishes.advance("documents", done, max(total, done))

        side = DocumentSide(self._bench, documents, cluster)
        self._settle(side, seen(), repair=wishes.repair)

    def _settle(self, side: Side, seen: Iterator[list[Sight]], *, repair: bool) -> None:
        """Collect suspects from what is seen, and be done with them before they are too many."""
        suspects: list[Sight] = []
        for sights in seen:
            suspects += [sight for sight in sights if sight.kind is not None]
            if len(suspects) >= MAX_SUSPECTS:
                self._examine(side, suspects, repair=repair)
                suspects = []
        self._examine(side, suspects, repair=repair)

    def _examine(self, side: Side, suspects: list[Sight], *, repair: bool) -> None:
        certain = self._certain(side, suspects)
        left = {_name(sight): sight for sight in certain}
        for _ in range(_AGAIN if repair else 0):
            if left:
                wrong = list(left.values())
                side.repair(wrong)
                left = {_name(sight): sight for sight in self._certain(side, side.look(wrong))}
        for sight in certain:
            still = left.get(_name(sight))
            repaired = repair and still is None
            self._report.add(Difference.of(self._report.index, still or sight, repaired=repaired))

    def _certain(self, side: Side, suspects: Sequence[Sight]) -> list[Sight]:
        """The suspects that are no changes in flight."""
        certain: list[Sight] = []
        before = {_name(sight): sight for sight in suspects if sight.kind is not None}
        for _ in range(_MOST_LOOKS):
            if not before:
                return certain
            self._applied.wait()
            now = [sight for sight in side.look(list(before.values())) if sight.kind is not None]
            certain += [sight for sight in now if before.get(_name(sight)) == sight]
            before = {_name(sight): sight for sight in now if before.get(_name(sight)) != sight}
        self._report.unsettled += len(before)
        return certain


def _name(sight: Sight) -> tuple[str, str]:
    return sight.sink, sight.id


def _keys(sights: Sequence[Sight]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(sight.key for sight in sights if sight.key is not None))
