"""Compares the rows of an index with its documents, and its documents with the rows: documents that are missing,
different, or without a row.  Reads only; a difference may be a change in flight (see `verification`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from flusso_shared.seams import Operation
from flusso_worker.documents.built import Failure, Key
from flusso_worker.documents.ids import candidate_keys
from flusso_worker.maintenance.diff import differing_paths, parsed
from flusso_worker.maintenance.document_writer import DocumentWriter
from flusso_worker.maintenance.key_walk_sql import VerifySql
from flusso_worker.postgres.database import RowError
from flusso_worker.sinks import bulk
from flusso_worker.sinks.cluster import Cluster, path
from flusso_worker.sinks.scan import hits
from flusso_worker.sql.parameters import array_literal

PAGE = 1000
_MAX_SAMPLE = 10_000

Kind = Literal["missing", "different", "extra", "unbuildable"]


class Observation(NamedTuple):
    """The comparison of one document at one sink, at one time."""

    sink: str
    id: str
    key: Key | None
    """Of the row; None for a document without a row."""
    kind: Kind | None
    """None when the document is as it should be."""
    expected: str = ""
    """A digest of the built document."""
    actual: str = ""
    """Changes with every write at the sink."""
    paths: tuple[str, ...] = ()
    reason: str = ""


class Rows:
    """Walks the rows and compares their documents with those of the sinks."""

    def __init__(self, writer: DocumentWriter, statements: VerifySql) -> None:
        self._writer = writer
        self._sql = statements

    def estimate(self) -> int:
        """The estimated number of rows."""
        return int(self._writer.database.rows(self._sql.estimate)[0][0])

    def walk(self) -> Iterator[list[Key]]:
        """Yield all keys in order, `PAGE` at a time, each page read in its own snapshot."""
        keys = self._read(self._sql.first, [])
        while keys:
            yield keys
            last = [value.encode() for value in keys[-1]]
            keys = self._read(self._sql.after, last) if len(keys) == PAGE else []

    def sample(self, count: int) -> Iterator[list[Key]]:
        """Yield random keys, `PAGE` at a time."""
        keys = self._read(self._sql.sample, [str(count).encode()])
        for at in range(0, len(keys), PAGE):
            yield keys[at : at + PAGE]

    def _read(self, statement: bytes, params: Sequence[bytes]) -> list[Key]:
        database = self._writer.database
        return self._writer.with_retries(lambda: database.rows(statement, params), "read keys")

    def observe(self, keys: Sequence[Key]) -> list[Observation]:
        """Build the documents of `keys` and compare them with those of every sink."""
        found: list[Observation] = []
        for built in self._writer.build(keys):
            found.extend(_unbuildable(failure, self._writer.clusters) for failure in built.failed)
            documents = [item for item in built.operations if item.document is not None]
            sound, refused = bulk.sort_out(documents)
            keys_of = {self._writer.sql.id_of(key): key for key in built.keys}
            found.extend(
                Observation("", item.id, keys_of.get(item.id), "unbuildable", reason=item.reason)
                for item in refused
            )
            for cluster in self._writer.clusters:
                found.extend(self._compare(cluster, sound, keys_of))
        return found

    def _compare(
        self, cluster: Cluster, operations: Sequence[Operation], keys: dict[str, Key]
    ) -> list[Observation]:
        physical, ids = self._writer.generation.name.physical, [item.id for item in operations]
        stored = self._writer.with_retries(lambda: _found(cluster, physical, ids), "read documents")
        return [
            _observation(cluster, item, keys.get(item.id), stored[item.id]) for item in operations
        ]


class Documents:
    """Walks the documents of a sink and looks for their rows."""

    def __init__(self, writer: DocumentWriter, statements: VerifySql) -> None:
        self._writer = writer
        self._sql = statements

    def count(self, cluster: Cluster) -> int:
        """The number of documents that a search finds now."""
        where = path(self._writer.generation.name.physical, "_count")
        return int(cluster.request("GET", where).json()["count"])

    def walk(self, cluster: Cluster) -> Iterator[list[str]]:
        """Yield the ids of all documents, `PAGE` at a time."""
        physical = self._writer.generation.name.physical
        for page in hits(cluster, physical, {"_source": False}, PAGE):
            yield [hit["_id"] for hit in page]

    def sample(self, cluster: Cluster, count: int) -> Iterator[list[str]]:
        """Yield random ids, at most 10,000, `PAGE` at a time."""
        query = {
            "size": min(count, _MAX_SAMPLE),
            "_source": False,
            "query": {"function_score": {"random_score": {}}},
        }
        physical = self._writer.generation.name.physical
        cluster.request("POST", path(physical, "_refresh"))
        ids = [
            hit["_id"]
            for hit in cluster.request("POST", path(physical, "_search"), query).json()["hits"][
                "hits"
            ]
        ]
        for at in range(0, len(ids), PAGE):
            yield ids[at : at + PAGE]

    def observe(self, cluster: Cluster, ids: Sequence[str]) -> list[Observation]:
        """The documents of `ids` that the sink has and no row does."""
        writer, physical = self._writer, self._writer.generation.name.physical
        present, _ = writer.with_retries(lambda: self.present(ids), "look for rows")
        absent = [name for name in ids if name not in present]
        if not absent:
            return []
        stored = writer.with_retries(
            lambda: _found(cluster, physical, absent, source=False), "read documents"
        )
        return [
            Observation(cluster.name, name, None, "extra", actual=_marker(stored[name]))
            for name in absent
            if stored[name].get("found")
        ]

    def present(self, ids: Sequence[str]) -> tuple[set[str], tuple[int, float]]:
        """The ids that rows have, and the version and time (`Clock.monotonic()`) of the first snapshot that was read."""
        database = self._writer.database
        snapshot = database.begin()
        keys = candidate_keys(ids, self._writer.sql.possible)
        at = (snapshot.version, snapshot.taken_at)
        if not keys:
            database.finish()
            return set(), at
        columns = [array_literal([key[n] for key in keys]) for n in range(len(keys[0]))]
        try:
            found = {row[0] for row in database.rows(self._sql.present, columns)}
        except RowError:
            # Some id is not a valid key, or some row makes the statement fail: that row exists.
            database.finish()
            return self._halves(ids), at
        database.finish()
        return found, at

    def _halves(self, ids: Sequence[str]) -> set[str]:
        if len(ids) == 1:
            return {ids[0]} if self._row_exists(ids[0]) else set()
        middle = len(ids) // 2
        return self.present(ids[:middle])[0] | self.present(ids[middle:])[0]

    def _row_exists(self, name: str) -> bool:
        """Whether a row has exactly that id, although its document cannot be built."""
        for key in candidate_keys([name], self._writer.sql.possible):
            try:
                found = self._writer.database.rows(
                    self._writer.sql.rows, [array_literal([value]) for value in key]
                )
            except RowError:
                continue
            if any(row[0] == name for row in found):
                return True
        return False


def _unbuildable(failure: Failure, clusters: Sequence[Cluster]) -> Observation:
    sink = clusters[0].name if len(clusters) == 1 else ""
    return Observation(sink, failure.id, failure.key, "unbuildable", reason=failure.reason)


def _observation(
    cluster: Cluster, operation: Operation, key: Key | None, stored: dict[str, Any]
) -> Observation:
    document = operation.document or b""
    expected = hashlib.sha256(document).hexdigest()
    if not stored.get("found"):
        return Observation(cluster.name, operation.id, key, "missing", expected)
    if cluster.config.pipeline:
        return Observation(
            cluster.name, operation.id, key, None
        )  # an ingest pipeline may change it in any way
    paths = differing_paths(parsed(document), stored["_source"])
    kind: Kind | None = "different" if paths else None
    return Observation(
        cluster.name, operation.id, key, kind, expected, _marker(stored), tuple(paths)
    )


def _marker(stored: dict[str, Any]) -> str:
    return f"{stored.get('_seq_no')}/{stored.get('_primary_term')}"


def _found(
    cluster: Cluster, physical: str, ids: Sequence[str], *, source: bool = True
) -> dict[str, dict[str, Any]]:
    """The current documents of `ids`, whether refreshed or not; without `source`, only whether they exist."""
    if not ids:
        return {}
    params = {} if source else {"_source": "false"}
    reply = cluster.request("POST", path(physical, "_mget"), {"ids": list(ids)}, params=params)
    return {item["_id"]: item for item in parsed(reply.text)["docs"]}
