"""The physical side of a generation in one cluster: its index, its aliases, their swap."""

from __future__ import annotations

import logging
from typing import Any

from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.mapping import index_body
from flusso_shared.names import GenerationName
from flusso_shared.plan import IndexPlan
from flusso_worker.generation_plan import Damage
from flusso_worker.opensearch import Cluster, path

logger = logging.getLogger(__name__)

_NOT_FOUND = 404
_BAD_REQUEST = 400


class GenerationIndexes:
    """Indexes and aliases of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def create(self, name: GenerationName, plan: IndexPlan) -> None:
        """Create the index with its write alias; no error when it is there.

        It is not refreshed while it is seeded: nobody searches it.  Deletes are remembered for an hour, so
        that no older write can bring a document back (I3).
        """
        self._refuse_taken(name)
        config = self._cluster.config
        body: dict[str, Any] = index_body(
            plan,
            auto_subfields=config.auto_subfields,
            text_analysis=config.text_analysis,
            shards=config.number_of_shards,
            replicas=config.number_of_replicas,
            refresh_interval="-1",
        )
        body["settings"]["index"]["gc_deletes"] = "1h"
        body["aliases"] = {name.write_alias: {}}
        reply = self._cluster.request("PUT", path(name.physical), body, allow=(_BAD_REQUEST,))
        if reply.status == _BAD_REQUEST and "resource_already_exists" not in reply.text:
            raise FatalError(
                f"OpenSearch refuses to create {name.physical}: {reply.text[:1000]}; check `options` in"
                f" {plan.schema_file or 'the schema'} and the sink's settings"
            )

    def refresh(self, name: GenerationName) -> None:
        """Make searchable what was written so far."""
        self._cluster.request("POST", path(name.physical, "_refresh"))

    def publish(self, name: GenerationName) -> None:
        """Make searchable what was seeded, then point the aliases here, away from all others, in one call."""
        self._refuse_taken(name)
        self.refresh(name)
        self._point_aliases(name)
        settings = {"index": {"refresh_interval": self._cluster.config.refresh_interval}}
        self._cluster.request("PUT", path(name.physical, "_settings"), settings)

    def _point_aliases(self, name: GenerationName) -> None:
        actions: list[dict[str, Any]] = []
        for alias in (name.hash_alias, name.plain_alias):
            holders = self._holders(alias)
            actions += [
                {"remove": {"index": holder, "alias": alias}}
                for holder in sorted(holders - {name.physical})
            ]
            if name.physical not in holders:
                actions.append({"add": {"index": name.physical, "alias": alias}})
        if not actions:
            return
        reply = self._cluster.request(
            "POST", "/_aliases", {"actions": actions}, allow=(_NOT_FOUND,)
        )
        if reply.status == _NOT_FOUND:
            raise RetryableError(
                f"sink {self._cluster.name}: aliases changed while they were to be moved to {name.physical}"
            )

    def delete(self, physical: str) -> None:
        """Delete an index; no error when there is none."""
        self._cluster.request("DELETE", path(physical), allow=(_NOT_FOUND,))

    def damage(self, name: GenerationName, *, live: bool) -> Damage | None:
        """What is missing of a generation that should be there, or None."""
        reply = self._cluster.request("GET", path(name.physical, "_alias"), allow=(_NOT_FOUND,))
        if reply.status == _NOT_FOUND:
            return Damage(f"its index is gone from sink {self._cluster.name}")
        aliases = set(reply.json().get(name.physical, {}).get("aliases", {}))
        needed = {name.write_alias}
        if live:
            needed |= {name.hash_alias, name.plain_alias}
        if missing := sorted(needed - aliases):
            return Damage(
                f"alias {', '.join(missing)} was removed from it on sink {self._cluster.name}",
                writable=name.write_alias in aliases,
            )
        return None

    def _holders(self, alias: str) -> set[str]:
        reply = self._cluster.request("GET", path("_alias", alias), allow=(_NOT_FOUND,))
        return set() if reply.status == _NOT_FOUND else set(reply.json())

    def _refuse_taken(self, name: GenerationName) -> None:
        """An index, as opposed to an alias, that has an alias' name stands in the way."""
        for alias in (name.hash_alias, name.plain_alias, name.write_alias):
            reply = self._cluster.request("GET", path(alias), allow=(_NOT_FOUND,))
            if reply.status != _NOT_FOUND and alias in reply.json():
                raise FatalError(
                    f"sink {self._cluster.name} has an index called `{alias}`, which must be an alias of"
                    f" {name.physical}; reindex it elsewhere or delete it, or set `prefix` in flusso.toml"
                )
