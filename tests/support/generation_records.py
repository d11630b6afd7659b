"""What the bookkeeping has of the generations under a prefix."""

from __future__ import annotations

from contextlib import closing

from flusso_worker.generations.store import GenerationStore
from flusso_worker.sinks.cluster import Cluster
from support.kits.index_kit import connection


def recorded(opensearch_url: str, prefix: str) -> dict[str, list[tuple[str, str]]]:
    """Per index physical names and states."""
    with closing(Cluster(connection(opensearch_url))) as cluster:
        book = GenerationStore(cluster, prefix)
        return {
            name: [
                (item.generation.name.physical, item.generation.state) for item in book.load(name)
            ]
            for name in book.indexes()
        }
