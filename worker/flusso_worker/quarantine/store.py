"""The index `flusso_quarantine`: one entry per document that could not be written, versioned like documents.

An entry has the version of the build that failed, and is removed at the version of the build that did not: so
whichever worker comes last, what stands is what the newest build says.
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

_BATCH, _BYTES = 200, 5 * 1024 * 1024
_PAGE = 100
_IDS = 5000
_KEYWORD = {"type": "keyword", "ignore_above": 512}
_BODY: dict[str, Any] = {
    "settings": {
        "index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "gc_deletes": "1h"}
    },
    # What is not named here is kept and never parsed: nothing in it can be refused.
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
    """Reads and changes the quarantine of one cluster.  Thread-safe."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._name = f"{prefix}flusso_quarantine"
        self._alias = f"{self._name}_write"
        """Writes go through it with `require_alias`: by itself the index would come with another mapping."""

    def ensure(self) -> None:
        """Create the index unless it is there."""
        create_index(self._cluster, self._name, {**_BODY, "aliases": {self._alias: {}}})
        add = {"add": {"index": self._name, "alias": self._alias}}
        self._cluster.request("POST", "/_aliases", {"actions": [add]})

    def put(self, entries: Sequence[Entry]) -> None:
        """Keep entries of one generation, unless newer ones are there; then leave a new stamp."""
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
        """Changes with every entry that is put for a generation; None before the first.

        Read after a document was written, it tells whether there may be an entry of it.
        """
        where = path(self._name, "_doc", _stamp_id(physical))
        reply = self._cluster.request("GET", where, allow=(HTTPStatus.NOT_FOUND,))
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        return str(reply.json()["_source"]["stamp"])

    def ids(self, physical: str) -> set[str]:
        """The documents of a generation that are in quarantine."""
        query = {"bool": {"filter": [*_ENTRIES, {"term": {"generation": physical}}]}}
        found = self._search(query, {"_source": ["id"]}, _IDS)
        return {str(hit["_source"]["id"]) for hit in found}

    def entries(
        self, indexes: Iterable[str] = (), documents: Iterable[str] = (), *, brief: bool = False
    ) -> Iterator[Entry]:
        """Entries, all or those of some indexes and document ids, a page at a time.

        `brief` ones come without the document.
        """
        wanted, names = set(documents), list(indexes)
        filters: list[dict[str, Any]] = [*_ENTRIES]
        if names:
            filters.append({"terms": {"index": names}})
        more = {"_source": {"excludes": ["document"]}} if brief else {}
        for hit in self._search({"bool": {"filter": filters}}, more, _PAGE):
            entry = self._read(hit)
            if not wanted or entry.id in wanted:
                yield entry

    def get(self, physical: str, document: str) -> Entry | None:
        """The entry of a document as it is now."""
        where = path(self._name, "_doc", entry_id(physical, document))
        reply = self._cluster.request("GET", where, allow=(HTTPStatus.NOT_FOUND,))
        return None if reply.status == HTTPStatus.NOT_FOUND else self._read(reply.json())

    def drop(self, entry: Entry) -> None:
        """Remove an entry unless it has changed."""
        self.remove(entry.generation.physical, {entry.id: entry.version})

    def forget(self, physical: str) -> None:
        """Remove all of a generation that is gone."""
        query = {"query": {"term": {"generation": physical}}}
        self._cluster.request(
            "POST",
            path(self._name, "_delete_by_query"),
            query,
            params={"conflicts": "proceed", "refresh": "true"},
            allow=(HTTPStatus.NOT_FOUND,),
        )

    def _write(self, operations: Iterable[Operation]) -> None:
        for chunk in bulk.chunks(operations, _BATCH, _BYTES):
            if self._write_chunk(chunk):
                continue
            self.ensure()
            if not self._write_chunk(chunk):
                raise RetryableError(f"{self._name} was deleted again")

    def _write_chunk(self, chunk: bulk.Chunk) -> bool:
        """Send one request; False when the index is not there."""
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
        if verdicts.retry or verdicts.doubtful:
            raise RetryableError(f"{self._name} takes no entries now: {verdicts.reason}")
        if verdicts.refused or verdicts.rejected:
            reason = verdicts.refused or verdicts.rejected[0].reason
            raise FatalError(
                f"OpenSearch refuses to keep an entry in {self._name}: {reason}; check the privileges of the"
                f" user of [sinks.{self._cluster.name}], or delete {self._name}: it is made anew"
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
                " somebody changed it; delete it"
            ) from error


_ENTRIES: tuple[dict[str, Any], ...] = ({"term": {"kind": "document"}},)


def _stamp_id(physical: str) -> str:
    return f"stamp:{physical}"
