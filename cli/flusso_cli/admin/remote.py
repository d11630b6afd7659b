"""A client of the private surface of a running process."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from flusso_shared.errors import FatalError
from flusso_worker.generations.view import GenerationView

_TIMEOUT_SECONDS = 60.0
_OK = 300


class Remote:
    """One process, with the credentials of its administrator."""

    def __init__(self, server: str, user: str, password: str) -> None:
        """`server` is `host:port` or a URL."""
        self._url = (server if "://" in server else f"http://{server}").rstrip("/")
        self._headers = urllib3.make_headers(basic_auth=f"{user}:{password}")
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False)

    def generations(self) -> list[GenerationView]:
        """Every generation that the process knows."""
        found: list[dict[str, Any]] = self._ask("GET", "/generations").json()
        return [GenerationView.from_json(item) for item in found]

    def states(self) -> dict[str, str]:
        """Every index with its state."""
        found: dict[str, str] = self._ask("GET", "/indexes").json()
        return found

    def reindex(self, index: str) -> str:
        """Request a new generation; returns the answer."""
        return self._ask("POST", "/reindex", {"index": index}).data.decode().strip()

    def cancel(self, index: str) -> str:
        """Cancel it; returns the answer."""
        return self._ask("DELETE", "/reindex", {"index": index}).data.decode().strip()

    def take_over(self, index: str) -> str:
        """Make the process's schema the newest; returns the answer."""
        return self._ask("POST", "/take-over", {"index": index}).data.decode().strip()

    def close(self) -> None:
        self._pool.clear()

    def _ask(
        self, method: str, path: str, fields: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        url = self._url + path
        query = f"?{urlencode(fields)}" if fields else ""
        try:
            answer = self._pool.request(method, url + query, headers=self._headers)
        except HTTPError as error:
            raise FatalError(
                f"cannot reach the process at {self._url}: {error}; name its private address with --server"
            ) from error
        if answer.status >= _OK:
            text = answer.data.decode(errors="replace").strip()
            raise FatalError(f"server returned {answer.status} {answer.reason}: {text}")
        return answer
