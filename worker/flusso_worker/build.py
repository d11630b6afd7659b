"""Root keys -> operations: one SQL statement per chunk, whose JSON text is never parsed.

A chunk that fails because of some row is halved until the row stands alone; its neighbours are built.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import pq

from flusso_shared.metrics import Metrics
from flusso_shared.seams import Operation
from flusso_worker.chunks import Built, ChunkSize, Failure, Key
from flusso_worker.database import Database, RowError
from flusso_worker.document_sql import DocumentSql, array_literal
from flusso_worker.snapshot_version import Snapshot


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
        started = time.monotonic()
        columns = [array_literal([key[at] for key in keys]) for at in range(len(keys[0]))]
        try:
            result = database.run(self.sql.build, columns)
        except RowError:
            database.finish()
            raise
        built = self._operations(result, snapshot, keys)
        self.metrics.build_duration.observe(time.monotonic() - started)
        self.chunk.learn(built)
        return built

    def isolate(self, database: Database, keys: Sequence[Key]) -> list[Built]:
        """Build `keys`, of which some row may spoil the statement, around such rows, told as `failed`."""
        parts = self._halved(database, keys)
        failed = [failure for part in parts for failure in part.failed]
        whole = [part for part in parts if not part.failed]
        if failed:
            taken_at = min(part.taken_at for part in parts if part.failed)
            whole.append(Built([failure.key for failure in failed], (), taken_at, 0, failed))
        return whole

    def _halved(self, database: Database, keys: Sequence[Key]) -> list[Built]:
        snapshot = database.begin()
        try:
            built = self.build(database, snapshot, keys)
        except RowError as error:
            if len(keys) == 1:
                failure = Failure(keys[0], self.sql.id_of(keys[0]), snapshot.version, str(error))
                return [Built(keys, (), snapshot.taken_at, 0, [failure])]
            middle = len(keys) // 2
            return self._halved(database, keys[:middle]) + self._halved(database, keys[middle:])
        database.finish()
        return [built]

    def _operations(
        self, result: pq.abc.PGresult, snapshot: Snapshot, keys: Sequence[Key]
    ) -> Built:
        get, version = result.get_value, snapshot.version
        documents: dict[str, bytes] = {}
        size = 0
        for row in range(result.ntuples):
            document_id, document = get(row, 0), get(row, 1)
            if document_id is None or document is None:
                continue
            if b"\n" in document:  # only a `json` column keeps line breaks, and only between tokens
                document = document.replace(b"\n", b" ")
            documents[document_id.decode()] = document
            size += len(document)
        operations = [Operation(key, version, document) for key, document in documents.items()]
        # By name, not by number: a key of other text may be equal and find the row (citext, numeric 1.0 and 1.00).
        gone = dict.fromkeys(name for name in map(self.sql.id_of, keys) if name not in documents)
        operations.extend(Operation(name, version, None) for name in gone)
        return Built(keys, operations, snapshot.taken_at, size)
