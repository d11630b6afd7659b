"""The two sides of an index, each walked in its own order: rows whose document is missing or different, and
documents that no row has.  Reads only; what differs now may be in flight still (see `verification`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from flusso_shared.seams import Operation
from flusso_worker.documents.built import Failure, Key
from flusso_worker.documents.ids import candidate_keys
from flusso_worker.maintenance.diff import differing_paths, parsed
from flusso_worker.maintenance.document_writer import Workbench
from flusso_worker.maintenance.key_walk_sql import VerifySql
from flusso_worker.postgres.database import RowError
from flusso_worker.sinks import bulk
from flusso_worker.sinks.cluster import Cluster, path
from flusso_worker.sinks.scan import hits
from flusso_worker.sql.parameters import array_literal

PAGE = 1000
_MOST_SAMPLED = 10_000

Kind = Literal["missing", "different", "extra", "unbuildable"]


class Sight(NamedTuple):
    """What was seen of one document at one sink."""

    sink: str
    id: str
    key: Key | None
    """Of the row; None for a document that no row has."""
    kind: Kind | None
    """None: as it should be."""
    expected: str = ""
    """A digest of what was built."""
    actual: str = ""
    """Changes with every write at the sink."""
    paths: tuple[str, ...] = ()
    reason: str = ""


class Rows:
    """From the rows to the index."""

    def __init__(self, bench: Workbench, statements: VerifySql) -> None:
        self._bench = bench
        self._sql = statements

    def estimate(self) -> int:
        """About how many rows there are."""
        return int(self._bench.database.rows(self._sql.estimate)[0][0])

    def walk(self) -> Iterator[list[Key]]:
        """All keys in order, a page at a time; each page in a snapshot of its own."""
        keys = self._read(self._sql.first, [])
        while keys:
            yield keys
            last = [value.encode() for value in keys[-1]]
            keys = self._read(self._sql.after, last) if len(keys) == PAGE else []

    def sample(self, count: int) -> Iterator[list[Key]]:
        """Random keys."""
        keys = self._read(self._sql.sample, [str(count).encode()])
        for at in range(0, len(keys), PAGE):
            yield keys[at : at + PAGE]

    def _read(self, statement: bytes, params: Sequence[bytes]) -> list[Key]:
        database = self._bench.database
        return self._bench.patiently(lambda: database.rows(statement, params), "read keys")

    def look(self, keys: Sequence[Key]) -> list[Sight]:
        """Build the documents of `keys` and compare them with what every sink has."""
        found: list[Sight] = []
        for built in self._bench.build(keys):
            found.extend(_unbuildable(failure, self._bench.clusters) for failure in built.failed)
            documents = [item for item in built.operations if item.document is not None]
            sound, refused = bulk.sort_out(documents)
            keys_of = {self._bench.sql.id_of(key): key for key in built.keys}
            found.extend(
                Sight("", item.id, keys_of.get(item.id), "unbuildable", reason=item.reason)
                for item in refused
            )
            for cluster in self._bench.clusters:
                found.extend(self._compare(cluster, sound, keys_of))
        return found

    def _compare(
        self, cluster: Cluster, operations: Sequence[Operation], keys: dict[str, Key]
    ) -> list[Sight]:
        physical, ids = self._bench.generation.name.physical, [item.id for item in operations]
        stored = self._bench.patiently(lambda: _found(cluster, physical, ids), "read documents")
        return [_sight(cluster, item, keys.get(item.id), stored[item.id]) for item in operations]


class Documents:
    """From the index to the rows."""

    def __init__(self, bench: Workbench, statements: VerifySql) -> None:
        self._bench = bench
        self._sql = statements

    def count(self, cluster: Cluster) -> int:
        """About how many documents there are."""
        where = path(self._bench.generation.name.physical, "_count")
        return int(cluster.request("GET", where).json()["count"])

    def walk(self, cluster: Cluster) -> Iterator[list[str]]:
        """The ids of all documents."""
        physical = self._bench.generation.name.physical
        for page in hits(cluster, physical, {"_source": False}, PAGE):
            yield [hit["_id"] for hit in page]

    def sample(self, cluster: Cluster, count: int) -> Iterator[list[str]]:
        """Random ids, at most 10,000."""
        query = {
            "size": min(count, _MOST_SAMPLED),
            "_source": False,
            "query": {"function_score": {"random_score": {}}},
        }
        physical = self._bench.generation.name.physical
        cluster.request("POST", path(physical, "_refresh"))
        ids = [
            hit["_id"]
            for hit in cluster.request("POST", path(physical, "_search"), query).json()["hits"][
                "hits"
            ]
        ]
        for at in range(0, len(ids), PAGE):
            yield ids[at : at + PAGE]

    def look(self, cluster: Cluster, ids: Sequence[str]) -> list[Sight]:
        """Which of `ids` the sink has and no row does."""
        bench, physical = self._bench, self._bench.generation.name.physical
        present, _ = bench.patiently(lambda: self.present(ids), "look for rows")
        absent = [name for name in ids if name not in present]
        if not absent:
            return []
        stored = bench.patiently(
            lambda: _found(cluster, physical, absent, source=False), "read documents"
        )
        return [
            Sight(cluster.name, name, None, "extra", actual=_marker(stored[name]))
            for name in absent
            if stored[name].get("found")
        ]

    def present(self, ids: Sequence[str]) -> tuple[set[str], tuple[int, float]]:
        """The ids that rows have; the version and the time of the first snapshot that it took to see it."""
        database = self._bench.database
        snapshot = database.begin()
        self._bench.builder.require_types(database)
        keys = candidate_keys(ids, self._bench.sql.possible)
        at = (snapshot.version, snapshot.taken_at)
        if not keys:
            database.finish()
            return set(), at
        columns = [array_literal([key[n] for key in keys]) for n in range(len(keys[0]))]
        try:
            found = {row[0] for row in database.rows(self._sql.present, columns)}
        except RowError:
            # Some id is no key at all, or some row spoils the statement: that row is there.
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
        """Whether a row has that very id, although its document cannot be built."""
        for key in candidate_keys([name], self._bench.sql.possible):
            try:
                found = self._bench.database.rows(
                    self._bench.sql.rows, [array_literal([value]) for value in key]
                )
            except RowError:
                continue
            if any(row[0] == name for row in found):
                return True
        return False


def _unbuildable(failure: Failure, clusters: Sequence[Cluster]) -> Sight:
    sink = clusters[0].name if len(clusters) == 1 else ""
    return Sight(sink, failure.id, failure.key, "unbuildable", reason=failure.reason)


def _sight(
    cluster: Cluster, operation: Operation, key: Key | None, stored: dict[str, Any]
) -> Sight:
    document = operation.document or b""
    expected = hashlib.sha256(document).hexdigest()
    if not stored.get("found"):
        return Sight(cluster.name, operation.id, key, "missing", expected)
    if cluster.config.pipeline:
        return Sight(
            cluster.name, operation.id, key, None
        )  # what a pipeline makes of it is its own
    paths = differing_paths(parsed(document), stored["_source"])
    kind: Kind | None = "different" if paths else None
    return Sight(cluster.name, operation.id, key, kind, expected, _marker(stored), tuple(paths))


def _marker(stored: dict[str, Any]) -> str:
    return f"{stored.get('_seq_no')}/{stored.get('_primary_term')}"


def _found(
    cluster: Cluster, physical: str, ids: Sequence[str], *, source: bool = True
) -> dict[str, dict[str, Any]]:
    """What the index has under `ids` now, searchable yet or not; without `source`, whether it has something."""
    if not ids:
        return {}
    params = {} if source else {"_source": "false"}
    reply = cluster.request("POST", path(physical, "_mget"), {"ids": list(ids)}, params=params)
    return {item["_id"]: item for item in parsed(reply.text)["docs"]}
