"""The bookkeeping index `flusso_meta`: one document per generation, every change a compare-and-set.

It also contains, per index, the order of its schemas, a request for a reindex and the record of a pause; and an entry per
worker, which only that worker writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flusso_shared.errors import FatalError
from flusso_shared.names import GenerationName
from flusso_worker.generations.applied_options import AppliedOptions
from flusso_worker.generations.record import (
    Asked,
    Generation,
    Known,
    Ordered,
    Pause,
    Paused,
    Reindex,
    Stored,
    by_number,
)
from flusso_worker.generations.schema_order import Carrier, SchemaOrder
from flusso_worker.sinks.cluster import Cluster, create_index, path

_STARTED = {"wait_for_active_shards": "1", "timeout": "20s"}
"""Not `wait_for_status`: an index that is being created is yellow before its primary shard has started."""
_KINDS = ["generation", "reindex", "schemas", "worker", "pause"]
_MAX_HITS = 1000
_MAX_HITS_OF_ALL = 10_000
"""The most that one search gives (`index.max_result_window`)."""
_REFRESH = {"refresh": "true"}
"""A write is answered when every search finds it: writes are rare, searches frequent."""
_BODY = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
    "mappings": {
        "dynamic": False,
        "properties": {"kind": {"type": "keyword"}, "index": {"type": "keyword"}},
    },
}


_Version = tuple[str, int, int]
"""Of a document: its id, sequence number and primary term."""
Hit = Mapping[str, Any]
"""A document as a search gives it."""


class GenerationStore:
    """Reads and changes the bookkeeping of one cluster.  Thread-safe."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._meta = f"{prefix}flusso_meta"
        self._parsed: dict[str, dict[_Version, Generation]] = {}

    def ensure(self) -> None:
        """Create the bookkeeping index unless it exists; it can be searched when this returns.

        Raises `RetryableError` with OpenSearch's reason while it cannot be created.
        """
        where = path(self._meta)
        found = self._cluster.request("HEAD", where, allow=(HTTPStatus.NOT_FOUND,))
        if found.status != HTTPStatus.NOT_FOUND or not create_index(
            self._cluster, self._meta, _BODY
        ):
            # Another worker may be creating it at this moment, and only the request that creates it waits for its shard.
            where = path("_cluster", "health", self._meta)
            self._cluster.request(
                "GET", where, params=_STARTED, allow=(HTTPStatus.REQUEST_TIMEOUT,)
            )

    def load(self, index: str) -> list[Stored]:
        """All generations of a logical index, by number, then hash."""
        return list(self.read_index(index).stored)

    def active(self, name: GenerationName) -> Generation | None:
        """The record of a generation that is seeding or live; None for any other."""
        found = [item.generation for item in self.load(name.index)]
        kept = [item for item in found if item.state in ("seeding", "live")]
        return next((item for item in kept if item.name == name), None)

    def read_index(self, index: str) -> Known:
        """Everything that is recorded of a logical index."""
        return self._known(index, self._hits([index], _MAX_HITS))

    def read_indexes(self, indexes: Sequence[str]) -> dict[str, Known]:
        """Everything that is recorded of each of these, read in one request."""
        found = self._hits_of(indexes)
        return {index: self._known(index, found[index]) for index in indexes}

    def _hits_of(self, indexes: Sequence[str]) -> dict[str, list[Hit]]:
        hits = self._hits(indexes, _MAX_HITS_OF_ALL)
        if len(hits) == _MAX_HITS_OF_ALL:
            return {index: self._hits([index], _MAX_HITS) for index in indexes}
        of_index: dict[str, list[Hit]] = {index: [] for index in indexes}
        for hit in hits:
            named = hit["_source"]["index"]
            for index in [named] if isinstance(named, str) else named:
                if index in of_index:
                    of_index[index].append(hit)
        return of_index

    def _hits(self, indexes: Sequence[str], size: int) -> list[Hit]:
        query = {
            "size": size,
            "seq_no_primary_term": True,
            "query": {
                "bool": {
                    "filter": [{"terms": {"kind": _KINDS}}, {"terms": {"index": list(indexes)}}]
                }
            },
        }
        where = path(self._meta, "_search")
        reply = self._cluster.request("POST", where, query, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            # It was deleted.  The next write would create it with another mapping.
            self.ensure()
            return []
        hits: list[Hit] = reply.json()["hits"]["hits"]
        return hits

    def _known(self, index: str, found: Sequence[Hit]) -> Known:
        hits = {
            (hit["_id"], hit["_seq_no"], hit["_primary_term"]): hit
            for hit in found
            if hit["_source"]["kind"] == "generation"
        }
        # A plan is large and hardly ever changes, and during seeding it is read several times a second.
        before = self._parsed.get(index, {})
        parsed = {version: before.get(version) or self._read(hit) for version, hit in hits.items()}
        self._parsed[index] = parsed
        stored = [
            Stored(generation, seq_no, primary_term)
            for (_, seq_no, primary_term), generation in parsed.items()
        ]
        asked = [
            Asked(Reindex.from_json(hit["_source"]), hit["_seq_no"], hit["_primary_term"])
            for hit in found
            if hit["_source"]["kind"] == "reindex"
        ]
        return Known(
            sorted(stored, key=by_number),
            asked[0] if asked else None,
            _ordered(found),
            _carriers(found, index),
            _paused(found),
        )

    def indexes(self) -> list[str]:
        """The logical indexes that have a recorded generation."""
        query = {
            "size": 0,
            "query": {"term": {"kind": "generation"}},
            "aggs": {"indexes": {"terms": {"field": "index", "size": _MAX_HITS * 10}}},
        }
        reply = self._cluster.request(
            "POST", path(self._meta, "_search"), query, allow=(HTTPStatus.NOT_FOUND,)
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            return []
        return sorted(item["key"] for item in reply.json()["aggregations"]["indexes"]["buckets"])

    def ask(self, reindex: Reindex, earlier: Asked | None) -> bool:
        """Record a request, in place of `earlier`; False when that has changed since it was read."""
        params = {"op_type": "create"} if earlier is None else _only_if(earlier)
        return self._put_document(f"reindex:{reindex.index}", reindex.to_json(), params)

    def withdraw(self, asked: Asked) -> bool:
        """Remove a request; False when it has changed since it was read."""
        return self._delete_document(f"reindex:{asked.reindex.index}", _only_if(asked))

    def pause(self, pause: Pause) -> bool:
        """Record that an index is paused; False when it is already."""
        return self._put_document(f"pause:{pause.index}", pause.to_json(), {"op_type": "create"})

    def resume(self, paused: Paused) -> bool:
        """Remove that record; False when it has changed since it was read."""
        return self._delete_document(f"pause:{paused.pause.index}", _only_if(paused))

    def put_order(self, order: SchemaOrder, earlier: Ordered | None) -> bool:
        """Record the order of the schemas of an index, in place of `earlier`; False when that has changed since it was read."""
        params = {"op_type": "create"} if earlier is None else _only_if(earlier)
        return self._put_document(f"schemas:{order.index}", order.to_json(), params)

    def put_worker(self, worker: str, entry: Mapping[str, Any], *, seen: bool) -> None:
        """Put the entry of a worker, which only that worker writes; with `seen` every search finds it when this returns."""
        self.ensure()
        where = path(self._meta, "_doc", worker)
        self._cluster.request("PUT", where, entry, params=_REFRESH if seen else {})

    def forget_worker(self, carrier: Carrier) -> None:
        """Remove the entry of a worker that no longer lives."""
        where = path(self._meta, "_doc", carrier.worker)
        self._cluster.request("DELETE", where, allow=(HTTPStatus.NOT_FOUND,))

    def create(self, generation: Generation) -> bool:
        """Put a new document; False when it exists already."""
        return self._put(generation, {"op_type": "create"})

    def update(self, stored: Stored, generation: Generation) -> bool:
        """Change a document; False when it has changed since it was read."""
        return self._put(generation, _only_if(stored))

    def delete(self, stored: Stored) -> bool:
        """Remove a document; False when it has changed since it was read."""
        return self._delete_document(stored.generation.name.physical, _only_if(stored))

    def mirror(self, generation: Generation) -> None:
        """Put a document, replacing what is there: a copy of the bookkeeping that counts, for information."""
        self._put(generation, {})

    def forget(self, name: GenerationName) -> None:
        """Remove a document, whatever its version; no error when there is none."""
        where = path(self._meta, "_doc", name.physical)
        self._cluster.request("DELETE", where, params=_REFRESH, allow=(HTTPStatus.NOT_FOUND,))

    def physical(self, index: str) -> list[GenerationName]:
        """Every concrete index whose name is that of a generation of `index`."""
        start = f"{self._prefix}{index}_"
        reply = self._cluster.request(
            "GET",
            path("_cat", "indices", f"{start}*"),
            params={"h": "index", "format": "json", "expand_wildcards": "all"},
            allow=(HTTPStatus.NOT_FOUND,),
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            return []
        pattern = re.compile(re.escape(start) + r"([0-9a-f]{8})_([0-9]+)")
        found = [pattern.fullmatch(str(row["index"])) for row in reply.json()]
        return [
            GenerationName(index, match[1], int(match[2]), self._prefix) for match in found if match
        ]

    def _read(self, hit: Hit) -> Generation:
        try:
            return Generation.from_json(hit["_source"])
        except (KeyError, TypeError, ValueError) as error:
            raise FatalError(
                f"sink {self._cluster.name}: cannot read the record of generation {hit['_id']} in"
                f" {self._meta} ({error}); another version wrote it, or it was edited by hand. Run that version,"
                " or delete the document to rebuild the index"
            ) from error

    def _put(self, generation: Generation, params: Mapping[str, str]) -> bool:
        return self._put_document(generation.name.physical, generation.to_json(), params)

    def _put_document(self, name: str, value: Any, params: Mapping[str, str]) -> bool:
        where = path(self._meta, "_doc", name)
        reply = self._cluster.request(
            "PUT", where, value, params={**params, **_REFRESH}, allow=(HTTPStatus.CONFLICT,)
        )
        return reply.status != HTTPStatus.CONFLICT

    def _delete_document(self, name: str, params: Mapping[str, str]) -> bool:
        where = path(self._meta, "_doc", name)
        reply = self._cluster.request(
            "DELETE",
            where,
            params={**params, **_REFRESH},
            allow=(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND),
        )
        return reply.status != HTTPStatus.CONFLICT


def _ordered(found: Sequence[Hit]) -> Ordered | None:
    for hit in found:
        if hit["_source"]["kind"] == "schemas":
            order = SchemaOrder.from_json(hit["_source"])
            return Ordered(order, hit["_seq_no"], hit["_primary_term"])
    return None


def _paused(found: Sequence[Hit]) -> Paused | None:
    for hit in found:
        if hit["_source"]["kind"] == "pause":
            return Paused(Pause.from_json(hit["_source"]), hit["_seq_no"], hit["_primary_term"])
    return None


def _carriers(found: Sequence[Hit], index: str) -> list[Carrier]:
    entries = [(hit["_id"], hit["_source"]) for hit in found if hit["_source"]["kind"] == "worker"]
    return [
        Carrier(
            worker,
            entry["schemas"][index],
            entry["sequence"],
            entry["ended"],
            _options(entry.get("options", {}).get(index)),
        )
        for worker, entry in entries
    ]


def _options(value: Mapping[str, Any] | None) -> AppliedOptions | None:
    return None if value is None else AppliedOptions.from_json(value)


def _only_if(stored: Stored | Asked | Ordered | Paused) -> dict[str, Any]:
    return {"if_seq_no": str(stored.seq_no), "if_primary_term": str(stored.primary_term)}
