"""The two HTTP surfaces: public (health, status, metrics) and private (indexes, behind Basic auth)."""

from __future__ import annotations

import asyncio
import base64
import errno
import hmac
import ipaddress
import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, cast

import uvicorn
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flusso_shared.errors import FatalError
from flusso_shared.metrics import Metrics
from flusso_shared.process import administration, overview_route
from flusso_shared.process.administration import AdministrationSlot, Handlers
from flusso_shared.process.connection_limits import LimitedConnection, Limits
from flusso_shared.process.overview_route import OverviewSlot
from flusso_shared.process.page.browser_requests import PageToken
from flusso_shared.process.page.recorder import Recorder
from flusso_shared.process.page.routes import page_routes, refused
from flusso_shared.process.page.static_files import with_headers
from flusso_shared.process.password_tries import Tries
from flusso_shared.status import Status

logger = logging.getLogger(__name__)

_BACKLOG = 128
_STOP_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may use the private surface."""

    user: str
    password: str

    def allow(self, header: bytes) -> bool:
        """Whether an Authorization header carries them.

        Digests are compared, in constant time: how long that takes tells neither how much is right nor how long it is.
        """
        if not header.startswith(b"Basic "):
            return False
        try:
            given = base64.b64decode(header[len(b"Basic ") :], validate=True)
        except ValueError:
            return False
        own = f"{self.user}:{self.password}".encode()
        return hmac.compare_digest(sha256(given).digest(), sha256(own).digest())


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a surface shows to clients that speak TLS: files in PEM, read at the start."""

    file: str
    key: str | None = None
    """None if the key is in `file`, too."""

    def check(self) -> None:
        """Raises `FatalError` when the files cannot be used."""
        try:
            # Without a function for the password OpenSSL would ask for it at the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.file, self.key, lambda: "")
        except OSError as error:
            named = f"{self.file} and {self.key}" if self.key else self.file
            raise FatalError(
                f"cannot use the certificate of the private surface, {named}: {error.strerror or error}; --private-cert"
                " and --private-key are files in PEM, the key without a password"
            ) from error


def public_app(status: Status, metrics: Metrics) -> Starlette:
    """`/healthz`, `/readyz`, `/status`, `/metrics`."""

    def healthz(_: Request) -> Response:
        health = status.health()
        return PlainTextResponse(f"{health}\n", 503 if health.state == "failing" else 200)

    def readyz(_: Request) -> Response:
        stopped = status.stopped()
        if stopped:
            return PlainTextResponse(f"stopped: {', '.join(stopped)}\n", 503)
        ready = status.phase in ("backfilling", "live")
        return Response(status_code=200 if ready else 503)

    def status_document(_: Request) -> Response:
        return JSONResponse(status.to_json())

    def exposition(_: Request) -> Response:
        return PlainTextResponse(generate_latest(metrics.registry))

    return application(
        {
            ("GET", "/healthz"): healthz,
            ("GET", "/readyz"): readyz,
            ("GET", "/status"): status_document,
            ("GET", "/metrics"): exposition,
        }
    )


def private_app(
    status: Status,
    credentials: Credentials,
    administration_slot: AdministrationSlot | None = None,
    recorder: Recorder | None = None,
) -> Starlette:
    """`/indexes`, the routes of `administration`, `overview_route` and the status page; every route, known or not, asks for the credentials.

    After a few wrong passwords, further attempts from an address wait.  Browsers, which send the credentials by
    themselves, need the token of the page to change something.
    """

    def indexes(_: Request) -> Response:
        return JSONResponse(status.to_json()["indexes"])

    slot = administration_slot or AdministrationSlot()
    recorded = recorder or Recorder(OverviewSlot())
    token = PageToken()
    app = application(
        {
            ("GET", "/indexes"): indexes,
            **administration.routes(slot),
            **overview_route.routes(recorded.slot),
            **page_routes(slot, recorded, token),
        }
    )
    tries = Tries()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        answer: Any = app
        if scope["type"] == "http":
            send = with_headers(send)
            answer = await _refusal(scope, credentials, tries) or refused(scope, token) or app
        await answer(scope, receive, send)

    outer = Starlette()
    outer.mount("/", guarded)
    return outer


async def _refusal(scope: Any, credentials: Credentials, tries: Tries) -> Response | None:
    """The answer to a request without the credentials."""
    header = dict(scope["headers"]).get(b"authorization")
    if header is not None:
        address = scope["client"][0] if scope.get("client") else ""
        wait = tries.wait(address, time.monotonic())
        if wait is None:
            return PlainTextResponse("too many wrong passwords\n", 429, {"retry-after": "10"})
        if wait:
            await asyncio.sleep(wait)
        if credentials.allow(header):
            tries.succeeded(address)
            return None
        tries.failed(address, time.monotonic())
    challenge = {"www-authenticate": 'Basic realm="flusso", charset="UTF-8"'}
    return PlainTextResponse("unauthorized\n", 401, challenge)


def _strict(app: Any) -> Any:
    """The application, for requests whose headers are ASCII; others are 400."""

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        if all(value.isascii() for _, value in scope.get("headers", ())):
            await app(scope, receive, send)
        else:
            await PlainTextResponse("a header is not ASCII\n", 400)(scope, receive, send)

    return checked


def application(handlers: Handlers) -> Starlette:
    """An application of (method, path) -> handler.  Unknown paths are 404, wrong methods 405 with `Allow`."""

    def failed(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return Response(status_code=error.status_code, headers=error.headers)

    return Starlette(
        routes=[_route(path, handlers) for path in dict.fromkeys(path for _, path in handlers)],
        exception_handlers={HTTPException: failed},
    )


def _route(path: str, handlers: Handlers) -> Route:
    methods = {method: handler for (method, at), handler in handlers.items() if at == path}
    if "GET" in methods:
        methods["HEAD"] = methods["GET"]

    def handle(request: Request) -> Response:
        return methods[request.method](request)

    return Route(path, handle, methods=list(methods))


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens on `host:port`.  False where a name leads nowhere."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:
        return False
    addresses = [ipaddress.ip_address(item[4][0]) for item in found]
    return all((getattr(each, "ipv4_mapped", None) or each).is_loopback for each in addresses)


def bind(address: str, surface: str, *, or_free: bool = False) -> socket.socket:
    """Listen on `host:port`; port 0 picks a free one, and so does `or_free` where the port is taken.

    Raises `FatalError` when it cannot.
    """
    host, _, port = address.rpartition(":")
    bare = host.strip("[]")
    try:
        family = socket.getaddrinfo(bare, int(port), type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((bare, int(port)))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if or_free and error.errno == errno.EADDRINUSE:
            logger.warning(
                "another process listens on %s, the default for the %s surface; it gets a free port",
                address,
                surface,
                extra={"action": "port_taken", "surface": surface},
            )
            return bind(f"{host}:0", surface)
        raise FatalError(
            f"cannot listen on {address} for the {surface} surface: {error.strerror}; choose another"
            f" address with --{surface}-address (port 0 picks a free one)"
        ) from error
    shown = listener.getsockname()
    logger.info(
        "%s surface listening on %s:%s",
        surface,
        f"[{shown[0]}]" if ":" in shown[0] else shown[0],
        shown[1],
        extra={"action": "listen", "surface": surface},
    )
    return listener


class HttpServer:
    """Serves one application on a socket that is bound already, in a thread of its own."""

    def __init__(
        self,
        app: Starlette,
        listener: socket.socket,
        surface: str,
        limits: Limits | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """With a `certificate`, which was checked, it speaks TLS."""
        config = uvicorn.Config(
            _strict(app),
            http=cast("Any", partial(LimitedConnection, limits=limits or Limits())),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            ssl_certfile=certificate.file if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [listener]},
            name=f"http-{surface}",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests in progress and close the socket."""
        self._server.should_exit = True
        self._thread.join(_STOP_TIMEOUT_SECONDS)
        self._listener.close()
