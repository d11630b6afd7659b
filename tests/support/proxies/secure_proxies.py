"""What stands before OpenSearch in a company: a gateway that checks who asks, and a forward proxy.

The real server answers; both only look at what passes and turn away what is wrong.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from support import web

_HOP_BY_HOP = {
    *("connection", "content-length", "content-encoding", "transfer-encoding", "host"),
    *("authorization", "proxy-authorization", "proxy-connection"),
}


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    """By names in lower case."""
    body: bytes


Check = Callable[[Request], bool]


def bearing(*values: str) -> Check:
    """Whether the Authorization header is one of `values`."""
    return lambda request: request.headers.get("authorization") in values


def basic(user: str, password: str) -> str:
    """The value of the header."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def signed(access: str, secret: str, region: str, service: str, token: str | None = None) -> Check:
    """Whether a request is signed (SigV4) with these credentials; botocore computes the signature to compare."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def check(request: Request) -> bool:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            return False
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        date = request.headers.get("x-amz-date", "")
        if given["Credential"] != f"{access}/{date[:8]}/{region}/{service}/aws4_request":
            return False
        names = given["SignedHeaders"].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return False
        if token is not None and ("x-amz-security-token" not in names):
            return False
        auth = SigV4Auth(Credentials(access, secret, token), service, region)
        copy = AWSRequest(
            method=request.method,
            url=f"http://{request.headers['host']}{request.target}",
            data=request.body,
            headers={name: request.headers[name] for name in names},
        )
        copy.context["timestamp"] = date
        if request.headers["x-amz-content-sha256"] != auth.payload(copy):
            return False
        text = auth.string_to_sign(copy, auth.canonical_request(copy))
        return bool(auth.signature(text, copy) == given["Signature"])

    return check


class _Proxy:
    """An HTTP server in a thread; `serve` answers a request."""

    scheme = "http"

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake, say
        if context is not None:
            self.scheme = "https"
            # The handshake is made by the thread of the connection: one that is never made blocks no other.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_CONNECT = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


class Gateway(_Proxy):
    """Passes on to `target` what `check` lets through, and answers 401 to all else.

    With a `prefix` it answers below that path only.
    """

    def __init__(
        self,
        target: str,
        check: Check = lambda _: True,
        *,
        prefix: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(context)
        self.check = check
        self.passed = 0
        self.refused = 0
        self._prefix = prefix
        self._client = web.client(target)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._client.close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Request(request.command, request.path, headers, body)
        if not request.path.startswith(self._prefix + "/"):
            _answer(request, 404, b"{}", "application/json")
        elif self.check(seen):
            self.passed += 1
            path = request.path.removeprefix(self._prefix)
            _pass_on(request, self._client, path, body)
        else:
            self.refused += 1
            _answer(request, 401, b"Unauthorized", "text/plain")


class ForwardProxy(_Proxy):
    """Passes on requests with a whole URL, and connections (CONNECT), for those who know user and password."""

    def __init__(self, user: str, password: str, hosts: Iterable[str] = ()) -> None:
        """`hosts` are names that lead to this machine, which no resolver knows."""
        super().__init__()
        self._authorization = basic(user, password)
        self._here = frozenset(hosts)
        self.url_with_password = f"http://{user}:{password}@127.0.0.1:{self.port}"
        self.passed = 0
        self.refused = 0
        self.open: list[socket.socket] = []
        self._client = web.client()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._client.close()

    def cut(self) -> None:
        """Break all connections that were made by CONNECT."""
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Proxy-Authorization") != self._authorization:
            self.refused += 1
            request.close_connection = True
            _answer(request, 407, b"who are you?", "text/plain")
        elif request.command == "CONNECT":
            self.passed += 1
            self._connect(request)
        else:
            self.passed += 1
            body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
            parts = urlsplit(request.path)
            path = request.path.replace(f"//{parts.netloc}", f"//{self._address(parts.netloc)}", 1)
            _pass_on(request, self._client, path, body, keep=("authorization",), host=parts.netloc)

    def _address(self, location: str) -> str:
        host, _, port = location.rpartition(":")
        return f"127.0.0.1:{port}" if host in self._here else location

    def _connect(self, request: BaseHTTPRequestHandler) -> None:
        host, _, port = self._address(request.path).rpartition(":")
        with socket.create_connection((host, int(port)), 10) as server:
            server.settimeout(None)
            request.send_response(200)
            request.end_headers()
            request.close_connection = True
            client = request.connection
            self.open += [client, server]
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select([client, server], [], [])[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        (server if ready is client else client).sendall(data)


def _pass_on(
    request: BaseHTTPRequestHandler,
    client: httpx.Client,
    path: str,
    body: bytes,
    keep: tuple[str, ...] = (),
    host: str | None = None,
) -> None:
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in _HOP_BY_HOP or name.lower() in keep
    }
    if host is not None:
        headers["host"] = host
    try:
        reply = client.request(request.command, path, content=body, headers=headers)
    except httpx.HTTPError as error:
        _answer(request, 502, str(error).encode(), "text/plain")
        return
    kind = reply.headers.get("content-type", "application/json")
    _answer(request, reply.status_code, reply.content, kind)


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
