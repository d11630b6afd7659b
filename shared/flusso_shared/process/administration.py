"""The routes of the private surface for operators: reindex, cancel, take over, pause, resume, generations."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from flusso_shared.errors import FatalError, RetryableError


class Quarantine(Protocol):
    """The documents that could not be written.  Raises the same errors as `Administration`."""

    def entries(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """At most `limit` entries: index, id, generation, at, reason (without values of the row)."""
        ...

    def drop(self, index: str, ids: Collection[str]) -> str:
        """Remove the entries of these documents of an index, of all without `ids`; returns the answer for the operator."""
        ...

    def retry(self, index: str, ids: Collection[str]) -> str:
        """Begin to build and write them again, in the background; returns the answer for the operator."""
        ...

    def progress(self) -> Mapping[str, Any] | None:
        """The retry that runs, or the last one: index, total, done, written, kept, running, error."""
        ...


class Administration(Protocol):
    """Carries out requests of an operator.  Called from the surface's threads.

    Raises `FatalError` with the answer for the operator, `RetryableError` when a server does not answer now.
    """

    def knows(self, index: str) -> bool:
        """Whether this process maintains the index."""
        ...

    def reindex(self, index: str) -> str:
        """Request a new generation; returns the answer for the operator.  Durable when it returns."""
        ...

    def cancel(self, index: str) -> str:
        """Cancel the generation that is being seeded; returns the answer for the operator."""
        ...

    def take_over(self, index: str) -> str:
        """Make this process's schema of the index the newest; returns the answer for the operator."""
        ...

    def pause(self, index: str) -> str:
        """Pause the index; returns the answer for the operator.  Durable when it returns."""
        ...

    def resume(self, index: str) -> str:
        """Resume it; returns the answer for the operator."""
        ...

    def generations(self) -> Sequence[Mapping[str, Any]]:
        """Every generation: index, name, state, lag, progress."""
        ...

    @property
    def quarantine(self) -> Quarantine | None:
        """None without an OpenSearch sink."""
        ...

    def close(self) -> None:
        """Close the connections to the servers."""
        ...


class AdministrationSlot:
    """Holds the administration for the private surface; empty until the process is up, and again while it stops."""

    def __init__(self) -> None:
        self.administration: Administration | None = None

    @contextmanager
    def holding(self, administration: Administration) -> Iterator[None]:
        """Within the block requests reach `administration`, which is closed after it."""
        self.administration = administration
        try:
            yield
        finally:
            self.administration = None
            administration.close()


Handlers = Mapping[tuple[str, str], Callable[[Request], Response]]
"""(method, path) -> what answers; run in threads."""

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


def routes(slot: AdministrationSlot) -> Handlers:
    """`POST` of `/reindex?index=`, `/take-over?index=`, `/pause?index=` and `/resume?index=`, `DELETE /reindex?index=`,
    `GET /generations`."""

    def reindex(request: Request) -> Response:
        return of_index(request, slot, lambda found, index: found.reindex(index))

    def cancel(request: Request) -> Response:
        return of_index(request, slot, lambda found, index: found.cancel(index))

    def take_over(request: Request) -> Response:
        return of_index(request, slot, lambda found, index: found.take_over(index))

    def pause(request: Request) -> Response:
        return of_index(request, slot, lambda found, index: found.pause(index))

    def resume(request: Request) -> Response:
        return of_index(request, slot, lambda found, index: found.resume(index))

    def generations(_: Request) -> Response:
        administration = slot.administration
        if administration is None:
            return _text(503, "this process keeps no indexes, or has not begun to")
        try:
            return JSONResponse([dict(item) for item in administration.generations()])
        except (FatalError, RetryableError) as error:
            return failed(error)

    return {
        ("POST", "/reindex"): reindex,
        ("DELETE", "/reindex"): cancel,
        ("POST", "/take-over"): take_over,
        ("POST", "/pause"): pause,
        ("POST", "/resume"): resume,
        ("GET", "/generations"): generations,
    }


def of_index(
    request: Request, slot: AdministrationSlot, act: Callable[[Administration, str], str]
) -> Response:
    """What `act` answers for the index that the query names."""
    given = request.query_params.get("index")
    if given is None:
        return _text(400, "missing query parameter `index`")
    index = given.strip().lower()
    if not _IDENTIFIER.fullmatch(index):
        return _text(400, f'invalid index name "{given}"')
    administration = slot.administration
    if administration is None:
        return _text(503, "this process keeps no indexes, or has not begun to")
    if not administration.knows(index):
        return _text(404, f"unknown index {index}")
    try:
        return _text(202, act(administration, index))
    except (FatalError, RetryableError) as error:
        return failed(error)


def failed(error: FatalError | RetryableError) -> Response:
    """503 for what passes by itself, 409 for the rest."""
    return _text(503 if isinstance(error, RetryableError) else 409, str(error))


def _text(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)
