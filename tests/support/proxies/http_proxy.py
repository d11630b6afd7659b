"""An HTTP proxy before OpenSearch that turns away some items of each bulk request, as a full queue does.

The others go to the real server; its answer and the refusals are put together in the order of the request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from support import web

_REFUSED = {
    "status": 429,
    "error": {"type": "rejected_execution_exception", "reason": "the write queue is full"},
}
_HOP_BY_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "host"}


class BulkProxy:
    """Forwards to `target`; `refuse` says per item of a bulk request whether it is turned away."""

    def __init__(self, target: str, refuse: Callable[[], bool]) -> None:
        self.refused = 0
        self.refuse = refuse
        self._client = web.client(target)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="bulk-proxy")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self._client.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.path.partition("?")[0].endswith("/_bulk"):
            status, answer = self._bulk(request, body)
        else:
            reply = self._forward(request, body)
            status, answer = reply.status_code, reply.content
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> httpx.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        return self._client.request(request.command, request.path, content=body, headers=headers)

    def _bulk(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        items = _items(body)
        refused = [self.refuse() for _ in items]
        self.refused += sum(refused)
        kept = b"".join(item for item, no in zip(items, refused, strict=True) if not no)
        if not kept:
            answers: list[Any] = []
        else:
            reply = self._forward(request, kept)
            if reply.status_code != httpx.codes.OK:
                return reply.status_code, reply.content
            answers = reply.json()["items"]
        rest = iter(answers)
        merged = [
            {_kind(item): _REFUSED} if no else next(rest)
            for item, no in zip(items, refused, strict=True)
        ]
        return 200, json.dumps({"took": 1, "errors": True, "items": merged}).encode()


class NarrowProxy(BulkProxy):
    """Takes bulk requests of at most `limit` bytes.  Others are cut in the middle, or answered `status` by itself."""

    def __init__(self, target: str, limit: int, status: int | None = None) -> None:
        super().__init__(target, lambda: False)
        self.limit = limit
        self._status = status

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        if length <= self.limit or not request.path.partition("?")[0].endswith("/_bulk"):
            super().serve(request)
            return
        self.refused += 1
        request.close_connection = True
        if self._status is None:
            request.rfile.read(self.limit // 2)
            return
        request.rfile.read(length)
        request.send_response(self._status)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        request.wfile.write(b"<html>no</html>")


def _items(body: bytes) -> list[bytes]:
    """The items of a bulk body: an action line each, with its document where there is one."""
    lines = body.splitlines(keepends=True)
    items: list[bytes] = []
    while lines:
        item = lines.pop(0)
        if b'"delete"' not in item[:12]:
            item += lines.pop(0)
        items.append(item)
    return items


def _kind(item: bytes) -> str:
    return str(next(iter(json.loads(item.splitlines()[0]))))
