"""Root keys -> operations: one SQL statement per chunk, whose JSON text is never parsed.

A chunk that fails because of some row is halved until the row stands alone; its neighbours are built.  Documents
are read one by one, and a statement whose documents grow too large is cut: the rest is built by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from psycopg import pq

from flusso_shared.metrics import Metrics
from flusso_shared.seams import Operation
from flusso_worker.documents import bound_types
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
class _Part:
    """Keys to be built together, and the names of documents that are to be deleted where no row has them."""

    keys: Sequence[Key]
    names: Sequence[str]
    by_id: bool = False
    """Whether it is the names that are given, and the keys come from them."""


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

        A key without a document becomes a delete.  Documents that are too large together are built in part: the
        second of the answer is the keys that are left, for a later transaction, because this one has failed then.
        Raises `RowError` when a row spoils the chunk; the transaction is ended then.
        """
        built, left = self._build(database, snapshot, self._of_keys(keys))
        return built, [key for key in keys if self.sql.id_of(key) in left] if left else ()

    def sweep(
        self, database: Database, snapshot: Snapshot, ids: Sequence[str]
    ) -> tuple[Built, Sequence[str]]:
        """Build the documents of `ids`; those that no row gives under that very id become deletes.

        The same contract as `build`.
        """
        built, left = self._build(database, snapshot, self._of_ids(ids))
        return _of_its_ids(built), [name for name in ids if name in left] if left else ()

    def isolate(self, database: Database, keys: Sequence[Key]) -> Iterator[Built]:
        """Build `keys`, of which some row may spoil the statement, around such rows, told as `failed`.

        No transaction is open between two of what this gives.
        """
        return _merged(self._halved(database, keys, self._of_keys))

    def isolate_ids(self, database: Database, ids: Sequence[str]) -> Iterator[Built]:
        """`sweep` around such rows."""
        return map(_of_its_ids, _merged(self._halved(database, ids, self._of_ids)))

    def _of_keys(self, keys: Sequence[Key]) -> _Part:
        return _Part(keys, [self.sql.id_of(key) for key in keys])

    def _of_ids(self, ids: Sequence[str]) -> _Part:
        return _Part(candidate_keys(ids, self.sql.possible), ids, by_id=True)

    def _build(
        self, database: Database, snapshot: Snapshot, part: _Part
    ) -> tuple[Built, Collection[str]]:
        """What was built, and the names that are left to be built."""
        if part.by_id:
            self.require_types(database)
        if not part.keys:
            gone = [Operation(name, snapshot.version, None) for name in dict.fromkeys(part.names)]
            return Built((), gone, snapshot.taken_at, 0), ()
        started = time.monotonic()
        params = self._params(part.keys)
        # One document is read whatever its size.
        taken = _Documents(MAX_CHUNK_BYTES if len(part.names) > 1 else None)
        documents = taken.found
        # By name, not by number: a key of other text may be equal and find the row (citext, numeric 1.0 and 1.00).
        named = dict.fromkeys(part.names)
        try:
            whole = database.each(self.sql.build, params, taken.take)
            own = (
                []
                if not whole or documents.keys() <= named.keys()
                else self._rows(database, params)
            )
        except RowError:
            database.finish()
            raise
        self.metrics.histogram("flusso_build_duration_seconds").observe(time.monotonic() - started)
        if not whole:
            return self._cut(snapshot, part, taken)
        version = snapshot.version
        operations = [Operation(name, version, document) for name, document in documents.items()]
        operations += [Operation(name, version, None) for name in named if name not in documents]
        # With the rows' own spelling of their keys: `id_of` finds the documents by it.
        others = [key for name, key in own if name in documents and name not in named]
        built = Built([*part.keys, *others], operations, snapshot.taken_at, taken.size)
        self.chunk.learn(len(part.keys), taken.size)
        return built, ()

    def _cut(
        self, snapshot: Snapshot, part: _Part, taken: _Documents
    ) -> tuple[Built, Collection[str]]:
        """The documents that were read before the statement was cut."""
        self.chunk.cut(len(part.names), len(taken.found), taken.size)
        names = set(part.names)
        if not taken.found.keys() <= names:
            # Some key is spelled otherwise than its row: which one, only the whole statement tells.
            return Built((), (), snapshot.taken_at, 0), names
        operations = [
            Operation(name, snapshot.version, document) for name, document in taken.found.items()
        ]
        keys = [key for key in part.keys if self.sql.id_of(key) in taken.found]
        built = Built(keys, operations, snapshot.taken_at, taken.size)
        return built, names - taken.found.keys()

    def _halved(
        self, database: Database, items: Sequence[Item], part: Callable[[Sequence[Item]], _Part]
    ) -> Iterator[Built]:
        waiting = [items]
        while waiting:
            now = waiting.pop()
            asked = part(now)
            snapshot = database.begin()
            try:
                built, left = self._build(database, snapshot, asked)
            except RowError as error:
                if len(now) == 1:
                    yield self._alone(database, asked, str(error))
                    continue
                waiting.extend(_halves(now))
                continue
            database.finish()
            if left:
                waiting.extend(_halves([item for item in now if part([item]).names[0] in left]))
            yield built

    def _alone(self, database: Database, part: _Part, reason: str) -> Built:
        """What becomes of one document that could not be built: a failure only if there is its row."""
        snapshot = database.begin()
        sound = [key for key in part.keys if self._is_key(database, key)]
        if len(sound) < len(part.keys):
            # No row has the others: it was not a row that spoilt the statement.
            try:
                built, _ = self._build(database, snapshot, _Part(sound, part.names))
            except RowError as error:
                return self._alone(database, _Part(sound, part.names), str(error))
            database.finish()
            return built
        rows = [row for key in sound for row in self._rows(database, self._params([key]))]
        database.finish()
        given = {self.sql.id_of(key): key for key in sound}
        failed = [
            Failure(given.get(name, key), name, snapshot.version, reason) for name, key in rows
        ]
        held = {name for name, _ in rows}
        gone = [Operation(name, snapshot.version, None) for name in part.names if name not in held]
        keys = [*sound, *(key for _, key in rows)]
        return Built(keys, gone, snapshot.taken_at, 0, failed)

    def _is_key(self, database: Database, key: Key) -> bool:
        """Whether the text can be a root key at all."""
        try:
            with database.savepoint():
                database.run(self.sql.values, self._params([key]))
        except RowError:
            self.require_types(database)
            return False
        return True

    def require_types(self, database: Database) -> None:
        """Raises `FatalError` when the key's columns have other types than the statements are made for."""
        bound_types.require(database, self.sql.types, "the root table's key columns")

    def _rows(self, database: Database, params: Sequence[bytes]) -> list[tuple[str, Key]]:
        return [(row[0], row[1:]) for row in database.rows(self.sql.rows, params)]

    @staticmethod
    def _params(keys: Sequence[Key]) -> list[bytes]:
        return [array_literal([key[at] for key in keys]) for at in range(len(keys[0]))]


@dataclass(slots=True)
class _Documents:
    """The rows of the build statement, as they arrive."""

    most: int | None
    """Bytes of documents after which no more is wanted."""
    found: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    def take(self, row: pq.abc.PGresult) -> bool:
        document_id, document = row.get_value(0, 0), row.get_value(0, 1)
        if document_id is None or document is None:
            return True
        if b"\n" in document:  # only a `json` column keeps line breaks, and only between tokens
            document = document.replace(b"\n", b" ")
        self.found[document_id.decode()] = document
        self.size += len(document)
        return self.most is None or self.size <= self.most


def _halves(items: Sequence[Item]) -> list[Sequence[Item]]:
    """The last comes first when they are taken from a list's end."""
    middle = len(items) // 2
    return [half for half in (items[middle:], items[:middle]) if half]


def _of_its_ids(built: Built) -> Built:
    return replace(built, ids=[item.id for item in built.operations])


def _merged(parts: Iterable[Built]) -> Iterator[Built]:
    """The parts, of which those with failures are one, the last.  Such hold no documents."""
    spoilt: list[Built] = []
    for part in parts:
        if part.failed:
            spoilt.append(part)
        else:
            yield part
    if spoilt:
        keys = [key for part in spoilt for key in part.keys]
        operations = [item for part in spoilt for item in part.operations]
        failed = [failure for part in spoilt for failure in part.failed]
        taken_at = min(part.taken_at for part in spoilt)
        yield Built(keys, operations, taken_at, 0, failed)
