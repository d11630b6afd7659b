"""The index `flusso_quarantine`: one entry per document that could not be written, versioned like documents.

An entry has the version of the build that failed, and is removed with the version of the build that succeeded.  So the
newest build decides whether there is an entry, in whatever order workers write.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.seams import Operation
from flusso_worker.quarantine.record import Entry, entry_id
from flusso_worker.sinks import bulk, bulk_reply
from flusso_worker.sinks.cluster import Cluster, create_index, path
from flusso_worker.sinks.scan import hits

_MAX_BULK_ENTRIES, _MAX_BULK_BYTES = 200, 5 * 1024 * 1024
_ENTRIES_PER_PAGE = 100
_IDS_PER_PAGE = 5000
_MAX_INDEXES = 10_000
_KEYWORD = {"type": "keyword", "ignore_above": 512}
_BODY: dict[str, Any] = {
    "settings": {
        "index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "gc_deletes": "1h"}
    },
    # Fields that are not listed here are stored and never parsed: no value of theirs can be refused.
    "mappings": {
        "dynamic": False,
        "properties": {
            "kind": _KEYWORD,
            "index": _KEYWORD,
            "generation": _KEYWORD,
            "id": _KEYWORD,
            "sink": _KEYWORD,
            "reason": {"type": "text"},
            "at": {"type": "date"},
        },
    },
}


class QuarantineStore:
    """Reads and changes the quarantine of one cluster.  Thread-safe.

    Its methods raise `RetryableError`, and `FatalError` for what an operator has to repair.
    """

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._name = f"{prefix}flusso_quarantine"
        self._alias = f"{self._name}_write"
        """Writes use it with `require_alias`: otherwise the first write would create the index with another mapping."""

    def ensure(self) -> None:
        """Create the index and its alias unless they exist."""
        create_index(self._cluster, self._name, {**_BODY, "aliases": {self._alias: {}}})
        add = {"add": {"index": self._name, "alias": self._alias}}
        self._cluster.request("POST", "/_aliases", {"actions": [add]})

    def put(self, entries: Sequence[Entry]) -> None:
        """Put entries of one generation, unless newer ones exist; then change the stamp of the generation."""
        if not entries:
            return
        physical = entries[0].generation.physical
        self._write(
            Operation(
                entry_id(physical, item.id), item.version, json.dumps(item.to_json()).encode()
            )
            for item in entries
        )
        stamp = {"kind": "stamp", "generation": physical, "stamp": uuid.uuid4().hex}
        self._cluster.request(
            "PUT",
            path(self._alias, "_doc", _stamp_id(physical)),
            stamp,
            params={"require_alias": "true"},
        )

    def remove(self, physical: str, versions: Mapping[str, int]) -> None:
        """Remove the entries of documents of a generation, unless an entry is newer than the version given."""
        self._write(
            Operation(entry_id(physical, document), version, None)
            for document, version in versions.items()
        )

    def stamp(self, physical: str) -> str | None:
        """A text that changes with every entry that is put for a generation; None before the first.

        A worker that reads it after writing a document knows whether there may be an entry for it.
        """
        where = path(self._name, "_doc", _stamp_id(physical))
        reply = self._cluster.request("GET", where, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        return str(reply.json()["_source"]["stamp"])

    def ids(self, physical: str) -> set[str]:
        """The ids of the documents of a generation that are in quarantine."""
        query = {"bool": {"filter": [*_ENTRIES, {"term": {"generation": physical}}]}}
        found = self._search(query, {"_source": ["id"]}, _IDS_PER_PAGE)
        return {str(hit["_source"]["id"]) for hit in found}

    def counts(self) -> dict[str, int]:
        """The number of entries by index; an index without entries is absent."""
        query = {
            "size": 0,
            "query": {"bool": {"filter": [*_ENTRIES]}},
            "aggs": {"indexes": {"terms": {"field": "index", "size": _MAX_INDEXES}}},
        }
        where = path(self._name, "_search")
        reply = self._cluster.request("POST", where, query, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            return {}
        buckets = reply.json()["aggregations"]["indexes"]["buckets"]
        return {str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}

    def entries(
        self, indexes: Iterable[str] = (), documents: Iterable[str] = (), *, brief: bool = False
    ) -> Iterator[Entry]:
        """Entries, all or those of some indexes and document ids, read page by page.

        `brief` entries are without the document.
        """
        wanted, names = set(documents), list(indexes)
        filters: list[dict[str, Any]] = [*_ENTRIES]
        if names:
            filters.append({"terms": {"index": names}})
        more = {"_source": {"excludes": ["document"]}} if brief else {}
        for hit in self._search({"bool": {"filter": filters}}, more, _ENTRIES_PER_PAGE):
            entry = self._read(hit)
            if not wanted or entry.id in wanted:
                yield entry

    def get(self, physical: str, document: str) -> Entry | None:
        """The current entry of a document; None without one."""
        where = path(self._name, "_doc", entry_id(physical, document))
        reply = self._cluster.request("GET", where, allow=(HTTPStatus.NOT_FOUND,))
        return None if reply.status == HTTPStatus.NOT_FOUND else self._read(reply.json())

    def drop(self, entry: Entry) -> None:
        """Remove an entry unless a newer one has replaced it."""
        self.remove(entry.generation.physical, {entry.id: entry.version})

    def forget(self, physical: str) -> None:
        """Remove all entries of a generation that was deleted."""
        query = {"query": {"term": {"generation": physical}}}
        self._cluster.request(
            "POST",
            path(self._name, "_delete_by_query"),
            query,
            params={"conflicts": "proceed", "refresh": "true"},
            allow=(HTTPStatus.NOT_FOUND,),
        )

    def _write(self, operations: Iterable[Operation]) -> None:
        for chunk in bulk.chunks(operations, _MAX_BULK_ENTRIES, _MAX_BULK_BYTES):
            if self._write_chunk(chunk):
                continue
            self.ensure()
            if not self._write_chunk(chunk):
                raise RetryableError(f"{self._name} was deleted again")

    def _write_chunk(self, chunk: bulk.Chunk) -> bool:
        """Send one request; False when the index does not exist."""
        reply = self._cluster.request(
            "POST",
            path(self._alias, "_bulk"),
            chunk.body,
            params={"require_alias": "true"},
            allow=(HTTPStatus.NOT_FOUND,),
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            return False
        verdicts = bulk_reply.judge(chunk.operations, reply.text)
        if verdicts.gone:
            return False
        if verdicts.retry or verdicts.uncertain:
            why = verdicts.wait.text if verdicts.wait else ""
            raise RetryableError(f"{self._name} does not accept entries now: {why}")
        if verdicts.refused or verdicts.rejected:
            reason = verdicts.refused or verdicts.rejected[0].reason
            raise FatalError(
                f"OpenSearch refuses to store an entry in {self._name}: {reason}; check the privileges of the"
                f" user of [sinks.{self._cluster.name}], or delete {self._name}: it is created again"
            )
        return True

    def _search(
        self, query: Mapping[str, Any], more: Mapping[str, Any], size: int
    ) -> Iterator[Mapping[str, Any]]:
        for page in hits(self._cluster, self._name, {"query": query, **more}, size, absent=True):
            yield from page

    def _read(self, hit: Mapping[str, Any]) -> Entry:
        try:
            return Entry.from_json(hit["_source"])
        except (KeyError, TypeError) as error:
            raise FatalError(
                f"cannot read entry {hit['_id']} of {self._name} ({error!r}): another version wrote it, or"
                " it was edited by hand; delete it"
            ) from error


_ENTRIES: tuple[dict[str, Any], ...] = ({"term": {"kind": "document"}},)


def _stamp_id(physical: str) -> str:
    return f"stamp:{physical}"
