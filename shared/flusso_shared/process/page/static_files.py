"""The files of the page, and the headers of every answer of the private surface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Send

from flusso_shared.process.administration import Handlers
from flusso_shared.process.page.browser_requests import PageToken

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
        " trusted-types 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Nothing from outside, nothing inline, in no frame, and kept nowhere."""
_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def static_files(token: PageToken) -> Handlers:
    """`GET /`, with the token in it, and `GET /page/<file>` for each file that it loads."""
    page = (_FOLDER / "index.html").read_text("utf-8").replace("{token}", token.text)
    files = {
        f"/page/{path.name}": Response(path.read_bytes(), media_type=_TYPES[path.suffix])
        for path in _FOLDER.iterdir()
        if path.suffix in _TYPES
    }
    answers = {"/": Response(page, media_type="text/html")} | files
    return {("GET", path): _always(answer) for path, answer in answers.items()}


def with_headers(send: Send) -> Send:
    """`send` of a request, whose answer gets `HEADERS`."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sent


def _always(answer: Response) -> Callable[[Request], Response]:
    return lambda _: answer
