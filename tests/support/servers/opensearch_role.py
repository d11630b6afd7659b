"""Whether a role of OpenSearch's security plugin allows a request: each is one or several actions by name.

The plugin itself is not on Maven Central; its rules are applied here to the names that OpenSearch gives its actions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from support.proxies.secure_proxies import Request

_CLUSTER = "cluster"
_ACTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # method, path, actions; those that begin with `cluster:` or are in `_OF_CLUSTER` concern no index
    ("GET", r"/", ("cluster:monitor/main",)),
    ("GET", r"/_cluster/health(/[^/]+)?", ("cluster:monitor/health",)),
    (
        "GET",
        r"/_cat/indices/(?P<index>[^/]+)",
        (
            "cluster:monitor/state",
            "cluster:monitor/health",
            "indices:monitor/settings/get",
            "indices:monitor/stats",
        ),
    ),
    ("POST|PUT", r"/(?P<index>[^/_][^/]*)/_bulk", ("cluster indices:data/write/bulk", "indices:data/write/bulk[s]")),
    ("GET|POST", r"/(?P<index>[^/_][^/]*)/_(search|count)", ("indices:data/read/search",)),
    ("POST|GET", r"/_search/scroll", ("cluster indices:data/read/scroll",)),
    ("DELETE", r"/_search/scroll", ("cluster indices:data/read/scroll/clear",)),
    ("POST|GET", r"/(?P<index>[^/_][^/]*)/_mget", ("cluster indices:data/read/mget", "indices:data/read/mget[shard]")),
    ("POST", r"/(?P<index>[^/_][^/]*)/_refresh", ("indices:admin/refresh",)),
    ("POST", r"/(?P<index>[^/_][^/]*)/_delete_by_query", ("indices:data/write/delete/byquery", "indices:data/read/search", "cluster indices:data/write/bulk")),
    ("POST", r"/(?P<index>[^/_][^/]*)/_update/[^/]+", ("indices:data/write/update",)),
    ("PUT", r"/(?P<index>[^/_][^/]*)/_settings", ("indices:admin/settings/update",)),
    ("GET|HEAD", r"/(?P<index>[^/_][^/]*)/_alias", ("indices:admin/aliases/get",)),
    ("GET|HEAD", r"/_alias/(?P<index>[^/]+)", ("indices:admin/aliases/get",)),
    ("GET", r"/(?P<index>[^/_][^/]*)/_doc/[^/]+", ("indices:data/read/get",)),
    ("PUT|POST", r"/(?P<index>[^/_][^/]*)/_(doc|create)/[^/]+", ("indices:data/write/index",)),
    ("DELETE", r"/(?P<index>[^/_][^/]*)/_doc/[^/]+", ("indices:data/write/delete",)),
    ("PUT", r"/(?P<index>[^/_][^/]*)", ("indices:admin/create", "indices:admin/mapping/put")),
    ("DELETE", r"/(?P<index>[^/_][^/]*)", ("indices:admin/delete",)),
    ("GET|HEAD", r"/(?P<index>[^/_][^/]*)", ("indices:admin/get",)),
)  # fmt: skip


class Role:
    """Checks requests; `missing` lists what was asked for and not allowed."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self._cluster: list[str] = definition["cluster_permissions"]
        self._indexes: list[dict[str, list[str]]] = definition["index_permissions"]
        self.missing: list[str] = []

    def allows(self, request: Request) -> bool:
        """Whether all actions of a request are allowed."""
        denied = [need for need in _needs(request) if not self._has(*need)]
        self.missing += [f"{request.method} {request.target}: {need}" for need in denied]
        return not denied

    def _has(self, action: str, index: str) -> bool:
        if index == _CLUSTER:
            return any(fnmatchcase(action, pattern) for pattern in self._cluster)
        return any(
            any(fnmatchcase(index, pattern) for pattern in item["index_patterns"])
            and any(fnmatchcase(action, pattern) for pattern in item["allowed_actions"])
            for item in self._indexes
        )


def _needs(request: Request) -> Iterator[tuple[str, str]]:
    """Action and index of all that a request does."""
    path = unquote(request.target.partition("?")[0])
    if path == "/_aliases":
        yield "indices:admin/aliases", _CLUSTER
        for action in json.loads(request.body)["actions"]:
            ((kind, about),) = action.items()
            name = "delete" if kind == "remove_index" else "aliases"
            for key in ("index", "alias"):
                if key in about:
                    yield f"indices:admin/{name}", about[key]
        return
    for methods, pattern, actions in _ACTIONS:
        match = re.fullmatch(pattern, path)
        if match is None or request.method not in methods.split("|"):
            continue
        for action in actions:
            of_cluster, _, name = action.rpartition(" ")
            if of_cluster or name.startswith("cluster:"):
                yield name, _CLUSTER
            else:
                yield from ((name, index) for index in match["index"].split(","))
        return
    yield f"an action that is not known here ({request.method} {path})", _CLUSTER
