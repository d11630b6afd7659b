"""A generation's index in the real OpenSearch, and what it holds."""

from __future__ import annotations

from typing import Any

import psycopg

from flusso_shared.config.model import OpenSearchConnection, OpenSearchSinkConfig
from flusso_shared.names import GenerationName
from flusso_worker.generations.physical import GenerationIndexes
from flusso_worker.sinks.cluster import Cluster, path
from support.stores.small import PLAN


def connection(url: str, name: str = "primary") -> OpenSearchConnection:
    """A sink on a server without authentication and with one node."""
    config = OpenSearchSinkConfig(name=name, type="opensearch", number_of_replicas=0)
    return OpenSearchConnection(name=name, urls=(url,), config=config)


class IndexKit:
    """One generation of the small store's index.  Close the cluster's connections with `close`."""

    def __init__(self, url: str, prefix: str, number: int = 1) -> None:
        self.cluster = Cluster(connection(url))
        self.name = GenerationName(PLAN.name, PLAN.hash, number, prefix)

    def create(self) -> None:
        """Make the index and its write alias."""
        GenerationIndexes(self.cluster).create(self.name, PLAN)

    def documents(self, index: str | None = None) -> dict[int, Any]:
        """Every document by id, after a refresh."""
        target = index or self.name.physical
        self.cluster.request("POST", path(target, "_refresh"))
        query = {"size": 10_000, "query": {"match_all": {}}}
        reply = self.cluster.request("POST", path(target, "_search"), query).json()
        return {int(hit["_id"]): hit["_source"] for hit in reply["hits"]["hits"]}

    def close(self) -> None:
        self.cluster.close()


def expected(url: str) -> dict[int, Any]:
    """What the documents should be, nested in Python from whole tables."""
    with psycopg.connect(url) as database:
        rows = {
            table: database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("users", "orders", "items", "tags", "user_tags")
        }
    items = [{"id": row[0], "order": row[1], "quantity": row[2]} for row in rows["items"]]
    labels: dict[int, str] = dict(rows["tags"])
    found: dict[int, Any] = {}
    for user, name, _, parts in rows["users"]:
        if parts == 0:
            continue
        orders = [
            {
                "id": order,
                "status": status,
                "items": [
                    {"id": item["id"], "quantity": item["quantity"]}
                    for item in items
                    if item["order"] == order
                ],
            }
            for order, owner, status in rows["orders"]
            if owner == user
        ]
        tags = [
            {"id": tag, "label": labels[tag]}
            for owner, tag in rows["user_tags"]
            if owner == user and tag in labels
        ]
        found[user] = {"id": user, "name": name, "orders": orders, "tags": tags}
    return found
