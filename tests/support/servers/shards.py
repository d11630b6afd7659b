"""Taking the shards of indexes away, and giving them back.  OpenSearch then forgets the versions of deleted documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import httpx


@contextmanager
def without_shards(opensearch_url: str, indexes: Collection[str]) -> Iterator[None]:
    """Within, the indexes are red: no node may hold their shards."""
    with httpx.Client(base_url=opensearch_url, timeout=60) as client:

        def require(node: str | None) -> None:
            settings = {"index.routing.allocation.require._name": node}
            client.put(f"/{','.join(indexes)}/_settings", json=settings).raise_for_status()

        require("nobody")
        for index in indexes:
            for shard in client.get(f"/_cat/shards/{index}", params={"format": "json"}).json():
                cancel = {
                    "index": index,
                    "shard": int(shard["shard"]),
                    "node": shard["node"],
                    "allow_primary": True,
                }
                answer = client.post("/_cluster/reroute", json={"commands": [{"cancel": cancel}]})
                answer.raise_for_status()
        health = client.get(f"/_cluster/health/{','.join(indexes)}").json()
        assert health["status"] == "red"
        try:
            yield
        finally:
            require(None)
