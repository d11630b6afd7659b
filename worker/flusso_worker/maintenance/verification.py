"""Compares an index with its database, document by document, while everything runs; repairs on request.

A document that differs when it is first observed is a suspect.  It is observed again each time the pipeline has applied
all earlier commits, until it is as it should be, or until neither the built document nor that of the sink has changed
between two observations with such a wait in between: only that counts as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from flusso_worker.maintenance.catch_up import CatchUp
from flusso_worker.maintenance.document_writer import DocumentWriter
from flusso_worker.maintenance.observations import Documents, Observation, Rows
from flusso_worker.maintenance.report import Difference, Report
from flusso_worker.sinks.cluster import Cluster

MAX_SUSPECTS = 5000
_MAX_OBSERVATIONS = 10
"""Of one suspect."""
_REPAIR_ATTEMPTS = 3
"""To get past a version that another writer than this system gave."""


class Side(Protocol):
    """What is observed and repaired: rows, or documents of one cluster."""

    def observe(self, suspects: Sequence[Observation]) -> list[Observation]:
        """Observe the suspects again."""
        ...

    def repair(self, differences: Sequence[Observation]) -> None:
        """Write or delete the documents, with a current version."""
        ...


class RowSide:
    """Documents that rows should have."""

    def __init__(self, writer: DocumentWriter, rows: Rows) -> None:
        self._writer = writer
        self._rows = rows

    def observe(self, suspects: Sequence[Observation]) -> list[Observation]:
        return self._rows.observe(_keys(suspects))

    def repair(self, differences: Sequence[Observation]) -> None:
        for built in self._writer.build(_keys(differences)):
            self._writer.write(built)


class DocumentSide:
    """Documents without a row, of one cluster."""

    def __init__(self, writer: DocumentWriter, documents: Documents, cluster: Cluster) -> None:
        self._writer = writer
        self._documents = documents
        self._cluster = cluster

    def observe(self, suspects: Sequence[Observation]) -> list[Observation]:
        return self._documents.observe(self._cluster, [item.id for item in suspects])

    def repair(self, differences: Sequence[Observation]) -> None:
        ids = [item.id for item in differences]
        for _ in range(_REPAIR_ATTEMPTS):
            ids = self._delete(ids)
            if not ids:
                return

    def _delete(self, ids: Sequence[str]) -> list[str]:
        """Delete documents without a row; returns those that must be deleted again."""
        writer, documents = self._writer, self._documents
        present, at = writer.with_retries(lambda: documents.present(ids), "look for rows")
        absent = [name for name in ids if name not in present]
        return sorted(writer.delete(absent, *at)) if absent else []


@dataclass(frozen=True, slots=True)
class VerificationOptions:
    """What to verify, and whether to repair."""

    sample: int | None = None
    """Verify only this many random rows and documents; None verifies all."""
    repair: bool = False
    advance: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    """Called with the progress: `rows` or `documents`, the number compared, and the estimated total."""


class Verification:
    """The verification of one index.  Owned by one thread; memory does not grow with the index."""

    def __init__(
        self,
        writer: DocumentWriter,
        rows: Rows,
        documents: Documents,
        catch_up: CatchUp,
        report: Report,
    ) -> None:
        self._writer = writer
        self._rows = rows
        self._documents = documents
        self._catch_up = catch_up
        self._report = report

    def run(self, options: VerificationOptions) -> Report:
        """Compare all rows, then all documents.  Raises `RetryableError` when a server does not answer, `FatalError`."""
        self._walk_rows(options)
        for cluster in self._writer.clusters:
            self._walk_documents(cluster, options)
        self._report.behind = self._catch_up.behind
        return self._report

    def _walk_rows(self, options: VerificationOptions) -> None:
        total = options.sample or self._rows.estimate()
        pages = self._rows.walk() if options.sample is None else self._rows.sample(options.sample)

        def observed() -> Iterator[list[Observation]]:
            for page in pages:
                yield self._rows.observe(page)
                self._report.rows += len(page)
                options.advance("rows", self._report.rows, max(total, self._report.rows))

        self._settle(RowSide(self._writer, self._rows), observed(), repair=options.repair)

    def _walk_documents(self, cluster: Cluster, options: VerificationOptions) -> None:
        documents, sample = self._documents, options.sample
        total = sample or documents.count(cluster)
        pages = documents.walk(cluster) if sample is None else documents.sample(cluster, sample)
        done = 0

        def observed() -> Iterator[list[Observation]]:
            nonlocal done
            for page in pages:
                yield documents.observe(cluster, page)
                done += len(page)
                self._report.documents += len(page)
                options.advance("documents", done, max(total, done))

        side = DocumentSide(self._writer, documents, cluster)
        self._settle(side, observed(), repair=options.repair)

    def _settle(self, side: Side, observed: Iterator[list[Observation]], *, repair: bool) -> None:
        """Collect the suspects among the observations, and examine them before they exceed `MAX_SUSPECTS`."""
        suspects: list[Observation] = []
        for observations in observed:
            suspects += [
                observation for observation in observations if observation.kind is not None
            ]
            if len(suspects) >= MAX_SUSPECTS:
                self._examine(side, suspects, repair=repair)
                suspects = []
        self._examine(side, suspects, repair=repair)

    def _examine(self, side: Side, suspects: list[Observation], *, repair: bool) -> None:
        certain = self._certain(side, suspects)
        left = {_name(observation): observation for observation in certain}
        for _ in range(_REPAIR_ATTEMPTS if repair else 0):
            if left:
                wrong = list(left.values())
                side.repair(wrong)
                left = {
                    _name(observation): observation
                    for observation in self._certain(side, side.observe(wrong))
                }
        for observation in certain:
            still = left.get(_name(observation))
            repaired = repair and still is None
            self._report.add(
                Difference.of(self._report.index, still or observation, repaired=repaired)
            )

    def _certain(self, side: Side, suspects: Sequence[Observation]) -> list[Observation]:
        """The suspects that are differences, not changes in flight."""
        certain: list[Observation] = []
        before = {
            _name(observation): observation
            for observation in suspects
            if observation.kind is not None
        }
        for _ in range(_MAX_OBSERVATIONS):
            if not before:
                return certain
            self._catch_up.wait_until_applied()
            now = [
                observation
                for observation in side.observe(list(before.values()))
                if observation.kind is not None
            ]
            certain += [
                observation for observation in now if before.get(_name(observation)) == observation
            ]
            before = {
                _name(observation): observation
                for observation in now
                if before.get(_name(observation)) != observation
            }
        self._report.unsettled += len(before)
        return certain


def _name(observation: Observation) -> tuple[str, str]:
    return observation.sink, observation.id


def _keys(observations: Sequence[Observation]) -> list[tuple[str, ...]]:
    return list(
        dict.fromkeys(
            observation.key for observation in observations if observation.key is not None
        )
    )
