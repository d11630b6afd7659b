"""Root keys -> operations: one SQL statement per chunk, whose JSON text is never parsed.

A chunk that fails because of some row is halved until the row stands alone; its neighbours are built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from psycopg import pq

from flusso_shared.metrics import Metrics
from flusso_shared.seams import Operation
from flusso_worker import bound_types
from flusso_worker.chunks import Built, ChunkSize, Failure, Key
from flusso_worker.database import Database, RowError
from flusso_worker.document_sql import DocumentSql, array_literal
from flusso_worker.snapshot_version import Snapshot
from flusso_worker.truncate import candidate_keys

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

    def build(self, database: Database, snapshot: Snapshot, keys: Sequence[Key]) -> Built:
        """Build all `keys` in the open transaction of `database`, whose snapshot is given.

        A key without a document becomes a delete.  Raises `RowError` when a row spoils the chunk; the
        transaction is ended then.
        """
        return self._build(database, snapshot, self._of_keys(keys))

    def sweep(self, database: Database, snapshot: Snapshot, ids: Sequence[str]) -> Built:
        """Build the documents of `ids`; those that no row gives under that very id become deletes.

        The same contract as `build`.
        """
        return replace(self._build(database, snapshot, self._of_ids(ids)), ids=ids)

    def isolate(self, database: Database, keys: Sequence[Key]) -> list[Built]:
        """Build `keys`, of which some row may spoil the statement, around such rows, told as `failed`."""
        return _merged(self._halved(database, keys, self._of_keys))

    def isolate_ids(self, database: Database, ids: Sequence[str]) -> list[Built]:
        """`sweep` around such rows."""
        parts = self._halved(database, ids, self._of_ids)
        return [replace(part, ids=[item.id for item in part.operations]) for part in _merged(parts)]

    def _of_keys(self, keys: Sequence[Key]) -> _Part:
        return _Part(keys, [self.sql.id_of(key) for key in keys])

    def _of_ids(self, ids: Sequence[str]) -> _Part:
        return _Part(candidate_keys(ids, self.sql.possible), ids, by_id=True)

    def _build(self, database: Database, snapshot: Snapshot, part: _Part) -> Built:
        if part.by_id:
            self.require_types(database)
        if not part.keys:
            gone = [Operation(name, snapshot.version, None) for name in dict.fromkeys(part.names)]
            return Built((), gone, snapshot.taken_at, 0)
        started = time.monotonic()
        params = self._params(part.keys)
        try:
            result = database.run(self.sql.build, params)
            documents = _documents(result)
            # By name, not by number: a key of other text may be equal and find the row (citext, numeric 1.0 and 1.00).
            named = dict.fromkeys(part.names)
            others = [] if documents.keys() <= named.keys() else self._rows(database, params)
        except RowError:
            database.finish()
            raise
        version = snapshot.version
        operations = [Operation(name, version, document) for name, document in documents.items()]
        operations += [Operation(name, version, None) for name in named if name not in documents]
        size = sum(map(len, documents.values()))
        # With the rows' own spelling of their keys: `id_of` finds the documents by it.
        own = [key for name, key in others if name in documents and name not in named]
        built = Built([*part.keys, *own], operations, snapshot.taken_at, size)
        self.metrics.build_duration.observe(time.monotonic() - started)
        self.chunk.learn(built)
        return built

    def _halved(
        self, database: Database, items: Sequence[Item], part: Callable[[Sequence[Item]], _Part]
    ) -> list[Built]:
        snapshot = database.begin()
        try:
            built = self._build(database, snapshot, part(items))
        except RowError as error:
            if len(items) == 1:
                return [self._alone(database, part(items), str(error))]
            middle = len(items) // 2
            return [
                *self._halved(database, items[:middle], part),
                *self._halved(database, items[middle:], part),
            ]
        database.finish()
        return [built]

    def _alone(self, database: Database, part: _Part, reason: str) -> Built:
        """What becomes of one document that could not be built: a failure only if there is its row."""
        snapshot = database.begin()
        sound = [key for key in part.keys if self._is_key(database, key)]
        if len(sound) < len(part.keys):
            # No row has the others: it was not a row that spoilt the statement.
            try:
                built = self._build(database, snapshot, _Part(sound, part.names))
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


def _documents(result: pq.abc.PGresult) -> dict[str, bytes]:
    get = result.get_value
    documents: dict[str, bytes] = {}
    for row in range(result.ntuples):
        document_id, document = get(row, 0), get(row, 1)
        if document_id is None or document is None:
            continue
        if b"\n" in document:  # only a `json` column keeps line breaks, and only between tokens
            document = document.replace(b"\n", b" ")
        documents[document_id.decode()] = document
    return documents


def _merged(parts: Iterable[Built]) -> list[Built]:
    """The parts, of which those with failures are one."""
    whole: list[Built] = []
    spoilt: list[Built] = []
    for part in parts:
        (spoilt if part.failed else whole).append(part)
    if spoilt:
        keys = [key for part in spoilt for key in part.keys]
        operations = [item for part in spoilt for item in part.operations]
        failed = [failure for part in spoilt for failure in part.failed]
        taken_at = min(part.taken_at for part in spoilt)
        whole.append(Built(keys, operations, taken_at, 0, failed))
    return whole
