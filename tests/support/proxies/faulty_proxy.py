"""An HTTP proxy before OpenSearch that a test has refuse, hold or forward requests, while it runs."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from typing import Literal

from support.proxies.http_proxy import BulkProxy

Fault = Literal["none", "unauthorized", "busy", "silent bulk"]


class FaultyProxy(BulkProxy):
    """Forwards to `target`, but for what `fault` names.

    unauthorized: every request is answered 401.  busy: every item of a bulk request is answered 429.
    silent bulk: a bulk request is read and not answered, until the fault is another one.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target, lambda: self._fault == "busy")
        self._fault: Fault = "none"
        self._changed = threading.Condition()

    def set(self, fault: Fault) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        self.set("none")
        super().__exit__()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        if self._fault == "silent bulk" and request.path.partition("?")[0].endswith("/_bulk"):
            with self._changed:
                self._changed.wait_for(lambda: self._fault != "silent bulk")
            # Whoever waited has gone away, or takes the broken connection for an outage.
            request.close_connection = True
            return
        if self._fault != "unauthorized":
            super().serve(request)
            return
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        request.send_response(401)
        request.send_header("Content-Length", "0")
        request.end_headers()
