"""Reads documents and statuses over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT = 5.0


def get(url: str) -> Any:
    """The JSON at `url`; None while there is none."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            return json.load(answer)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, OSError, ValueError):
        return None


class Search:
    """The documents in OpenSearch."""

    def __init__(self, url: str) -> None:
        self.url = url

    def document(self, index: str, key: object) -> dict[str, Any] | None:
        """One document; None if it is not there."""
        answer = get(f"{self.url}/{index}/_doc/{key}")
        return dict(answer["_source"]) if answer and answer.get("found") else None

    def generation(self, index: str) -> str | None:
        """The physical index behind the alias; None while there is no alias."""
        answer = get(f"{self.url}/_alias/{index}")
        return next(iter(answer), None) if answer else None

    def count(self, index: str) -> int | None:
        """How many documents a search in it finds."""
        answer = get(f"{self.url}/{index}/_count")
        return int(answer["count"]) if answer else None
