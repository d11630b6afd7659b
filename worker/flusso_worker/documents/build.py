"""Root keys -> operations: one SQL statement per chunk, whose JSON text is never parsed.

A chunk that fails because of a row is halved until that row is alone; all other rows are built.  Documents are read
one by one, and a statement whose documents grow too large is cut: the next statement builds the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from psycopg import pq

from flusso_shared.metrics import Metrics
from flusso_shared.seams import Operation
from flusso_worker.documents.built import (
    MAX_CHUNK_BYTES,
    Built,
    ChunkSize,
    Failure,
    Key,
)
from flusso_worker.documents.ids import candidate_keys
from flusso_worker.postgres.database import Database, RowError
from flusso_worker.postgres.snapshot import Snapshot
from flusso_worker.sql.document import DocumentSql
from flusso_worker.sql.parameters import array_literal

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Request:
    """Keys to be built by one statement, and the ids of the documents that become deletes where no row has them."""

    keys: Sequence[Key]
    ids: Sequence[str]
    by_id: bool = False
    """Whether the ids are given, and the keys are derived from them."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds documents of one index."""

    sql: DocumentSql
    metrics: Metrics
    chunk: ChunkSize = field(default_factory=ChunkSize)

    def build(
        self, database: Database, snapshot: Snapshot, keys: Sequence[Key]
    ) -> tuple[Built, Sequence[Key]]:
        """Build `keys` in the open transaction of `database`, whose snapshot is given.

        Returns the chunk, and the keys that are left when the documents are too large together: these need a later
        transaction, because this one has failed then.  A key without a document becomes a delete.
        Raises `RowError` when a row makes the statement fail; the transaction is ended then.
        """
        built, left = self._build(database, snapshot, self._of_keys(keys))
        return built, [key for key in keys if self.sql.id_of(key) in left] if left else ()

    def build_ids(
        self, database: Database, snapshot: Snapshot, ids: Sequence[str]
    ) -> tuple[Built, Sequence[str]]:
        """Build the documents of `ids`; those that no row gives under exactly that id become deletes.

        Otherwise like `build`.
        """
        built, left = self._build(database, snapshot, self._of_ids(ids))
        return _of_its_ids(built), [name for name in ids if name in left] if left else ()

    def isolate(self, database: Database, keys: Sequence[Key]) -> Iterator[Built]:
        """Build `keys` where rows make the statement fail: these rows become `failed`, all others are built.

        No transaction is open while this yields.
        """
        return _merged(self._halved(database, keys, self._of_keys))

    def isolate_ids(self, database: Database, ids: Sequence[str]) -> Iterator[Built]:
        """`build_ids` where rows make the statement fail; like `isolate`."""
        return map(_of_its_ids, _merged(self._halved(database, ids, self._of_ids)))

    def _of_keys(self, keys: Sequence[Key]) -> _Request:
        return _Request(keys, [self.sql.id_of(key) for key in keys])

    def _of_ids(self, ids: Sequence[str]) -> _Request:
        return _Request(candidate_keys(ids, self.sql.possible), ids, by_id=True)

    def _build(
        self, database: Database, snapshot: Snapshot, request: _Request
    ) -> tuple[Built, Collection[str]]:
        """The chunk, and the ids that are left to be built."""
        if not request.keys:
            gone = [Operation(name, snapshot.version, None) for name in dict.fromkeys(request.ids)]
            return Built((), gone, snapshot.taken_at, 0), ()
        started = time.monotonic()
        params = self._params(request.keys)
        # One document is read whatever its size.
        documents_read = _Documents(MAX_CHUNK_BYTES if len(request.ids) > 1 else None)
        documents = documents_read.found
        # By id, not by position: a key of another spelling may be equal and find the row (citext, numeric 1.0 and 1.00).
        asked = dict.fromkeys(request.ids)
        try:
            whole = database.each(self.sql.build, params, documents_read.add_row)
            own = (
                []
                if not whole or documents.keys() <= asked.keys()
                else self._rows(database, params)
            )
        except RowError:
            database.finish()
            raise
        seconds = time.monotonic() - started
        self.metrics.histogram("flusso_build_duration_seconds").observe(seconds)
        if not whole:
            return self._cut(snapshot, request, documents_read, seconds)
        version = snapshot.version
        operations = [Operation(name, version, document) for name, document in documents.items()]
        operations += [Operation(name, version, None) for name in asked if name not in documents]
        # Keys in the spelling of their rows: `id_of` finds the documents by them.
        others = [key for name, key in own if name in documents and name not in asked]
        built = Built([*request.keys, *others], operations, snapshot.taken_at, documents_read.size)
        self.chunk.learn(len(request.keys), documents_read.size, seconds)
        return built, ()

    def _cut(
        self,
        snapshot: Snapshot,
        request: _Request,
        documents_read: _Documents,
        seconds: float,
    ) -> tuple[Built, Collection[str]]:
        """The chunk of the documents that were read before the statement was cut, and the ids that are left."""
        self.chunk.cut(len(request.ids), len(documents_read.found), documents_read.size, seconds)
        ids = set(request.ids)
        if not documents_read.found.keys() <= ids:
            # Some key is spelled otherwise than in its row: only the whole statement shows which.
            return Built((), (), snapshot.taken_at, 0), ids
        operations = [
            Operation(name, snapshot.version, document)
            for name, document in documents_read.found.items()
        ]
        keys = [key for key in request.keys if self.sql.id_of(key) in documents_read.found]
        built = Built(keys, operations, snapshot.taken_at, documents_read.size)
        return built, ids - documents_read.found.keys()

    def _halved(
        self,
        database: Database,
        items: Sequence[Item],
        request_of: Callable[[Sequence[Item]], _Request],
    ) -> Iterator[Built]:
        waiting = [items]
        while waiting:
            now = waiting.pop()
            request = request_of(now)
            snapshot = database.begin()
            try:
                built, left = self._build(database, snapshot, request)
            except RowError as error:
                if len(now) == 1:
                    yield self._alone(database, request, str(error))
                    continue
                waiting.extend(_halves(now))
                continue
            database.finish()
            if left:
                waiting.extend(_halves([item for item in now if request_of([item]).ids[0] in left]))
            yield built

    def _alone(self, database: Database, request: _Request, reason: str) -> Built:
        """The chunk of one document that could not be built: a failure if its row exists, else a delete."""
        snapshot = database.begin()
        sound = [key for key in request.keys if self._is_key(database, key)]
        if len(sound) < len(request.keys):
            # No row has the other keys: the statement may have failed because of them, not because of a row.
            try:
                built, _ = self._build(database, snapshot, _Request(sound, request.ids))
            except RowError as error:
                return self._alone(database, _Request(sound, request.ids), str(error))
            database.finish()
            return built
        rows = [row for key in sound for row in self._rows(database, self._params([key]))]
        database.finish()
        given = {self.sql.id_of(key): key for key in sound}
        failed = [
            Failure(given.get(name, key), name, snapshot.version, reason) for name, key in rows
        ]
        held = {name for name, _ in rows}
        gone = [Operation(name, snapshot.version, None) for name in request.ids if name not in held]
        keys = [*sound, *(key for _, key in rows)]
        return Built(keys, gone, snapshot.taken_at, 0, failed)

    def _is_key(self, database: Database, key: Key) -> bool:
        """Whether the root key's columns can contain these values."""
        try:
            with database.savepoint():
                database.run(self.sql.values, self._params([key]))
        except RowError:
            return False
        return True

    def _rows(self, database: Database, params: Sequence[bytes]) -> list[tuple[str, Key]]:
        return [(row[0], row[1:]) for row in database.rows(self.sql.rows, params)]

    @staticmethod
    def _params(keys: Sequence[Key]) -> list[bytes]:
        return [array_literal([key[at] for key in keys]) for at in range(len(keys[0]))]


@dataclass(slots=True)
class _Documents:
    """The rows of the build statement, added as they arrive."""

    most: int | None
    """Bytes of documents after which the statement is cut; None reads them all."""
    found: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    def add_row(self, row: pq.abc.PGresult) -> bool:
        document_id, document = row.get_value(0, 0), row.get_value(0, 1)
        if document_id is None or document is None:
            return True
        if b"\n" in document:  # only a `json` column keeps line breaks, and only between tokens
            document = document.replace(b"\n", b" ")
        self.found[document_id.decode()] = document
        self.size += len(document)
        return self.most is None or self.size <= self.most


def _halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Both halves, the second first: the caller takes from the end of its list."""
    middle = len(items) // 2
    return [half for half in (items[middle:], items[:middle]) if half]


def _of_its_ids(built: Built) -> Built:
    return replace(built, ids=[item.id for item in built.operations])


def _merged(parts: Iterable[Built]) -> Iterator[Built]:
    """The parts, with those that have failures merged into one, the last.  These contain no documents."""
    failing: list[Built] = []
    for part in parts:
        if part.failed:
            failing.append(part)
        else:
            yield part
    if failing:
        keys = [key for part in failing for key in part.keys]
        operations = [item for part in failing for item in part.operations]
        failed = [failure for part in failing for failure in part.failed]
        taken_at = min(part.taken_at for part in failing)
        yield Built(keys, operations, taken_at, 0, failed)
