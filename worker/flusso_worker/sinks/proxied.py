"""A connection to OpenSearch through an HTTP proxy: the one kind of opensearch-py that takes a proxy is over `requests`."""

from __future__ import annotations

from typing import Any

from opensearchpy import RequestsHttpConnection

from flusso_shared.config import secrets
from flusso_shared.config.connections import proxy_url


class ProxiedConnection(RequestsHttpConnection):
    """Goes through `proxy` whatever is around the process.

    `requests` would prefer HTTPS_PROXY and NO_PROXY to the proxy of the sink, REQUESTS_CA_BUNDLE to its `ca_file`, and an
    entry in ~/.netrc to its login.
    """

    def __init__(self, *, proxy: secrets.AtConnect, sink: str, **options: Any) -> None:
        super().__init__(**options)
        self._proxy = proxy
        self._sink = sink
        self.session.trust_env = False

    def perform_request(self, *arguments: Any, **options: Any) -> Any:
        # The URL may contain a password, which may be replaced in its file meanwhile.
        url = proxy_url(self._proxy, self._sink)
        self.session.proxies = {"http": url, "https": url}
        return super().perform_request(*arguments, **options)
