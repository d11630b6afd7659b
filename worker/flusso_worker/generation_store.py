"""The bookkeeping index `flusso_meta`: one document per generation, every change a compare-and-set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flusso_shared.names import GenerationName
from flusso_worker.generation_record import Generation, Stored
from flusso_worker.opensearch import Cluster, path

_CONFLICT = 409
_NOT_FOUND = 404
_MOST = 1000
_BODY = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
    "mappings": {
        "dynamic": False,
        "properties": {"kind": {"type": "keyword"}, "index": {"type": "keyword"}},
    },
}


class GenerationStore:
    """Reads and changes the bookkeeping of one cluster."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._meta = f"{prefix}flusso_meta"

    def ensure(self) -> None:
        """Create the bookkeeping index unless it is there."""
        if (
            self._cluster.request("HEAD", path(self._meta), allow=(_NOT_FOUND,)).status
            == _NOT_FOUND
        ):
            self._cluster.request("PUT", path(self._meta), _BODY, allow=(400,))

    def load(self, index: str) -> list[Stored]:
        """All generations of a logical index, by number."""
        self._cluster.request("POST", path(self._meta, "_refresh"))
        query = {
            "size": _MOST,
            "seq_no_primary_term": True,
            "query": {
                "bool": {"filter": [{"term": {"kind": "generation"}}, {"term": {"index": index}}]}
            },
        }
        reply = self._cluster.request("POST", path(self._meta, "_search"), query).json()
        found = [
            Stored(Generation.from_json(hit["_source"]), hit["_seq_no"], hit["_primary_term"])
            for hit in reply["hits"]["hits"]
        ]
        return sorted(found, key=lambda item: item.generation.name.number)

    def create(self, generation: Generation) -> bool:
        """Put a new document; False when somebody else has."""
        return self._put(generation, {"op_type": "create"})

    def update(self, stored: Stored, generation: Generation) -> bool:
        """Change a document; False when it has changed since it was read."""
        return self._put(generation, _only_if(stored))

    def delete(self, stored: Stored) -> bool:
        """Remove a document; False when it has changed since it was read."""
        where = path(self._meta, "_doc", stored.generation.name.physical)
        reply = self._cluster.request(
            "DELETE", where, params=_only_if(stored), allow=(_CONFLICT, _NOT_FOUND)
        )
        return reply.status != _CONFLICT

    def mirror(self, generation: Generation) -> None:
        """Put a document whatever stands there: the lead's bookkeeping, for information."""
        self._put(generation, {})

    def numbers(self, index: str) -> dict[str, int]:
        """Physical index -> number, for everything named like a generation of `index`."""
        pattern = f"{self._prefix}{index}_*"
        reply = self._cluster.request(
            "GET",
            path("_cat", "indices", pattern),
            params={"h": "index", "format": "json", "expand_wildcards": "all"},
            allow=(_NOT_FOUND,),
        )
        if reply.status == _NOT_FOUND:
            return {}
        shape = re.compile(re.escape(f"{self._prefix}{index}_") + r"[0-9a-f]{8}_(\d+)")
        names = [str(row["index"]) for row in reply.json()]
        return {name: int(match[1]) for name in names if (match := shape.fullmatch(name))}

    def _put(self, generation: Generation, params: Mapping[str, str]) -> bool:
        where = path(self._meta, "_doc", generation.name.physical)
        reply = self._cluster.request(
            "PUT", where, generation.to_json(), params=params, allow=(_CONFLICT,)
        )
        return reply.status != _CONFLICT


class LocalStore:
    """Bookkeeping of one process, where no cluster is configured."""

    def __init__(self) -> None:
        self._generations: dict[GenerationName, Stored] = {}

    def ensure(self) -> None:
        """Nothing to create."""

    def load(self, index: str) -> list[Stored]:
        return [item for item in self._generations.values() if item.generation.name.index == index]

    def create(self, generation: Generation) -> bool:
        self._generations[generation.name] = Stored(generation)
        return True

    def update(self, stored: Stored, generation: Generation) -> bool:
        self._generations[generation.name] = Stored(generation, stored.seq_no + 1)
        return True

    def delete(self, stored: Stored) -> bool:
        self._generations.pop(stored.generation.name, None)
        return True

    def mirror(self, generation: Generation) -> None:
        """There is no other place."""

    def numbers(self, index: str) -> dict[str, int]:
        return {
            item.generation.name.physical: item.generation.name.number for item in self.load(index)
        }


def _only_if(stored: Stored) -> dict[str, Any]:
    return {"if_seq_no": str(stored.seq_no), "if_primary_term": str(stored.primary_term)}
