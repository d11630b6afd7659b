"""One OpenSearch cluster over opensearch-py, whose errors are translated here, in one place."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import quote

import requests
import urllib3
from opensearchpy.exceptions import ConnectionError as LostConnection
from opensearchpy.exceptions import SSLError, TransportError

from flusso_shared.config.model import OpenSearchConnection
from flusso_shared.config.server_addresses import redacted
from flusso_shared.errors import FatalError, RetryableError
from flusso_worker.sinks.client import Login, client

logger = logging.getLogger(__name__)

_TRANSIENT = frozenset({408, 429, 502, 503, 504})
_TLS_FAILURES = (
    "CERTIFICATE_VERIFY_FAILED",
    "WRONG_VERSION_NUMBER",
    "doesn't match",
    "Hostname mismatch",
)
_TLS_REFUSALS = re.compile(
    r"ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)"
)
"""What OpenSSL says when the server does not take the certificate of the client, or misses one."""
_NODE_FAILURES = frozenset({502, 503, 504})
"""Another node may not have them."""
_CUTS = (
    urllib3.exceptions.ProtocolError,
    HTTPException,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
)
_PROXY_REFUSES = re.compile(r"Tunnel connection failed: (40\d)")
_JSON = "application/json"
_QUOTED_CHARACTERS = 200
"""Of an answer that is not from OpenSearch."""
_QUOTED_REASON_CHARACTERS = 1000
_NDJSON = "application/x-ndjson"


class CutError(RetryableError):
    """The connection broke during a request or its answer, or a gateway reports that.

    The reason is an outage, or a proxy that does not accept such a request.
    """


class BusyError(RetryableError):
    """OpenSearch answered 429: too many requests."""


class BlockedError(RetryableError):
    """OpenSearch takes no writes now: a read-only index, a full disk."""


_TRANSIENT_ERRORS: Mapping[int, type[RetryableError]] = {
    HTTPStatus.BAD_GATEWAY: CutError,
    HTTPStatus.TOO_MANY_REQUESTS: BusyError,
}
"""Statuses that are told apart."""


class Reply(NamedTuple):
    """An answer, not parsed: bulk replies are large, and most report no error."""

    status: int
    text: str

    def json(self) -> Any:
        """The parsed body; an empty one is an empty object.

        Raises `RetryableError` for anything but JSON, which OpenSearch does not send.
        """
        try:
            return json.loads(self.text) if self.text.strip() else {}
        except ValueError as error:
            raise RetryableError(
                f"the answer is not from OpenSearch: {self.text[:_QUOTED_CHARACTERS]!r}"
            ) from error

    def reason(self) -> str:
        """Why OpenSearch refused the request: the reason of its error, else the beginning of the answer."""
        try:
            return str(json.loads(self.text)["error"]["reason"])
        except (ValueError, LookupError, TypeError):
            return self.text[:_QUOTED_REASON_CHARACTERS]


class Cluster:
    """The cluster of one sink.  Thread-safe: requests share a pool of connections."""

    def __init__(self, connection: OpenSearchConnection, connections: int = 8) -> None:
        self.name = connection.name
        self.config = connection.config
        self._url = ", ".join(map(redacted, connection.urls))
        self._login = Login(connection)
        if not connection.config.tls_verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._client = client(connection, connections)
        # The callers log failed attempts, and what follows from them.
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
    ) -> Reply:
        """Send a request; return the answer if it is a success or its status is in `allow`.

        `body` is sent unchanged if it is bytes (NDJSON), else as JSON.  Raises `RetryableError` for transient
        errors, `FatalError` for all others.
        """
        raw = isinstance(body, bytes)
        data = body if raw or body is None else json.dumps(body).encode()
        headers = {"content-type": _NDJSON if raw else _JSON} | self._login.headers()
        transport = self._client.transport
        node = transport.get_connection()
        try:
            status, _, text = node.perform_request(
                method, path, params=dict(params or {}), body=data, headers=headers
            )
        except LostConnection as error:
            # The next attempt, which is the caller's, goes to another node.
            transport.mark_dead(node)
            raise self._lost(error, node.host) from error
        except TransportError as error:
            code = error.status_code if isinstance(error.status_code, int) else 0
            if code in allow:
                return Reply(code, _text(error))
            if code in _NODE_FAILURES:
                transport.mark_dead(node)
            raise self._translated(error, code, f"{method} {path}") from error
        transport.connection_pool.mark_live(node)
        return Reply(status, text)

    def _lost(self, error: LostConnection, node: str) -> Exception:
        reason = str(error.error)
        if isinstance(error, SSLError):
            return self._tls(reason)
        if refused := _PROXY_REFUSES.search(reason):
            return self._refused_by_proxy(int(refused[1]))
        kind = CutError if _is_cut(error.info) else RetryableError
        return kind(f"OpenSearch at {redacted(node)} does not answer: {reason}")

    def _refused_by_proxy(self, code: int) -> Exception:
        where = f"sink {self.name}: the proxy on the way to OpenSearch answered {code}"
        if self._login.proxy_from_file:
            return RetryableError(
                f"{where}. Its URL is in a file, which is read again at every try"
            )
        return FatalError(f"{where}; check user, password and address in [sinks.{self.name}].proxy")

    def _tls(self, reason: str) -> Exception:
        where = f"OpenSearch at {self._url}"
        if _TLS_REFUSALS.search(reason):
            if self.config.client_cert is None:
                return FatalError(
                    f"{where} asks for a client certificate: {reason}; set client_cert for [sinks.{self.name}]"
                )
            return RetryableError(
                f"{where} does not take the certificate in client_cert: {reason}. The file is read again at every try"
            )
        if not any(hint in reason for hint in _TLS_FAILURES):
            # The connection broke, for which OpenSSL has many messages.
            return CutError(f"{where} does not answer: {reason}")
        return FatalError(
            f"{where}: TLS failed: {reason}; check the url, and ca_file in [sinks.{self.name}]: the certificates that the"
            " server is verified against (tls_verify = false does without)"
        )

    def _translated(self, error: TransportError, code: int, what: str) -> Exception:
        where = f"OpenSearch at {self._url}: {what} was answered {code}"
        if code in _TRANSIENT:
            kind = _TRANSIENT_ERRORS.get(code, RetryableError)
            return kind(f"{where}: {_whole_reason(error)}")
        if code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return self._refused_by_proxy(code)
        if code == HTTPStatus.UNAUTHORIZED:
            return self._login.refused(where)
        if code == HTTPStatus.FORBIDDEN:
            if "cluster_block_exception" in str(error.error):
                return BlockedError(f"{where}: {_whole_reason(error)}")
            return FatalError(
                f"{where}: {self._login.who} lacks a privilege: {_reason(error)}; it must be"
                " allowed to create, write and delete its indexes, their aliases and `flusso_meta`"
            )
        return FatalError(f"{where}: {_reason(error)}")

    def close(self) -> None:
        self._client.close()


def create_index(cluster: Cluster, name: str, body: Mapping[str, Any]) -> bool:
    """Create an index for bookkeeping; False when it exists already.

    Raises `RetryableError` when OpenSearch refuses it: its settings are always the same, so the reason is in the
    cluster (its limit of shards, a template), and goes away when that is changed.
    """
    reply = cluster.request("PUT", path(name), body, allow=(HTTPStatus.BAD_REQUEST,))
    if reply.status != HTTPStatus.BAD_REQUEST:
        return True
    if "resource_already_exists" in reply.text:
        return False
    raise RetryableError(
        f"sink {cluster.name}: OpenSearch refuses to create {name}: {reply.reason()}"
    )


def path(*parts: str) -> str:
    """A URL path of quoted parts."""
    return "/" + "/".join(quote(part, safe="*,") for part in parts)


def _is_cut(cause: object) -> bool:
    """Whether a connection broke that had been made.

    With a proxy `requests` wraps the error of urllib3, and urllib3 that of a tunnel which it has closed already.
    """
    while True:
        if isinstance(cause, urllib3.exceptions.MaxRetryError):
            cause = cause.reason
        elif isinstance(cause, urllib3.exceptions.ProxyError):
            cause = cause.original_error
        elif isinstance(cause, requests.exceptions.RequestException) and cause.args:
            cause = cause.args[0]
        else:
            return isinstance(cause, _CUTS)


def _text(error: TransportError) -> str:
    """The body of an answer that opensearch-py reports as an error."""
    info = error.info
    return str(error.error) if info is None else json.dumps(info)


def _whole_reason(error: TransportError) -> str:
    """The type of the error, and its reason."""
    reason = _reason(error)
    return reason if str(error.error) in reason else f"{error.error}: {reason}"


def _reason(error: TransportError) -> str:
    info = error.info
    if isinstance(info, Mapping):
        found = info.get("error")
        if isinstance(found, Mapping) and "reason" in found:
            return str(found["reason"])
    return str(error.error)
