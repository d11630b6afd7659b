"""Asks the OpenSearch clusters: version, names that are taken, privileges, and whether they take the mappings.

Nothing is created: a mapping is tried out with the simulation of a template that is never stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flusso_cli.diagnostics.model import Diagnostic
from flusso_shared.errors import FatalError, FlussoError
from flusso_shared.names import GenerationName
from flusso_shared.plan.mapping import index_body
from flusso_shared.plan.model import IndexPlan
from flusso_worker.sinks.cluster import Cluster, path

_NO_ANSWER = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_OLDEST_VERSION = 2


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster that answered."""

    sink: str
    version: str


def ask(
    cluster: Cluster, indexes: Sequence[IndexPlan], prefix: str
) -> tuple[ClusterFacts | None, list[Diagnostic]]:
    """What the cluster says.  A cluster that does not answer is a warning, one that refuses is an error."""
    try:
        version, distribution = _version(cluster)
        found = list(_version_fits(cluster, version, distribution))
        if not found:
            found += _replicas(cluster)
            found += _privileges(cluster, prefix)
            for index in indexes:
                found += _index(cluster, index, prefix)
    except FlussoError as error:
        return None, [_unreachable(cluster, error)]
    return ClusterFacts(cluster.name, version), found


def _version(cluster: Cluster) -> tuple[str, str]:
    reply = cluster.request("GET", "/", allow=(HTTPStatus.FORBIDDEN,))
    if reply.status == HTTPStatus.FORBIDDEN:
        return "", "opensearch"  # the user is known, but may not ask that
    said = reply.json().get("version", {})
    return str(said.get("number", "")), str(said.get("distribution", "elasticsearch"))


def _version_fits(cluster: Cluster, version: str, distribution: str) -> Iterator[Diagnostic]:
    major = version.partition(".")[0]
    # OpenSearch can be told to call itself 7.10 for old clients.
    if distribution != "opensearch" and version != "7.10.2":
        what = f"{distribution} {version}"
    elif major.isdigit() and int(major) < _OLDEST_VERSION:
        what = f"OpenSearch {version}"
    else:
        return
    yield Diagnostic(
        "error",
        "opensearch-version",
        f"sink {cluster.name} is {what}",
        subject=f"sink {cluster.name}",
        cure=f"use OpenSearch {_OLDEST_VERSION} or newer",
    )


def _replicas(cluster: Cluster) -> Iterator[Diagnostic]:
    reply = cluster.request("GET", "/_cluster/health", allow=(HTTPStatus.FORBIDDEN,))
    said = reply.json() if reply.status != HTTPStatus.FORBIDDEN else {}
    nodes, wanted = said.get("number_of_data_nodes"), cluster.config.number_of_replicas
    if isinstance(nodes, int) and wanted >= nodes:
        yield Diagnostic(
            "warning",
            "replicas",
            f"sink {cluster.name} has {nodes} data node(s): {wanted} replicas of each shard cannot be placed",
            subject=f"sink {cluster.name}",
            cure=f"set `number_of_replicas = {max(nodes - 1, 0)}` in [sinks.{cluster.name}], or add nodes",
        )


def _privileges(cluster: Cluster, prefix: str) -> Iterator[Diagnostic]:
    """Asked of the security plugin, where there is one; a version that cannot tell refuses the parameter."""
    reply = cluster.request("GET", "/_plugins/_security/authinfo", allow=_NO_ANSWER)
    if reply.status in _NO_ANSWER:
        return
    name = f"{prefix}flusso_permission_check"
    missing: set[str] = set()
    for where, body in ((path(name), None), (path(name, "_doc", "1"), {"a": 1})):
        reply = cluster.request(
            "PUT", where, body, params={"perform_permission_check": "true"}, allow=_NO_ANSWER
        )
        said = {} if reply.status in _NO_ANSWER else reply.json()
        if said.get("accessAllowed") is False:
            missing.update(str(each) for each in said.get("missingPrivileges", ()))
    if missing:
        yield Diagnostic(
            "error",
            "opensearch-privilege",
            f"the user of sink {cluster.name} lacks privileges on `{prefix}*`: {', '.join(sorted(missing))}",
            subject=f"sink {cluster.name}",
            cure=f"allow it to create, write and delete indexes `{prefix}*` and their aliases",
        )


def _index(cluster: Cluster, index: IndexPlan, prefix: str) -> Iterator[Diagnostic]:
    name = GenerationName(index.name, index.hash, 1, prefix)
    yield from _taken(cluster, index, name)
    yield from _foreign(cluster, index, name)
    yield from _mapping(cluster, index, name)


def _taken(cluster: Cluster, index: IndexPlan, name: GenerationName) -> Iterator[Diagnostic]:
    for alias in (name.hash_alias, name.plain_alias):
        reply = cluster.request("GET", path(alias), allow=(HTTPStatus.NOT_FOUND,))
        if reply.status != HTTPStatus.NOT_FOUND and alias in reply.json():
            yield Diagnostic(
                "error",
                "name-taken",
                f"sink {cluster.name} has an index called `{alias}`, which must become an alias",
                index=index.name,
                subject=f"sink {cluster.name}",
                cure="reindex it elsewhere or delete it, or set `prefix` in flusso.toml",
            )


def _foreign(cluster: Cluster, index: IndexPlan, name: GenerationName) -> Iterator[Diagnostic]:
    """An alias of this product that points at another index: it will be moved."""
    reply = cluster.request("GET", path("_alias", name.plain_alias), allow=(HTTPStatus.NOT_FOUND,))
    holders = [] if reply.status == HTTPStatus.NOT_FOUND else sorted(reply.json())
    for holder in holders:
        if not holder.startswith(f"{name.plain_alias}_"):
            yield Diagnostic(
                "warning",
                "alias-taken",
                f"alias `{name.plain_alias}` of sink {cluster.name} points at `{holder}`, which flusso did not create:"
                " it will be moved",
                index=index.name,
                subject=f"sink {cluster.name}",
                cure="rename the index, or set `prefix` in flusso.toml, if something else reads that alias",
            )


def _mapping(cluster: Cluster, index: IndexPlan, name: GenerationName) -> Iterator[Diagnostic]:
    config = cluster.config
    body = index_body(
        index,
        auto_subfields=config.auto_subfields,
        text_analysis=config.text_analysis,
        shards=config.number_of_shards,
        replicas=config.number_of_replicas,
        refresh_interval=config.refresh_interval,
    )
    template = {"index_patterns": [f"{name.physical}*"], "template": body}
    reply = cluster.request("POST", "/_index_template/_simulate", template, allow=_NO_ANSWER)
    if reply.status != HTTPStatus.BAD_REQUEST:
        return
    reason = _cause(reply.json().get("error", {}))
    icu = config.text_analysis == "icu" and "icu_" in reason
    yield Diagnostic(
        "error",
        "mapping",
        f"OpenSearch (sink {cluster.name}) refuses the index: {reason}",
        index=index.name,
        subject=f"sink {cluster.name}",
        cure='install the plugin analysis-icu on every node, or set `text_analysis = "builtin"`'
        if icu
        else "look at the `options` and types of the fields it names",
    )


def _cause(error: Any) -> str:
    """The innermost reason."""
    while isinstance(error, Mapping) and isinstance(error.get("caused_by"), Mapping):
        error = error["caused_by"]
    return str(error.get("reason", error) if isinstance(error, Mapping) else error)


def _unreachable(cluster: Cluster, error: FlussoError) -> Diagnostic:
    refused = isinstance(error, FatalError)
    return Diagnostic(
        "error" if refused else "warning",
        "opensearch",
        str(error),
        subject=f"sink {cluster.name}",
        cure="" if refused else "start it, or look at the url of the sink; it was not checked",
    )
