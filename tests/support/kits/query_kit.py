"""Generations with documents, as workers leave them, and the query client over them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from opensearchpy import OpenSearch

from flusso_query import Client
from flusso_shared.config.model import OpenSearchConnection, OpenSearchSinkConfig
from flusso_shared.names import GenerationName
from flusso_shared.plan.model import IndexPlan
from flusso_worker.generations.physical import GenerationIndexes
from flusso_worker.sinks.cluster import Cluster, path

Json = dict[str, Any]


class QueryKit:
    """Indexes with one prefix, and clients of them.  Close it at the end."""

    def __init__(self, url: str, prefix: str, shards: int = 1) -> None:
        config = OpenSearchSinkConfig(
            name="primary", type="opensearch", number_of_replicas=0, number_of_shards=shards
        )
        self.url = url
        self.prefix = prefix
        self.cluster = Cluster(OpenSearchConnection(name="primary", urls=(url,), config=config))
        self.opensearch = OpenSearch(url, timeout=60)
        self.client = Client(self.opensearch, prefix=prefix)
        self.line = int(self.opensearch.info()["version"]["number"].split(".")[0])
        self._indexes = GenerationIndexes(self.cluster)

    def create(self, plan: IndexPlan, number: int = 1) -> GenerationName:
        """A generation without documents, that has no alias for readers yet."""
        name = GenerationName(plan.name, plan.hash, number, self.prefix)
        self._indexes.create(name, plan)
        return name

    def write(self, name: GenerationName, documents: Iterable[Json]) -> None:
        """Put documents, whose id is that of their field `id`."""
        lines: list[str] = []
        for document in documents:
            lines += [json.dumps({"index": {"_id": str(document["id"])}}), json.dumps(document)]
            if len(lines) >= 10_000:
                self._bulk(name, lines)
                lines = []
        self._bulk(name, lines)

    def delete(self, name: GenerationName, ids: Iterable[str]) -> None:
        """Delete documents."""
        self._bulk(name, [json.dumps({"delete": {"_id": id_}}) for id_ in ids])

    def publish(self, name: GenerationName) -> None:
        """Let readers see it, in place of an earlier one."""
        self._indexes.publish(name)

    def seed(self, plan: IndexPlan, documents: Iterable[Json], number: int = 1) -> GenerationName:
        """A generation with documents, that readers see."""
        name = self.create(plan, number)
        self.write(name, documents)
        self.publish(name)
        return name

    def remove(self, name: GenerationName) -> None:
        """Delete a generation's index."""
        self.cluster.request("DELETE", path(name.physical))

    def remove_all(self) -> None:
        """Delete every index with the prefix."""
        for name in self.opensearch.indices.get(index=f"{self.prefix}*"):
            self.opensearch.indices.delete(index=name)

    def _bulk(self, name: GenerationName, lines: list[str]) -> None:
        if lines:
            body = "".join(f"{line}\n" for line in lines)
            reply = self.opensearch.bulk(body=body, index=name.write_alias)
            assert not reply["errors"], reply

    def close(self) -> None:
        self.opensearch.close()
        self.cluster.close()
