"""A client of the private surface of a running process."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from flusso_cli.overview.model import Overview
from flusso_shared.config.model import OpenSearchSinkConfig
from flusso_shared.config.project import Project
from flusso_shared.errors import FatalError
from flusso_worker.generations.view import GenerationView

DEFAULT_SERVER = "127.0.0.1:9465"
_TIMEOUT_SECONDS = 60.0
_OK = 300


@dataclass(frozen=True, slots=True)
class Access:
    """Which process, and who asks it."""

    server: str | None
    """`host:port` or a URL; None for the default address."""
    user: str
    password: str
    ca: Path | None = None
    """File of the certificates that an https server is verified against, instead of the system's."""
    why: str = ""
    """Why a process is asked, where the operator did not name one; for messages."""

    def instead_of_servers(self, project: Project) -> Access:
        """The process of a configuration that has no OpenSearch sink: it alone knows its indexes."""
        why = (
            "the configuration has no OpenSearch sink, so only a running process (`flusso run`, `flusso-worker`) knows"
            " the indexes: "
        )
        return replace(self, server=project.config.server.private_address, why=why)


def has_records(project: Project) -> bool:
    """Whether the state of the indexes is on record in OpenSearch."""
    return any(isinstance(sink, OpenSearchSinkConfig) for sink in project.config.sinks)


class Remote:
    """One process, with the credentials of its administrator."""

    def __init__(self, access: Access) -> None:
        scheme = "http" if access.ca is None else "https"
        server = access.server or DEFAULT_SERVER
        self._url = (server if "://" in server else f"{scheme}://{server}").rstrip("/")
        self._why = access.why
        pair = f"{access.user}:{access.password}".encode()
        self._headers = {"authorization": f"Basic {b64encode(pair).decode()}"}
        self._pool = urllib3.PoolManager(
            timeout=_TIMEOUT_SECONDS,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=None if access.ca is None else str(access.ca),
        )

    def generations(self) -> list[GenerationView]:
        """Every generation that the process knows."""
        found: list[dict[str, Any]] = self._ask("GET", "/generations").json()
        return [GenerationView.from_json(item) for item in found]

    def states(self) -> dict[str, str]:
        """Every index with its state."""
        found: dict[str, str] = self._ask("GET", "/indexes").json()
        return found

    def overview(self) -> Overview:
        """The whole deployment, as the process sees it."""
        return Overview.from_json(self._ask("GET", "/overview").json())

    def reindex(self, index: str) -> str:
        """Request a new generation; returns the answer."""
        return self._ask("POST", "/reindex", {"index": index}).data.decode().strip()

    def cancel(self, index: str) -> str:
        """Cancel it; returns the answer."""
        return self._ask("DELETE", "/reindex", {"index": index}).data.decode().strip()

    def take_over(self, index: str) -> str:
        """Make the process's schema the newest; returns the answer."""
        return self._ask("POST", "/take-over", {"index": index}).data.decode().strip()

    def pause(self, index: str) -> str:
        """Pause an index; returns the answer."""
        return self._ask("POST", "/pause", {"index": index}).data.decode().strip()

    def resume(self, index: str) -> str:
        """Resume it; returns the answer."""
        return self._ask("POST", "/resume", {"index": index}).data.decode().strip()

    def close(self) -> None:
        self._pool.clear()

    def _ask(
        self, method: str, path: str, fields: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        url = self._url + path
        query = f"?{urlencode(fields)}" if fields else ""
        try:
            answer = self._pool.request(method, url + query, headers=self._headers)
        except SSLError as error:
            raise FatalError(
                f"TLS with the process at {self._url} failed: {error}; name the file of the authority that signed its"
                " certificate with --server-ca"
            ) from error
        except HTTPError as error:
            raise FatalError(
                f"{self._why}cannot reach the process at {self._url}: {error}; start it, or name its private address"
                " with --server"
            ) from error
        if answer.status >= _OK:
            text = answer.data.decode(errors="replace").strip()
            raise FatalError(f"server returned {answer.status} {answer.reason}: {text}")
        return answer
