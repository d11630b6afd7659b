"""Reads all hits of a search page by page, however many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flusso_worker.sinks.cluster import Cluster, path

_SCROLL_TIMEOUT = "30m"
"""The caller may take long over a page."""


def hits(
    cluster: Cluster, target: str, body: Mapping[str, Any], size: int, *, absent: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """The hits in the order of the index, after a refresh; with `absent`, a missing index has none."""
    allow = (HTTPStatus.NOT_FOUND,) if absent else ()
    refreshed = cluster.request("POST", path(target, "_refresh"), allow=allow)
    if refreshed.status == HTTPStatus.NOT_FOUND:
        return
    query = {"size": size, "sort": ["_doc"], **body}
    asked = cluster.request(
        "POST", path(target, "_search"), query, params={"scroll": _SCROLL_TIMEOUT}, allow=allow
    )
    if asked.status == HTTPStatus.NOT_FOUND:
        return
    reply = asked.json()
    scroll = reply["_scroll_id"]
    try:
        while found := reply["hits"]["hits"]:
            yield found
            again = {"scroll": _SCROLL_TIMEOUT, "scroll_id": scroll}
            reply = cluster.request("POST", "/_search/scroll", again).json()
            scroll = reply["_scroll_id"]
    finally:
        cluster.request(
            "DELETE", "/_search/scroll", {"scroll_id": [scroll]}, allow=(HTTPStatus.NOT_FOUND,)
        )
