"""The routes of the status page: its files, what it shows, and what its buttons send."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from flusso_shared.errors import FatalError, RetryableError
from flusso_shared.process import administration
from flusso_shared.process.administration import (
    Administration,
    AdministrationSlot,
    Handlers,
    Quarantine,
)
from flusso_shared.process.page.browser_requests import ACTIONS, PageToken, refusal
from flusso_shared.process.page.recorder import Recorder
from flusso_shared.process.page.static_files import static_files

_MAX_ENTRIES = 200
_NO_ACTIONS = (
    "No buttons here: this process has no OpenSearch sink, or not its address and secrets, or is starting or"
    " stopping. Open the page of a worker, or use the commands."
)


def page_routes(slot: AdministrationSlot, recorder: Recorder, token: PageToken) -> Handlers:
    """`/`, `/page/...` and `POST /actions/...?index=&id=`."""
    return {
        **static_files(token),
        ("GET", "/page/data"): lambda request: _data(request, slot, recorder),
        ("GET", "/page/quarantine"): lambda _: _quarantine(slot),
        **_actions(slot),
    }


def refused(scope: Scope, token: PageToken) -> Response | None:
    """The answer to a request of a browser that must not change anything; None for any other."""
    headers = Headers(scope=scope)
    reason = refusal(scope["method"], scope["path"], headers, token)
    return None if reason is None else PlainTextResponse(f"{reason}\n", 403)


def _data(request: Request, slot: AdministrationSlot, recorder: Recorder) -> Response:
    try:
        since = float(request.query_params.get("since", "0"))
    except ValueError:
        return PlainTextResponse("`since` is not a number\n", 400)
    try:
        overview = recorder.overview()
    except RetryableError as error:
        return PlainTextResponse(f"{error}\n", 503)
    held = slot.administration
    quarantine = None if held is None else held.quarantine
    return JSONResponse(
        {
            "overview": overview,
            "samples": [sample.to_json() for sample in recorder.history.since(since)],
            "no_actions": _NO_ACTIONS if quarantine is None else None,
            "retry": None if quarantine is None else quarantine.progress(),
        }
    )


def _quarantine(slot: AdministrationSlot) -> Response:
    held = slot.administration
    if held is None or held.quarantine is None:
        return JSONResponse({"entries": [], "more": False})
    try:
        found = held.quarantine.entries(_MAX_ENTRIES + 1)
    except (FatalError, RetryableError) as error:
        return administration.failed(error)
    shown = [dict(entry) for entry in found[:_MAX_ENTRIES]]
    return JSONResponse({"entries": shown, "more": len(found) > _MAX_ENTRIES})


def _actions(slot: AdministrationSlot) -> Handlers:
    """Those of the operators' routes that have a button, and those of the quarantine."""
    own = administration.routes(slot)

    def retry(request: Request) -> Response:
        return _of_entries(request, slot, lambda found, index, ids: found.retry(index, ids))

    def drop(request: Request) -> Response:
        return _of_entries(request, slot, lambda found, index, ids: found.drop(index, ids))

    handlers = {
        "reindex": own["POST", "/reindex"],
        "cancel": own["DELETE", "/reindex"],
        "pause": own["POST", "/pause"],
        "resume": own["POST", "/resume"],
        "quarantine/retry": retry,
        "quarantine/drop": drop,
    }
    return {("POST", ACTIONS + verb): handler for verb, handler in handlers.items()}


def _of_entries(
    request: Request,
    slot: AdministrationSlot,
    act: Callable[[Quarantine, str, Collection[str]], str],
) -> Response:
    ids = request.query_params.getlist("id")

    def carry_out(held: Administration, index: str) -> str:
        if held.quarantine is None:
            raise FatalError("without an OpenSearch sink nothing is kept in quarantine")
        return act(held.quarantine, index, ids)

    return administration.of_index(request, slot, carry_out)
