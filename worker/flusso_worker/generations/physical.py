"""The physical side of a generation in one cluster: its index, its aliases, their swap."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.names import GenerationName
from flusso_shared.plan.mapping import index_body
from flusso_shared.plan.model import IndexPlan
from flusso_worker.generations.decide import Damage
from flusso_worker.sinks.cluster import Cluster, path

logger = logging.getLogger(__name__)


_AT_CREATION = (
    "auto_subfields",
    "number_of_replicas",
    "number_of_shards",
    "refresh_interval",
    "text_analysis",
)


def creation_settings(sink: OpenSearchSinkConfig) -> dict[str, Any]:
    """The settings of a sink that an index gets when it is made, and keeps."""
    return {name: getattr(sink, name) for name in _AT_CREATION}


class GenerationIndexes:
    """Indexes and aliases of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def create(self, name: GenerationName, plan: IndexPlan) -> None:
        """Create the index with its write alias; no error when it is there.

        It is not refreshed during seeding, when no query reads it.  Deletes are remembered for an hour, or
        until the shard starts again, so that no older write brings a document back (I3).
        """
        self.require_free_aliases(name)
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
        reply = self._cluster.request(
            "PUT", path(name.physical), body, allow=(HTTPStatus.BAD_REQUEST,)
        )
        if reply.status == HTTPStatus.BAD_REQUEST and "resource_already_exists" not in reply.text:
            raise FatalError(
                f"OpenSearch refuses to create {name.physical}: {reply.reason()}; check `options` in"
                f" {plan.schema_file or 'the schema'} and the sink's settings"
            )

    def refresh(self, name: GenerationName) -> None:
        """Make all writes so far visible to queries."""
        self._cluster.request("POST", path(name.physical, "_refresh"))

    def publish(self, name: GenerationName) -> None:
        """Make what was seeded visible to queries, then move the aliases to this index, in one request."""
        self.refresh(name)
        self._point_aliases(name)
        settings = {"index": {"refresh_interval": self._cluster.config.refresh_interval}}
        self._cluster.request("PUT", path(name.physical, "_settings"), settings)

    def _point_aliases(self, name: GenerationName) -> None:
        actions: list[dict[str, Any]] = []
        for alias in (name.hash_alias, name.plain_alias):
            holders = self._holders(alias)
            if newer := [holder for holder in holders if _number(holder) > name.number]:
                raise RetryableError(
                    f"sink {self._cluster.name}: {newer[0]} has alias {alias}, and {name.physical} is older"
                )
            # `must_exist`: if another process has moved the alias meanwhile, the request changes nothing.
            actions += [
                {"remove": {"index": holder, "alias": alias, "must_exist": True}}
                for holder in sorted(holders - {name.physical})
            ]
            if name.physical not in holders:
                actions.append({"add": {"index": name.physical, "alias": alias}})
        if actions:
            self._change_aliases(
                actions, f"aliases changed while they were to be moved to {name.physical}"
            )

    def _change_aliases(self, actions: list[dict[str, Any]], otherwise: str) -> None:
        """Apply all of `actions` in one request, or none of them when an alias or index that they name does not exist.

        Raises `RetryableError` with `otherwise` then.
        """
        reply = self._cluster.request(
            "POST", "/_aliases", {"actions": actions}, allow=(HTTPStatus.NOT_FOUND,)
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            raise RetryableError(f"sink {self._cluster.name}: {otherwise}")

    def delete(self, name: GenerationName, heir: GenerationName | None) -> bool:
        """Delete the index of a generation, if there is one; False when that has to wait for another call.

        An index that queries see stays until the `heir` has its aliases, and for one call more: a query that was
        already routed to it would find no shard and fail with 503.
        """
        aliases = self._aliases(name)
        if aliases is None:
            return True
        if heir is None:
            if name.plain_alias in aliases:
                return False
            self._cluster.request("DELETE", path(name.physical), allow=(HTTPStatus.NOT_FOUND,))
            return True
        actions: list[dict[str, Any]] = [
            {"add": {"index": heir.physical, "alias": alias}}
            for alias in (heir.plain_alias, heir.hash_alias)
        ]
        if seen := aliases & {heir.plain_alias, heir.hash_alias}:
            actions += [
                {"remove": {"index": name.physical, "alias": alias, "must_exist": True}}
                for alias in sorted(seen)
            ]
            self._change_aliases(
                actions, f"aliases changed while they were to be moved to {heir.physical}"
            )
            return False
        actions.append({"remove_index": {"index": name.physical}})
        self._change_aliases(actions, f"indexes changed while {name.physical} was to be deleted")
        return True

    def _aliases(self, name: GenerationName) -> set[str] | None:
        """The aliases of a generation's index; None when there is no such index."""
        reply = self._cluster.request(
            "GET", path(name.physical, "_alias"), allow=(HTTPStatus.NOT_FOUND,)
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        return set(reply.json().get(name.physical, {}).get("aliases", {}))

    def damage(self, name: GenerationName, *, live: bool) -> Damage | None:
        """What is missing of a generation, or None; a `live` one must have the aliases that queries use."""
        aliases = self._aliases(name)
        if aliases is None:
            return Damage(f"its index is gone from sink {self._cluster.name}")
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
        reply = self._cluster.request("GET", path("_alias", alias), allow=(HTTPStatus.NOT_FOUND,))
        return set() if reply.status == HTTPStatus.NOT_FOUND else set(reply.json())

    def require_free_aliases(self, name: GenerationName) -> None:
        """Raises `FatalError` when an index, as opposed to an alias, has the name of an alias."""
        for alias in (name.hash_alias, name.plain_alias, name.write_alias):
            reply = self._cluster.request("GET", path(alias), allow=(HTTPStatus.NOT_FOUND,))
            if reply.status != HTTPStatus.NOT_FOUND and alias in reply.json():
                raise FatalError(
                    f"sink {self._cluster.name} has an index called `{alias}`, which must be an alias of"
                    f" {name.physical}; reindex it elsewhere or delete it, or set `prefix` in flusso.toml"
                )


def _number(physical: str) -> int:
    """The number of a generation, from the name of its index; 0 for another index."""
    number = physical.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0
