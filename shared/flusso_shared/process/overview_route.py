"""`GET /overview` of the private surface: the whole deployment, as this process sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from flusso_shared.process.administration import Handlers


class OverviewSlot:
    """Holds what looks at the deployment; empty until the process is up, and again while it stops."""

    def __init__(self) -> None:
        self.look: Callable[[], Mapping[str, Any]] | None = None
        """Gives the document.  Called from the surface's threads; raises nothing, and returns within seconds."""


def routes(slot: OverviewSlot) -> Handlers:
    """`GET /overview`."""

    def overview(_: Request) -> Response:
        look = slot.look
        if look is None:
            return PlainTextResponse("this process has not begun to work, or stops\n", 503)
        return JSONResponse(dict(look()))

    return {("GET", "/overview"): overview}
